"""Untrusted Arrow streams: the headers of their messages, checked before a buffer is made.

A compressed buffer says itself how large it becomes, and a batch how many rows it has, so a body
of a kilobyte may ask for a terabyte. Both stand in the messages' flatbuffers (Message, RecordBatch,
DictionaryBatch of Arrow's format/Message.fbs), of which these few fields are read here.
"""

import struct
from typing import Any

from deltarule.errors import ReadError
from deltarule.serve.problems import ProblemError
from deltarule.serve.settings import Limits

# The places of fields in their tables.
HEADER_TYPE, HEADER = 1, 2
LENGTH, COMPRESSION = 0, 3
DICTIONARY_DATA = 1
DICTIONARY_BATCH, RECORD_BATCH = 2, 3


def open_stream(body: bytes, limits: Limits) -> Any:
    """The table of an Arrow stream.

    Errors:  ProblemError above the limits, or compressed; ReadError where it is no stream
    """
    import pyarrow as pa

    try:
        _check_messages(pa.ipc.MessageReader.open_stream(pa.BufferReader(body)), limits)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            if len(reader.schema) > limits.columns:
                raise ProblemError(413, "too-many-columns", f"at most {limits.columns:,} columns")
            table = reader.read_all()
        table.validate(full=True)  # an offset beyond its buffer would be read as it is
    except (pa.ArrowException, ValueError, OSError, KeyError, OverflowError, struct.error) as error:
        raise ReadError(f"the body is no Arrow stream ({type(error).__name__})") from None
    return table


def _check_messages(messages: Any, limits: Limits) -> None:
    """Refuse compressed messages and those of too many rows, in all."""
    rows = 0
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        metadata = message.metadata.to_pybytes()
        root = _at(metadata, 0)
        kind_place = _field(metadata, root, HEADER_TYPE)
        kind = 0 if kind_place is None else metadata[kind_place]
        place = _field(metadata, root, HEADER)
        if place is None or kind not in (DICTIONARY_BATCH, RECORD_BATCH):
            continue
        batch: int | None = _at(metadata, place)
        if kind == DICTIONARY_BATCH:
            data = _field(metadata, _at(metadata, place), DICTIONARY_DATA)
            batch = None if data is None else _at(metadata, data)
        if batch is None:
            continue
        if _field(metadata, batch, COMPRESSION) is not None:
            raise ProblemError(400, "arrow", "send the Arrow stream without compression")
        length = _field(metadata, batch, LENGTH)
        rows += 0 if length is None else struct.unpack_from("<q", metadata, length)[0]
        if not 0 <= rows <= 2 * limits.rows:  # levels of dictionaries count too
            raise ProblemError(413, "too-many-rows", f"at most {limits.rows:,} rows at once")


def _at(buffer: bytes, place: int) -> int:
    """Where the offset that stands at a place leads to."""
    return place + int(struct.unpack_from("<I", buffer, place)[0])


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """The place of a table's field; None where it is left out."""
    vtable = table - int(struct.unpack_from("<i", buffer, table)[0])
    size = int(struct.unpack_from("<H", buffer, vtable)[0])
    entry = 4 + 2 * number
    if vtable < 0 or entry + 2 > size:
        return None
    offset = int(struct.unpack_from("<H", buffer, vtable + entry)[0])
    return table + offset if offset else None
