"""Arrow's dictionary-encoded columns in Parquet and Arrow files: categories, whatever their type.

Polars reads such a column of numbers as numbers. What it was stands in the Arrow schema, which
Parquet files keep in their metadata and Arrow files in their footer, as a FlatBuffers table:

    table     where its vtable lies (int32, backwards), then its fields
    vtable    its own size and the table's (uint16), then where in the table each field is (0: none)
    Message   version, header type, header: the schema;  Footer: version, schema
    Schema    endianness, fields;  Field: name, nullable, type, type, dictionary
"""

import base64
import struct
from pathlib import Path

import polars as pl

from deltarule.tables.polars_source import PROBLEMS

MARK, MESSAGE = b"ARROW1", b"\xff\xff\xff\xff"
# A longer schema, or name of a column, is none.
LONGEST_SCHEMA, LONGEST_NAME = 1 << 26, 1 << 16


def parquet_dictionaries(path: Path) -> set[str]:
    """The columns of a Parquet file that were dictionary-encoded in Arrow, as categories are."""
    try:
        message = base64.b64decode(pl.read_parquet_metadata(path).get("ARROW:schema", ""))
    except (ValueError, *PROBLEMS):
        return set()
    # What marks a message, its length, the message.
    return _dictionaries(message[8:], slot=2)


def arrow_dictionaries(path: Path) -> set[str]:
    """The columns of an Arrow file, or of a stream in one, that are dictionary-encoded."""
    with path.open("rb") as file:
        start = file.read(8)
        if start.startswith(MESSAGE):
            length = int.from_bytes(start[4:], "little")
            return _dictionaries(file.read(min(length, LONGEST_SCHEMA)), slot=2)
        tail = 4 + len(MARK)
        size = file.seek(0, 2)
        file.seek(max(0, size - tail))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - tail - length))
        return _dictionaries(file.read(min(length, LONGEST_SCHEMA)), slot=1)


def _dictionaries(buffer: bytes, *, slot: int) -> set[str]:
    """The names of fields with a dictionary; none where the bytes are no schema."""
    found = set()
    try:
        schema = _field(buffer, _there(buffer, 0), slot)
        fields = _field(buffer, _there(buffer, schema), 1)
        vector = _there(buffer, fields)
        for at in range(struct.unpack_from("<I", buffer, vector)[0]):
            field = _there(buffer, vector + 4 + 4 * at)
            if _field(buffer, field, 4):
                name = _there(buffer, _field(buffer, field, 0))
                size = struct.unpack_from("<I", buffer, name)[0]
                found.add(buffer[name + 4 : name + 4 + min(size, LONGEST_NAME)].decode())
    except (struct.error, UnicodeDecodeError):
        return set()
    return found


def _there(buffer: bytes, at: int) -> int:
    """Where an offset that stands there leads."""
    place: int = at + struct.unpack_from("<I", buffer, at)[0]
    return place


def _field(buffer: bytes, table: int, number: int) -> int:
    """Where a table's field stands, 0 if it is absent."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if vtable < 0 or 4 + 2 * number >= struct.unpack_from("<H", buffer, vtable)[0]:
        return 0
    place: int = struct.unpack_from("<H", buffer, vtable + 4 + 2 * number)[0]
    return table + place if place else 0
