"""Tables: sources of rows in batches, and their encoding as inputs and targets.

source.py         Source, the protocol of all tables;  filtered.py  rows that satisfy a condition
polars_source.py  scanned files and lazy frames
frames.py         dataframes of any library, dicts, lists; and back to the caller's type
files/, databases/   everything with a URL
request.py        what to learn;  terms.py  the formula of the inputs;  expressions/
plan.py           decisions from the first rows
one_read.py       the one read: source -> summary, schema and moments
summary.py        sums by name, which add and subtract;  layout.py, level_sums.py  of what they are
summary_file.py   summaries in files;  finalize.py  summary -> schema and moments
schema.py         columns -> inputs, fixed once learnt;  drift.py  unseen values at prediction
column_names.py   checks of column names
"""
