"""Expressions: SQL over a table's columns as an input, checked before it is used."""
