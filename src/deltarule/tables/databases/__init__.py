"""Databases: SQLite, PostgreSQL and DuckDB, read in a stream and written in one transaction.

database.py  a URL -> a source; a new table from frames
address.py   what a URL names, and how its credentials stay hidden
sqlite.py, postgres.py, duckdb.py   one kind each;  arrow.py   batches of Arrow to polars
"""
