"""Plan: what a look at the first rows decides: each column's kind, and what tells rows apart."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import ColumnError, EmptyError, LearningError, TargetError, ValueRefusedError
from deltarule.moments.chunk import Category, Chunk
from deltarule.rule.predict import Array
from deltarule.tables.polars import GAP_WORDS
from deltarule.tables.schema import LeftOut, check_there, numbers_of

# Levels kept of one category: beyond them a level's own effect is rarely worth its column.
MOST_LEVELS = 1024
# Text with more different values than this share of its rows names rows, it does not group them.
NEARLY_UNIQUE = 0.5


@dataclass(frozen=True)
class Asked:
    """What is to be learnt from a table."""

    predict: Sequence[str]
    using: Sequence[str] | None = None
    row_weight: str | None = None
    drop_missing: bool = False
    intercept: bool = True
    keep_constant: bool = False
    """Whether a column that never varies is an input: beside an intercept it says nothing new."""
    folds: int = 5
    reference: dict[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    """Columns that turned out to be text, though their first rows spell numbers."""


@dataclass
class Plan:
    """What the look decided: the kind of every column, and which of them tell rows apart."""

    asked: Asked
    numbers: list[str]
    booleans: set[str]
    categories: list[str]
    left_out: list[LeftOut]
    identify: list[str]
    levels: dict[str, "Levels"]
    written: set[str]
    """Columns of numbers that come as text, with words where one is missing."""

    @property
    def columns(self) -> list[pl.Expr]:
        """The columns to read, as numbers and text."""
        asked = self.asked
        weight = [asked.row_weight] if asked.row_weight else []
        numbers = [self._number(name) for name in [*self.numbers, *asked.predict, *weight]]
        return numbers + [pl.col(name).cast(pl.String) for name in self.categories]

    def _number(self, name: str) -> pl.Expr:
        column = pl.col(name)
        if name in self.written:
            column = pl.when(column.is_in(GAP_WORDS)).then(None).otherwise(column)
        return column.cast(pl.Float64).alias(name)

    def chunk(self, frame: pl.DataFrame, *, name: str, row: int) -> Chunk:
        """A batch as the sums want it."""
        asked = self.asked
        every = [*self.numbers, *asked.predict]
        numbers = [frame[column].to_numpy() for column in every]
        return Chunk(
            numbers=numbers,
            targets=len(self.numbers),
            categories=[self.levels[column].codes(frame[column]) for column in self.categories],
            row_weights=row_weights_of(frame, asked.row_weight, name=name, row=row),
            identify=[every.index(column) for column in self.identify if column in every],
            identify_by=[self.categories.index(c) for c in self.identify if c in self.categories],
            drop_missing=asked.drop_missing,
            gaps=any(frame[column].null_count() for column in every),
        )


class Levels:
    """The levels of one category in the order they are met; codes start at 1, 0 is missing."""

    def __init__(self, frequent: Sequence[str]) -> None:
        self._kind = pl.Categorical(pl.Categories.random())
        # The mapping lives as long as a column of it does; and the levels that the look found
        # frequent come first, so that they are the ones kept if there are too many.
        self._alive = pl.Series(list(frequent), dtype=self._kind)
        self._hashes = np.zeros(0, dtype=np.uint64)

    @property
    def _met(self) -> list[str]:
        found: list[str] = self._kind.categories.to_series().to_list()
        return found

    @property
    def names(self) -> list[str]:
        """The levels met so far; what code 1 + i stands for."""
        return self._met[:MOST_LEVELS]

    @property
    def beyond(self) -> int:
        """How many levels were met beyond the most kept."""
        return max(0, len(self._met) - MOST_LEVELS)

    def codes(self, text: pl.Series) -> Category:
        """The codes of these rows; all levels beyond the most kept share the last code."""
        physical = text.cast(self._kind).to_physical().cast(pl.Int64)
        codes = (physical + 1).fill_null(0).to_numpy()
        met = 1 + min(int(codes.max(initial=0)), MOST_LEVELS + 1)
        met = max(met, 1 + len(self._hashes))
        codes = np.minimum(codes, MOST_LEVELS + 1)
        return Category(codes, met, self._hashed(met))

    def _hashed(self, met: int) -> NDArray[np.uint64]:
        """A hash of each code's level that is the same in every process."""
        names = ["", *self.names]
        fresh = [_hash(name) for name in names[len(self._hashes) : met]]
        self._hashes = np.concatenate([self._hashes, np.array(fresh, dtype=np.uint64)])
        short = met - len(self._hashes)
        return (
            np.concatenate([self._hashes, np.zeros(short, dtype=np.uint64)])
            if short > 0
            else self._hashes
        )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def plan(look: pl.DataFrame, asked: Asked, *, name: str, typed: bool = True) -> Plan:
    """What to make of each column; text that spells numbers is numbers in a table without types.

    Errors:  ColumnError, TargetError, EmptyError, LearningError when a column has two parts to play
    """
    if not look.columns or look.height == 0:
        raise EmptyError(f"{name} has no rows: there is nothing to learn from")
    weight = [asked.row_weight] if asked.row_weight else []
    check_there(look.columns, [*asked.predict, *(asked.using or []), *weight], name=name)
    roles = [*asked.predict, *(asked.using or []), *weight]
    twice = [column for column in roles if roles.count(column) > 1]
    if twice:
        raise LearningError(
            f"'{twice[0]}' is given twice: a column is either predicted, used or the weight"
        )
    made = Plan(asked, [], set(), [], [], [], {}, set())
    if not typed:
        made.written.update(c for c in look.columns if c not in asked.texts and _spells(look[c]))
    for target in asked.predict:
        _check_number(look[target], f"{name}: the target '{target}'", TargetError)
    for column in weight:
        _check_number(look[column], f"{name}: the weight '{column}'", ColumnError)
    using = asked.using or [column for column in look.columns if column not in roles]
    for column in using:
        kind, why = ("number", "") if column in made.written else _kind(look[column])
        if why:
            made.left_out.append(LeftOut(name=column, kind=kind, why=why))
        elif kind == "category":
            made.categories.append(column)
            counts = look[column].cast(pl.String).drop_nulls().value_counts(sort=True)
            # Of more levels than can be kept, those frequent in the look are; ties by name.
            frequent = counts.sort(["count", column], descending=[True, False])[column].to_list()
            made.levels[column] = Levels(frequent[:MOST_LEVELS])
        else:
            made.numbers.append(column)
            if kind == "boolean":
                made.booleans.add(column)
    made.identify.extend(_identify(look, asked, made))
    return made


