"""Engines: who answers questions about rows.

base.py             what a question and an engine are;  batch.py  standardised rows
registry.py         the engines by name, and which one a table gets
questions.py        comparisons of predictions with targets;  cached_objective.py  the last of them
local.py            threads of this machine;  remote.py  passes that are asked of another engine
"""
