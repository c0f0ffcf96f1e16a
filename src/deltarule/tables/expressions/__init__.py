"""Expressions: SQL over a table's columns as an input, checked before it is used.

expression.py  text -> Expression -> polars
syntax.py      what texts are let through, and how they are written back
functions.py   what each function gives
constants.py   texts that stand for dates
budget.py      what an expression may cost
spelling.py    numbers and yes/no that hide in text
"""
