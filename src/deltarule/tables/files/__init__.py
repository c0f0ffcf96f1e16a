"""Files: what a path is, and which source reads it.

open.py       a path, folder, pattern or standard input -> a source
formats.py    the format of a file, by what is in it and by its name
delimited.py  CSV and TSV: dialect found out, types from what the rows hold
dialect.py    separator, quotes, header, lines above it
encoding.py   bytes to text: encoding, packing, blocks of rows
records.py    NDJSON and JSON;  excel.py  sheets
"""
