"""Records of a JSON document, split on its bytes into one a line, in bounded memory.

A record is an element of a list of objects. Only brackets and commas outside strings say where it
begins and ends: their depth is counted block by block, the commas between records become ends of
lines, and what a record holds is left to the parser of lines.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import ReadError
from deltarule.tables.files.encoding import BLOCK, LONGEST_ROW, Text
from deltarule.tables.files.packed import CHUNK, unpacked

QUOTE, COMMA, NEWLINE, RETURN, SPACE = b'",\n\r '
LIST, OBJECT, LIST_END, OBJECT_END = b"[{]}"
# Brackets of both kinds differ in this bit alone: with it set, one comparison finds both.
FOLD = 0x20
# What may follow what at the depth of records; at first there is nothing.
FOLLOWS = np.array([a << 8 | b for a, b in (b"\0[", b"[{", b"[]", b"{}", b"},", b",{", b"}]")])
# An object of more lists is one of columns; a longer name of a list is none.
MOST_LISTS, LONGEST_NAME = 1000, 1 << 16


@dataclass(frozen=True)
class Marks:
    """The brackets and commas of a block that are outside strings."""

    block: bytes
    outside: NDArray[np.bool_]
    """Which bytes of the block are outside strings: (bytes,)."""
    at: NDArray[np.intp]
    """Where the marks are: (marks,), as the codes and the depth."""
    codes: NDArray[np.uint8]
    depth: NDArray[np.int64]
    """How many brackets are open after each."""


@dataclass(frozen=True)
class Outline:
    """What the object that a document is has for members."""

    objects: int
    """How many objects there are, one after the other."""
    columns: bool
    """Whether they are columns: several lists and nothing else, not all of them of objects."""
    records: Sequence[tuple[str, int]]
    """The lists of objects: the name of each, and where it begins, in bytes."""


def record_lines(text: Text, start: int = 0) -> Iterator[bytes]:
    """The records of the list that begins at this byte, in blocks of one record a line.

    Errors:  ReadError for what is no list of objects, does not end or has more after its end
    """
    rest, last, record = b"", 0, 1
    for marks in _marked(text, start):
        if last == LIST_END:
            _check_blank(marks.block, text)
            continue
        at, codes = _between_records(marks)
        pairs = np.r_[np.uint8(last), codes].astype(np.int64)
        wrong = np.flatnonzero(~np.isin(pairs[:-1] << 8 | pairs[1:], FOLLOWS))
        commas = codes == COMMA
        if wrong.size:
            record += int(commas[: wrong[0]].sum())
            raise ReadError(f"{text.name} is JSON but no table: record {record} is no object")
        record += int(commas.sum())
        first, last = last == 0 and len(codes) > 0, int(codes[-1]) if len(codes) else last
        upto = int(at[-1]) if last == LIST_END else len(marks.block)
        if last == LIST_END and start == 0:
            _check_blank(marks.block[upto + 1 :], text)
        lines = _in_lines(marks, at[commas])[int(at[0]) + 1 if first else 0 : upto]
        made = rest + lines.tobytes()
        cut = len(made) if last == LIST_END else made.rfind(b"\n") + 1
        if made[:cut].strip():
            yield made[:cut]
        rest = made[cut:]
        if len(rest) > LONGEST_ROW:
            raise ReadError(f"{text.name}: record {record} is longer than {LONGEST_ROW >> 20} MB")
        if last == LIST_END and start:
            return  # what follows in the object that the list is in
    if last != LIST_END:
        raise _cut_short(text, f"within record {record}")


def object_lines(text: Text) -> Iterator[bytes]:
    """Objects one after the other, over one line or several, in blocks of one object a line."""
    rest = b""
    for marks in _marked(text, 0):
        lines = _in_lines(marks, marks.at[:0]).tobytes()
        ends = marks.at[(marks.depth == 0) & (marks.codes == OBJECT_END)] + 1
        parts = pairwise([0, *ends.tolist(), len(lines)])
        made = rest + b"\n".join(lines[start:end] for start, end in parts)
        cut = made.rfind(b"\n") + 1
        if cut:
            yield made[:cut]
        rest = made[cut:]
        if len(rest) > LONGEST_ROW:
            raise ReadError(f"{text.name}: an object is longer than {LONGEST_ROW >> 20} MB")
    if rest.strip():
        yield rest


def _between_records(marks: Marks) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """The marks that begin, end and separate records, up to the end of their list."""
    begins = (marks.codes | FOLD) == OBJECT
    telling = np.flatnonzero(marks.depth <= np.where(begins, 2, 1))
    ends = np.flatnonzero(marks.depth[telling] <= 0)
    telling = telling[: ends[0] + 1] if ends.size else telling
    return marks.at[telling], marks.codes[telling]


def _in_lines(marks: Marks, commas: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The block with ends of lines at these commas, and outside strings nowhere else."""
    lines = np.frombuffer(marks.block, np.uint8).copy()
    lines[marks.outside & ((lines == NEWLINE) | (lines == RETURN))] = SPACE
    lines[commas] = NEWLINE
    return lines


