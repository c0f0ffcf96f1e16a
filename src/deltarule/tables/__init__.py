"""Where examples come from: any table, as batches of rows and then as numbers.

source.py     Source: what every table looks like from inside
polars.py     scanned files and lazy frames
frames.py     dataframes of any library, dicts, lists; and back to the caller's kind
files/, databases/   everything with an address
terms.py      what inputs are made of: columns, expressions, dates, interactions; expressions/
plan.py       what a look at the first rows decides
reading.py    the one read: source -> schema and moments;  settle.py  what all rows decide
schema.py     columns to numbers, learnt once and then fixed;  noticed.py  what was new in a table
names.py      a column that is not there
"""
