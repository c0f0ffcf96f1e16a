"""Level counts of text columns: from the first rows, or from all rows where it matters.

In the first 10,000 rows a category of 10,000 levels looks like a unique id, and a table that is
sorted by a category shows its first levels alone. Such columns are counted in all rows, by a read
of their own, before the kind of each column is decided.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.tables.cast import text_of
from deltarule.tables.source import Source

# Text with more distinct values than this share of its rows is an identifier, not a category.
NEARLY_UNIQUE = 0.5
# Distinct values counted at most; a column that has more is counted no further.
MOST_COUNTED = 100_000


@dataclass(frozen=True)
class LevelCounts:
    """The levels of a column, the most frequent first, with their rows; ties by name.

    `whole` says that all rows and all levels were counted.
    """

    levels: pl.DataFrame
    whole: bool

    @classmethod
    def of(cls, series: pl.Series, *, whole: bool) -> "LevelCounts":
        """The counts of some rows."""
        return cls(_sorted(_counts(series)), whole)

    @property
    def names(self) -> list[str]:
        """The levels, the most frequent first."""
        found: list[str] = self.levels["level"].to_list()
        return found

    @property
    def rows(self) -> int:
        """The number of rows counted, without missing values."""
        return int(self.levels["rows"].sum())

    @property
    def distinct(self) -> int:
        """The number of levels."""
        return self.levels.height

    @property
    def nearly_unique(self) -> bool:
        """Whether the column is an identifier rather than a category."""
        return self.distinct > max(20, NEARLY_UNIQUE * self.rows)

    def __str__(self) -> str:
        more = "" if self.whole else "the first "
        return f"{self.distinct:,} values in {more}{self.rows:,} rows"


def count_levels(source: Source, columns: Mapping[str, pl.Expr]) -> dict[str, LevelCounts]:
    """The level counts of these columns in all rows; stops early if all have too many."""
    counts: dict[str, pl.DataFrame] = {}
    open_ = list(columns)
    batches = source.batches([value.alias(name) for name, value in columns.items()])
    for batch in batches:
        for name in list(open_):
            more = _counts(batch[name])
            counts[name] = _added(counts[name], more) if name in counts else more
            if counts[name].height > MOST_COUNTED:
                open_.remove(name)
        if not open_:
            break
    return {name: LevelCounts(_sorted(counts[name]), name in open_) for name in counts}


@dataclass(frozen=True)
class CountedLevels:
    """The counts of the levels of columns in some rows; those of too many levels are not whole."""

    counts: Mapping[str, pl.DataFrame]
    whole: Mapping[str, bool]

    def __add__(self, other: "CountedLevels") -> "CountedLevels":
        counts, whole = {}, {}
        for name, own in self.counts.items():
            both = self.whole[name] and other.whole[name]
            # What is not whole shows that there are too many, and is counted no further.
            larger = max(own, other.counts[name], key=lambda one: int(one["rows"].sum()))
            counts[name] = _added(own, other.counts[name]) if both else larger
            whole[name] = both and counts[name].height <= MOST_COUNTED
        return CountedLevels(counts, whole)

    @property
    def levels(self) -> dict[str, LevelCounts]:
        """The level counts of each column."""
        return {
            name: LevelCounts(_sorted(self.counts[name]), self.whole[name]) for name in self.counts
        }


@dataclass(frozen=True)
class CountLevels:
    """How many rows each level of columns has."""

    asks_for: ClassVar[str] = "levels"
    columns: Mapping[str, pl.Expr]

    @property
    def reads(self) -> Sequence[pl.Expr]:
        return list(self.columns.values())

    def of(self, frame: pl.DataFrame, row: int = 0) -> CountedLevels:
        """The counts of these rows."""
        read = frame.select([value.alias(name) for name, value in self.columns.items()])
        counts = {name: _counts(read[name]) for name in self.columns}
        return CountedLevels(
            counts, {name: own.height <= MOST_COUNTED for name, own in counts.items()}
        )


def shared(wanted: Sequence[int], room: int) -> list[int]:
    """How many levels each category keeps: all that it has, or an equal share of the room.

    >>> shared([5, 1500, 900], 1000)
    [5, 498, 497]
    """
    kept = [0] * len(wanted)
    by_size = sorted(range(len(wanted)), key=lambda at: (wanted[at], -at))
    for left, at in zip(range(len(wanted), 0, -1), by_size, strict=True):
        kept[at] = min(wanted[at], max(room, 0) // left)
        room -= kept[at]
    return kept


def _counts(series: pl.Series) -> pl.DataFrame:
    present = text_of(series).drop_nulls().alias("level")
    return present.value_counts(name="rows").with_columns(pl.col("rows").cast(pl.Int64))


def _added(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([one, other]).group_by("level").agg(pl.col("rows").sum())


def _sorted(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.sort(["rows", "level"], descending=[True, False])
