"""Tables of the page: their columns, and a capped sample of their rows in memory.

The sample is drawn, and losses without moments learn from it. Nothing is written to disk, except
for an uploaded CSV while it is read.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import DeltaruleError, EmptyError, ReadError
from deltarule.fit.target_group import YES_NO_SHOWS
from deltarule.tables.files.open import open_file
from deltarule.tables.frames import open_table
from deltarule.tables.kinds import kind_of
from deltarule.tables.make_plan import plan
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.request import Request
from deltarule.tables.source import Source
from deltarule.tables.text_columns import formatted

# Most rows and cells in memory: 50,000 rows of 20 numbers are 8 MB, and take 5 ms a step.
MOST_ROWS, MOST_CELLS = 50_000, 2_000_000
# The longest line, and the most columns of a header, that a page accepts.
LONGEST_LINE, MOST_COLUMNS = 1_000_000, 2_000
PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")


# Columns of these names are targets where a user has not chosen, the first of them first.
TARGET_NAMES = ("target", "label", "y", "price", "outcome")
# To begin with, a column of more levels is neither target nor input: it would be a weight for each.
MOST_LEVELS = 20
# Encoded inputs to begin with: more could not be watched.
MOST_SUGGESTED = 60


@dataclass(frozen=True)
class Choice:
    """A column that can be chosen: its name, and its kind: number, boolean or category.

    `levels` is the number of a category's levels, 0 for others; `loss` suits it as a target, which
    it can be to begin with if it is `varied`: two values at least, and no class of a single row.
    `spared` says why it is neither target nor input to begin with, empty where it may be.
    """

    name: str
    kind: str
    levels: int = 0
    loss: str = "squared"
    varied: bool = True
    spared: str = ""


@dataclass(frozen=True)
class Unused:
    """A column that is not predicted from, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Table:
    """A table with a sample of its rows.

    `rows` is the number of all rows, `held` an evenly spread sample of them.
    """

    name: str
    source: Source
    held: pl.DataFrame
    rows: int
    every: int
    """The sampling stride: every so many rows one is held."""
    choices: Sequence[Choice]
    unusable: Sequence[Unused] = ()
    """The columns that cannot be chosen."""

    @property
    def whole(self) -> bool:
        """Whether all rows are held."""
        return self.held.height == self.rows

    def inputs(self, using: Sequence[str] | None) -> int:
        """About how many inputs these columns, or all, are encoded as: one for each level."""
        return sum(one.levels or 1 for one in self.choices if using is None or one.name in using)

    def few(self) -> Source:
        """The rows held, as a source."""
        return _as_source(self.held, self.source)

    def suggested(
        self, predict: Sequence[str] = (), using: Sequence[str] = ()
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The default target and inputs, where the user has not chosen.

        The target is the column called target, label, y, price or outcome, else the last that can
        be one; the inputs are all others, but for categories of many levels.
        """
        target = tuple(predict) or (self._target(using),)
        spare = [one for one in self.choices if one.name not in target]
        taken, inputs = [], 0
        for one in (one for one in spare if not one.spared):
            inputs += one.levels or 1
            if inputs <= MOST_SUGGESTED:
                taken.append(one.name)
        return target, tuple(using) or tuple(taken or [one.name for one in spare[:1]])

    def _target(self, using: Sequence[str]) -> str:
        free = [one for one in self.choices if one.name not in using]
        fit = [one for one in free if one.varied and not one.spared]
        named = {one.name.strip().lower(): one.name for one in reversed(fit)}
        known = next((named[name] for name in TARGET_NAMES if name in named), None)
        numbers = [one.name for one in self.choices if one.kind != "category"]
        return known or (fit[-1].name if fit else numbers[-1])

    def loss_of(self, targets: Sequence[str]) -> str:
        """The loss that suits these targets; squared where they differ."""
        losses = {one.loss for one in self.choices if one.name in targets}
        return losses.pop() if len(losses) == 1 else "squared"

    def unused(self, chosen: Sequence[str]) -> list[Unused]:
        """The columns that are not among those chosen, and why."""
        others = [one for one in self.choices if one.name not in chosen]
        return [*self.unusable, *(Unused(one.name, one.spared or "not chosen") for one in others)]


def opened(table: Any) -> Table:
    """Open a table and read it once to sample its rows.

    Errors:  TableError and its kinds
    """
    source, _ = open_table(table)
    held, rows, every = _held(source)
    if rows == 0:
        raise EmptyError(f"{source.name} has no rows: there is nothing to learn from")
    # With all rows in memory the file is not read again.
    kept = _as_source(held, source) if held.height == rows else source
    choices, unusable = _choices(kept, held)
    return Table(source.name, kept, held, rows, every, choices, unusable)


def from_csv(content: bytes, name: str) -> Table:
    """The table of an uploaded CSV file.

    Errors:  TableError and its kinds
    """
    called = _called(name)
    _check(content, called)
    with tempfile.TemporaryDirectory(prefix="deltarule-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        try:
            source = open_file(path)
            source.name = called
            frame = _all(source)
        except DeltaruleError as error:
            # Errors show the user's file name, not the temporary one.
            raise type(error)(str(error).replace(str(path), called)) from None
    return opened(_as_source(frame, source))


def _called(name: str) -> str:
    """A file name for messages: short, on one line, without folders."""
    line = "".join(one for one in name.replace("\\", "/").rpartition("/")[2] if one.isprintable())
    return line.strip()[:80] or "the table"


def _check(content: bytes, name: str) -> None:
    """Refuse content that is not CSV before it is parsed.

    Errors:  EmptyError, ReadError
    """
    if not content.strip():
        raise EmptyError(f"{name} is empty")
    if content.startswith(PACKED):
        raise ReadError(f"{name} is packed, or an Excel file: bring it as plain CSV")
    if content.startswith((b"PAR1", b"ARROW1")):
        raise ReadError(f"{name} is no CSV: give it to deltarule watch on the command line")
    longest = max(len(line) for line in re.split(rb"[\r\n]", content))
    if longest > LONGEST_LINE:
        raise ReadError(f"{name} has a line of {longest:,} characters: that is no row of a table")


def _all(source: Source) -> pl.DataFrame:
    """All rows of a source, with capped columns. Errors: ReadError and kinds."""
    width = source.look().width
    if width > MOST_COLUMNS:
        raise ReadError(f"{source.name} has {width:,} columns: a page shows {MOST_COLUMNS:,}")
    while True:
        try:
            frames = list(source.batches([pl.all()]))
        except UnparsedError:
            if not source.widen():
                raise
        else:
            return pl.concat(frames) if frames else source.look()


def _held(source: Source) -> tuple[pl.DataFrame, int, int]:
    """An evenly spread sample of rows, the number of all rows, and the stride."""
    while True:
        try:
            return _spread(source)
        except UnparsedError:
            if not source.widen():
                raise


def _spread(source: Source) -> tuple[pl.DataFrame, int, int]:
    width = max(source.look().width, 1)
    most = max(min(MOST_ROWS, MOST_CELLS // width), 1)
    kept: list[pl.DataFrame] = []
    every, rows = 1, 0
    for batch in source.batches([pl.all()]):
        # Rows whose number is a multiple of `every`, across batches.
        kept.append(batch.gather_every(every, offset=-rows % every))
        rows += batch.height
        while sum(frame.height for frame in kept) > most:
            kept = [pl.concat(kept).gather_every(2)]
            every *= 2
    return pl.concat(kept) if kept else source.look(), rows, every


def _as_source(frame: pl.DataFrame, like: Source) -> Source:
    """A frame as a source like the one it was read from: its text may still be parsed."""
    source, _ = open_table(frame)
    source.name, source.typed, source.dialect = like.name, like.typed, like.dialect
    source.hints = replace(source.hints, decimal=like.hints.decimal)
    source.notes.extend(like.notes)
    return source


def _choices(source: Source, held: pl.DataFrame) -> tuple[list[Choice], list[Unused]]:
    """The columns that can be targets or inputs, by the first rows, and those that cannot."""
    read_as = formatted(source, Request(predict=()))
    made = plan(read_as.look(), Request(predict=()), name=source.name, formats=read_as.formats)
    order = {name: at for at, name in enumerate(source.look().columns)}
    # What stands last, or is called a target, is one though its values may be in order.
    targets = {source.look().columns[-1], *(n for n in order if n.lower() in TARGET_NAMES)}
    ids = {*made.ids} - targets
    numbers = [
        _number(held[name], boolean=name in made.booleans, an_id=name in ids)
        for name in made.numbers
        if name in order
    ]
    categories = [_category(held[name]) for name in made.categories if name in order]
    if not numbers or len(numbers) + len(categories) < 2:
        raise EmptyError(
            f"{source.name} needs a column of numbers to predict and another to predict it from"
        )
    chosen = {one.name for one in [*numbers, *categories]}
    why = {one.name: one.why for one in made.left_out}
    unusable = [
        Unused(name, why.get(name, f"a {kind_of(kind)}: no input on this page"))
        for name, kind in read_as.look().schema.items()
        if name not in chosen
    ]
    return sorted([*numbers, *categories], key=lambda one: order[one.name]), unusable


def _number(values: pl.Series, *, boolean: bool, an_id: bool) -> Choice:
    """A column of numbers; of 0 and 1 its loss is logistic, where learning takes it so."""
    distinct = values.drop_nulls().unique()
    shown = values.dtype.is_numeric() and values.len() - values.null_count() >= YES_NO_SHOWS
    yes_no = boolean or (shown and set(distinct.head(3).to_list()) == {0, 1})
    loss = "logistic" if yes_no else "squared"
    kind = "boolean" if boolean else "number"
    spared = "it looks like an id: choose it to use it" if an_id else ""
    return Choice(values.name, kind, loss=loss, varied=distinct.len() > 1, spared=spared)


def _category(values: pl.Series) -> Choice:
    """A column of categories, with the loss of its classes."""
    counts = values.drop_nulls().value_counts()["count"].to_list()
    loss = "logistic" if len(counts) == 2 else "softmax"
    varied = len(counts) > 1 and min(counts) > 1
    many = f"{len(counts):,} levels, so as many weights: choose it to use it"
    spared = many if len(counts) > MOST_LEVELS else ""
    return Choice(values.name, "category", len(counts), loss, varied, spared)