def _check_number(series: pl.Series, what: str, error: type[ColumnError | TargetError]) -> None:
    kind = series.dtype
    if kind.is_numeric() or kind == pl.Boolean or series.null_count() == len(series):
        return
    wrong = _no_numbers(series)
    if len(wrong):
        value = str(wrong[0])
        raise error(f"{what} is not a column of numbers (it has {value!r}): choose one that is")


def _no_numbers(series: pl.Series) -> pl.Series:
    """The values that are neither numbers nor words for a missing one."""
    present = series.drop_nulls()
    if series.dtype != pl.String:
        return present
    present = present.filter(~present.is_in(GAP_WORDS))
    return present.filter(present.cast(pl.Float64, strict=False).is_null())


def _spells(series: pl.Series) -> bool:
    """Whether text spells numbers, but for words where one is missing."""
    if series.dtype != pl.String or len(_no_numbers(series)):
        return False
    return bool((~series.drop_nulls().is_in(GAP_WORDS)).any())


def _kind(series: pl.Series) -> tuple[str, str]:
    """The kind of a column, and why it cannot be an input, if it cannot."""
    kind = series.dtype
    if kind == pl.Boolean:
        return "boolean", ""
    if kind.is_numeric():
        return "number", ""
    if kind in (pl.Date, pl.Datetime):
        return "date", "dates are no inputs yet: use columns such as its year or month"
    if kind.is_temporal():
        return "time", "times are no inputs yet: give them as numbers, such as hours"
    if kind in (pl.String, pl.Categorical, pl.Enum):
        present = series.drop_nulls()
        distinct = present.n_unique()
        if distinct > max(20, NEARLY_UNIQUE * len(present)):
            return (
                "text",
                f"nearly unique to each row ({distinct:,} values in {len(present):,} rows)",
            )
        return "category", ""
    if kind == pl.Null:
        return "nothing", "no value in it"
    return str(kind).lower(), f"columns of this kind ({kind}) are no inputs"


def _identify(look: pl.DataFrame, asked: Asked, made: Plan) -> list[str]:
    """A few columns whose values tell rows apart nearly as well as all do: they decide folds.

    Rows that will be left out have no say.
    """
    look = look.filter(pl.all_horizontal(pl.col(list(asked.predict)).is_not_null()))
    if asked.row_weight is not None:
        look = look.filter(pl.col(asked.row_weight) > 0)
    wide = sorted(made.numbers, key=lambda column: -look[column].n_unique())
    deep = sorted(made.categories, key=lambda column: -look[column].n_unique())
    candidates = [*asked.predict, *wide, *deep]
    apart = look.select(candidates).n_unique()
    chosen = list(asked.predict)
    for column in [*wide, *deep]:
        if look.select(chosen).n_unique() >= 0.9 * apart:
            break
        chosen.append(column)
    return chosen


def row_weights_of(frame: pl.DataFrame, column: str | None, *, name: str, row: int) -> Array | None:
    """The row weights, 0 where missing; None where all rows count alike.

    Errors:  ValueRefusedError for a weight below 0
    """
    if column is None:
        return None
    weights = np.nan_to_num(
        numbers_of(frame[column], where=f"{name}, column '{column}'", row=row), nan=0.0
    )
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        where = f"{name}, column '{column}', row {row + at + 1}"
        raise ValueRefusedError(
            f"{where}: a row's weight of {weights[at]:g} is below 0: weights count rows"
        )
    return weights
