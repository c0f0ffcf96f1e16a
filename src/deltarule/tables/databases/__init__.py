"""Databases: SQLite, PostgreSQL and DuckDB, read in a stream and written in one transaction."""