def outline(text: Text) -> Outline:
    """The outline of a document that is an object.

    Errors:  ReadError where it does not end
    """
    objects, members, lists, base, named, ended = 0, 1, 0, 0, 0, False
    places: list[tuple[int, int]] = []
    for marks in _marked(text, 0):
        commas = (marks.depth == 1) & (marks.codes == COMMA)
        opened = (marks.depth == 1) & (marks.codes == OBJECT)
        objects, begins = objects + int(opened.sum()), commas | opened
        opens = (marks.depth == 2) & (marks.codes == LIST)
        # Where the name of the member begins that each mark is in.
        names = np.maximum.accumulate(np.where(begins, marks.at + base + 1, named))
        members, lists = members + int(commas.sum()), lists + int(opens.sum())
        if lists <= MOST_LISTS:
            places += zip(names[opens].tolist(), (marks.at[opens] + base).tolist(), strict=True)
        named = int(names[-1]) if len(names) else named
        ended = ended or bool((marks.depth == 0).any())
        base += len(marks.block)
    if not ended:
        raise _cut_short(text, "before its last bracket")
    records = _lists_of_objects(text, places) if lists <= MOST_LISTS else []
    return Outline(objects, members == lists > max(1, len(records)), records)


def _lists_of_objects(text: Text, places: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """Those lists whose first element is an object."""
    found, at = [], 0
    with unpacked(text.path, text.name) as stream:
        for name, start in places:
            _skip(stream, name - at)
            written = stream.read(min(start - name, LONGEST_NAME))
            _skip(stream, start - name - len(written))
            at = start + len(stream.read(1))
            while (letter := stream.read(1)).isspace() and at - start < LONGEST_NAME:
                at += 1
            at += 1
            if letter == b"{":
                try:
                    found.append((str(json.loads(written.rpartition(b":")[0])), start))
                except ValueError:
                    continue  # whoever reads all of it says what is wrong
    return found


def _marked(text: Text, start: int) -> Iterator[Marks]:
    """The marks of all blocks from this byte on."""
    held, inside, depth, more = b"", 0, 0, True
    with unpacked(text.path, text.name) as stream:
        _skip(stream, start)
        while more:
            read = stream.read(BLOCK)
            block, more = held + read, bool(read)
            # What a last backslash escapes is in the next block.
            split = more and (len(block) - len(block.rstrip(b"\\"))) % 2
            block, held = (block[:-1], block[-1:]) if split else (block, b"")
            plain = block
            if b"\\" in block:
                plain = block.replace(rb"\\", b"__").replace(rb"\"", b"__")
            codes = np.frombuffer(plain, np.uint8)
            quotes = (codes == QUOTE).view(np.uint8)
            strings = np.bitwise_xor.accumulate(quotes) ^ np.uint8(inside)
            outside = strings == 0
            folded = codes | FOLD
            opens, closes = folded == OBJECT, folded == OBJECT_END
            at = np.flatnonzero((opens | closes | (codes == COMMA)) & outside)
            depths = depth + np.cumsum(opens[at].astype(np.int64) - closes[at])
            yield Marks(block, outside, at, codes[at], depths)
            inside = int(strings[-1]) if len(strings) else inside
            depth = int(depths[-1]) if len(depths) else depth


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0 and (read := stream.read(min(count, CHUNK))):
        count -= len(read)


def _check_blank(rest: bytes, text: Text) -> None:
    if rest.strip():
        raise ReadError(f"{text.name} is no JSON: there is more after the end of its list")


def _cut_short(text: Text, where: str) -> ReadError:
    return ReadError(f"{text.name} is no JSON: it ends {where}: get it again, or mend its end")
