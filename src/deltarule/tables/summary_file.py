r"""Summary file: a summary in a file of its own, binary, with a version and a checksum.

    8 bytes      DRSUMS\r\n
    u32          version
    u64          bytes of the header
    header       JSON: the layout, counts of rows, and how long each array is
    arrays       little-endian float64 and int64, in the order of `Header.shapes`
    32 bytes     SHA-256 of all before

All sizes are checked against the file's own before anything is allocated. Nothing in it is run.

Shapes: f folds, m numbers, d = m + gaps; of each category c codes; of each pair z counts; of each
histogram h cells.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import combinations
from math import prod
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError, model_validator

from deltarule.dataclass import dataclass
from deltarule.errors import OutputError
from deltarule.moments.histogram import CELLS, LARGEST_SHIFT, Histogram
from deltarule.moments.moments import Moments
from deltarule.moments.one_hot import dense
from deltarule.output import write_whole
from deltarule.rule.predict import Array
from deltarule.tables.layout import Layout
from deltarule.tables.level_sums import LevelSums, PairCounts
from deltarule.tables.part import Part
from deltarule.tables.saved_file import SealedFile, damaged, saved_bytes
from deltarule.tables.summary import ROUNDING, Summary

MAGIC, VERSION = b"DRSUMS\r\n", 1
ROWS = b"DRROWS\r\n"
"""What files of kept rows begin with."""
START = struct.Struct("<8sIQ")
SEALED = SealedFile(START, MAGIC, VERSION, "summary file: learn with --keep-summary to make one")
LARGEST_FILE, LARGEST_HEADER = 1 << 32, 1 << 25

Count = Annotated[int, Field(ge=0)]
Shape = tuple[int, ...]
FLOAT, WHOLE = np.dtype("<f8"), np.dtype("<i8")


class CategoryHeader(Part):
    """The levels of a category, and how many are known beyond them."""

    names: tuple[str, ...]
    beyond: Count

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if list(self.names) != sorted(set(self.names)):
            raise ValueError("levels are not in order")
        return self


class Header(Part):
    """What a summary holds besides arrays, and how long these are."""

    layout: Layout
    examples: Count
    causes: dict[str, Count]
    gaps: tuple[Count, ...]
    bounded: bool
    settings: dict[str, JsonValue]
    """What was learnt with the sums, which only the learner can check."""
    parts: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...] = ()
    levels: dict[str, CategoryHeader]
    pairs: tuple[Count, ...]
    """How many counts there are of each pair of categories, in order."""
    shifts: tuple[Annotated[int, Field(ge=0, le=LARGEST_SHIFT)], ...]
    cells: tuple[Annotated[int, Field(ge=0, le=CELLS)], ...]
    """How many cells each histogram has."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        numbers, categories = len(self.layout.every_number), self.layout.every_category
        if list(self.gaps) != sorted(set(self.gaps)) or any(gap >= numbers for gap in self.gaps):
            raise ValueError("gaps are not of numbers in order")
        if tuple(self.levels) != categories:
            raise ValueError("levels are not of the layout's categories")
        if len(self.pairs) != len(categories) * (len(categories) - 1) // 2:
            raise ValueError("there are not as many pairs as there are of categories")
        if len(self.shifts) != len(self.cells) or len(self.cells) not in (0, numbers):
            raise ValueError("there are not as many histograms as numbers")
        return self

    @classmethod
    def of(cls, summary: Summary, settings: Mapping[str, Any]) -> Self:
        """The header of a summary."""
        return cls(
            settings=dict(settings),
            parts=summary.parts,
            layout=summary.layout,
            examples=summary.examples,
            causes=dict(summary.causes),
            gaps=summary.gaps,
            bounded=summary.bounded,
            levels={
                name: CategoryHeader(names=own.names, beyond=own.beyond)
                for name, own in summary.levels.items()
            },
            pairs=tuple(len(summary.pairs[pair].counts) for pair in pairs_of(summary.layout)),
            shifts=tuple(own.shift for own in summary.histograms),
            cells=tuple(len(own.cells) for own in summary.histograms),
        )

    def shapes(self) -> Iterator[tuple[np.dtype[Any], Shape]]:
        """The type and shape of each array, in order."""
        f, m = self.layout.folds, len(self.layout.every_number)
        d = m + len(self.gaps)
        for shape in ((f,), (d,), (f, d), (f, d), (f, d, d), (m,), (m,), (m,)):
            yield FLOAT, shape
        for level in self.levels.values():
            codes = 2 + len(level.names)
            yield FLOAT, (f, codes)
            yield FLOAT, (f, codes, d)
        for size in self.pairs:
            yield WHOLE, (3, size)
            yield FLOAT, (size,)
        for size in self.cells:
            yield WHOLE, (2, size)


