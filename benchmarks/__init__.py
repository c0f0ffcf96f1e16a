"""Benchmarks: deltarule beside its peers, on the same tables, in the same run.

run.py      stage one: every contestant of every job in a process of its own -> results.jsonl
report.py   stage two: results.jsonl -> a table for each job
jobs.py     what is measured: each job, its table, its contestants, its limits
ours.py     deltarule's way to do each job
peers.py    the others' ways, and decoding alone
answer.py   what every contestant hands back
tables.py   seeded tables, made once, in a cache outside the repository
exact.py    the answers to judge by, worked out once in another way than any contestant's
child.py    what runs in a contestant's process
serve.py    deltarule serve beside a FastAPI app -> serve.jsonl
fastapi_pipeline.py  that app
machine.py  where and with which versions it ran
"""
