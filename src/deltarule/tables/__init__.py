"""Where examples come from: any table, as batches of rows and then as numbers.

source.py   Source, and which one a table gets
polars.py   files and polars frames
frames.py   other dataframes, dicts, lists; and back to the caller's kind
schema.py   columns to numbers, learnt once and then fixed
reading.py  the one read: source -> schema and moments
"""
