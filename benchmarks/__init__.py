"""Benchmarks: deltarule beside its peers, on the same tables, in the same run.

run.py      stage one: every contestant of every job in a process of its own -> results.jsonl
report.py   stage two: results.jsonl -> a table for each job
check.py    a new run beside the recorded one: what got slower
growth.py   how learning grows with rows, inputs, levels, classes, steps, folds -> growth.jsonl
figures.py  stage three: the recorded runs -> docs/benchmarks.md, its pictures, README's table
other_peers.py  peers in an environment of their own, by peer_jobs.py -> other_peers.jsonl
jobs.py     what is measured: each job, its table, its contestants, its limits
more.py     more of them: predicting.py, start.py (commands as processes), small.py (small tables)
job.py      the words of jobs.py
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