def pairs_of(layout: Layout) -> list[tuple[str, str]]:
    """The pairs of categories, in order."""
    return list(combinations(layout.every_category, 2))


@dataclass(frozen=True)
class SavedSummary:
    """A summary, and the settings of what was learnt from it, as JSON has them."""

    summary: Summary
    settings: Mapping[str, Any] = field(default_factory=dict)


def save(saved: SavedSummary, path: Path) -> None:
    """Write a summary, whole or not at all.

    Errors:  OutputError
    """
    raw = to_bytes(saved)
    write_whole(path, lambda place: place.write_bytes(raw))


def load(path: Path) -> SavedSummary:
    """Read a summary file.

    Errors:  NotAModelError, VersionError, ModelError for one that is not there
    """
    return from_bytes(saved_bytes(path, what="summary", largest=LARGEST_FILE), name=str(path))


def is_summary(path: Path) -> bool:
    """Whether a file begins as those of sums or of rows do."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, ROWS)
    except (OSError, ValueError):
        return False


def to_bytes(saved: SavedSummary) -> bytes:
    """A summary as the bytes of its file.

    Errors:  OutputError where they are too many
    """
    summary = saved.summary
    header = Header.of(summary, saved.settings)
    text = header.model_dump_json().encode()
    arrays = [
        np.ascontiguousarray(array, dtype=kind).tobytes()
        for array, (kind, _) in zip(_arrays(summary), header.shapes(), strict=True)
    ]
    size = START.size + len(text) + sum(map(len, arrays))
    if size > LARGEST_FILE or len(text) > LARGEST_HEADER:
        raise OutputError(
            "sums of so many columns and levels are more than a summary file may have: name the "
            "columns to use, or keep fewer --levels"
        )
    return SEALED.sealed(text, *arrays, fields=(len(text),))


def from_bytes(raw: bytes, *, name: str) -> SavedSummary:
    """A summary from the bytes of its file, of this name in messages.

    Errors:  NotAModelError, VersionError
    """
    (size,), body = SEALED.opened(raw, name=name)
    if size > min(LARGEST_HEADER, len(body)):
        raise damaged(name, "its header is longer than it may be")
    try:
        header = Header.model_validate_json(bytes(body[:size]))
    except (ValidationError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise damaged(name, f"its header cannot be read ({first})") from None
    shapes = list(header.shapes())
    rest = body[size:]
    if len(rest) != 8 * sum(prod(shape) for _, shape in shapes):
        raise damaged(name, "its arrays are not as long as it says")
    try:
        summary = _checked(_summary(header, _split(rest, shapes)))
    except ValueError as error:
        raise damaged(name, str(error)) from None
    return SavedSummary(summary, header.settings)


def _arrays(summary: Summary) -> Iterator[NDArray[Any]]:
    """The arrays in the order of `Header.shapes`."""
    folds = summary.folds
    yield np.array([fold.rows for fold in folds])
    yield folds[0].scale
    yield np.stack([fold.mean for fold in folds])
    yield np.stack([fold.rest for fold in folds])
    yield np.stack([dense(fold.cross) for fold in folds])
    yield summary.fill
    yield summary.low
    yield summary.high
    for level in summary.levels.values():
        yield level.counts
        yield level.sums
    for key in pairs_of(summary.layout):
        pair = summary.pairs[key]
        yield np.stack([pair.fold, pair.one, pair.other])
        yield pair.counts
    for own in summary.histograms:
        yield np.stack([own.cells, own.rows])


def _split(raw: memoryview, shapes: list[tuple[np.dtype[Any], Shape]]) -> Iterator[NDArray[Any]]:
    start = 0
    for kind, shape in shapes:
        end = start + 8 * prod(shape)
        # A copy, so that it can be written to and is in this machine's order of bytes.
        yield np.frombuffer(raw[start:end], kind).reshape(shape).astype(kind.newbyteorder("="))
        start = end


def _summary(header: Header, arrays: Iterator[NDArray[Any]]) -> Summary:
    rows, scale, mean, rest, cross, fill, low, high = (next(arrays) for _ in range(8))
    folds = tuple(
        Moments(float(rows[at]), mean[at], rest[at], cross[at], scale) for at in range(len(rows))
    )
    levels = {
        name: LevelSums(own.names, next(arrays), next(arrays), own.beyond)
        for name, own in header.levels.items()
    }
    pairs = {}
    for key in pairs_of(header.layout):
        fold, one, other = next(arrays).astype(np.intp)
        pairs[key] = PairCounts(fold, one, other, next(arrays))
    histograms = []
    for shift in header.shifts:
        cells, counts = next(arrays)
        histograms.append(Histogram(shift, cells, counts))
    return Summary(
        layout=header.layout,
        examples=header.examples,
        causes=header.causes,
        folds=folds,
        gaps=header.gaps,
        fill=fill,
        low=low,
        high=high,
        levels=levels,
        pairs=pairs,
        histograms=tuple(histograms),
        bounded=header.bounded,
        parts=header.parts,
    )


def _checked(summary: Summary) -> Summary:
    """A summary whose arrays can be sums of rows.

    Errors:  ValueError, saying what cannot be
    """
    with np.errstate(all="ignore"):
        _check_moments(summary)
    if not np.isfinite(summary.fill).all() or np.isnan([summary.low, summary.high]).any():
        raise ValueError("a range is no number")
    for level in summary.levels.values():
        _check_counts(level.counts)
        if not np.isfinite(level.sums).all():
            raise ValueError("a sum by level is not finite")
    for (one, other), pair in summary.pairs.items():
        _check_counts(pair.counts)
        _check_pair(pair, len(summary.folds), summary.levels, one, other)
    for own in summary.histograms:
        if (own.rows <= 0).any() or (own.cells[1:] <= own.cells[:-1]).any():
            raise ValueError("the cells of a histogram are not in order")
    return summary


def _check_moments(summary: Summary) -> None:
    """Errors: ValueError."""
    scale = summary.folds[0].scale
    if not (np.isfinite(scale) & (np.frexp(scale)[0] == 0.5)).all():
        raise ValueError("a unit is no power of two")
    size = sum(np.abs(fold.cross.diagonal()) for fold in summary.folds)
    for fold in summary.folds:
        whole = [np.array([fold.rows]), fold.mean, fold.rest, dense(fold.cross)]
        if not all(np.isfinite(part).all() for part in whole):
            raise ValueError("a sum is not finite")
        rounding = ROUNDING * (fold.rows * fold.mean**2 + size)
        if fold.rows < 0 or (fold.cross.diagonal() < -rounding).any():
            raise ValueError("a number of rows or a variance is negative")
        if not np.array_equal(dense(fold.cross), dense(fold.cross).T):
            raise ValueError("products are not the same both ways")


def _check_counts(counts: Array) -> None:
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("a count is negative or not finite")


def _check_pair(
    pair: PairCounts, folds: int, levels: Mapping[str, LevelSums], one: str, other: str
) -> None:
    codes = np.stack([pair.fold, pair.one, pair.other])
    sizes = np.array([folds, levels[one].counts.shape[1], levels[other].counts.shape[1]])
    if ((codes < 0) | (codes >= sizes[:, None])).any():
        raise ValueError("a pair of levels is out of range")
