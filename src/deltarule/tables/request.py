"""Asked: what is to be learnt from a table, as far as reading it must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deltarule.moments.splits import SplitScheme

# Levels kept of one category unless asked for: beyond them one is rarely worth its column.
MOST_LEVELS = 1024
# All categories of a table together keep so many, or twice as many as were asked for of one: their
# products take 34 MB for each fold, and what is solved from them 0.6 GB in all.
MOST_LEVELS_IN_ALL = 2048
# Each batch in flight has sums of its own: half a GB of them is 3,600 columns in five folds.
LARGEST_SUMS = 1 << 29

Takes = Literal["numbers", "classes", "either"]
"""What a target's values may be: either takes text for classes, and numbers that are but two."""


@dataclass(frozen=True)
class Request:
    """What is to be learnt from a table."""

    predict: Sequence[str]
    using: Sequence[str] | None = None
    without: Sequence[str] = ()
    """Columns that are no inputs, where all others are."""
    takes: Mapping[str, Takes] = field(default_factory=dict)
    """What each target's values may be; numbers where nothing is said."""
    row_weight: str | None = None
    drop_missing: bool = False
    intercept: bool = True
    keep_constant: bool = False
    """Whether a column that never varies is an input: beside an intercept it says nothing new."""
    folds: int = 5
    id: str | None = None
    """What a row's fold depends on; the row's number where nothing is said."""
    group: str | None = None
    """Rows with the same value of this are of the same fold."""
    cluster: str | None = None
    """Rows with the same value of this may stray alike, which standard errors are to allow for."""
    time: str | None = None
    """Folds are periods of this, each judged by the earlier ones."""
    offset: str | None = None
    """What is added to every score with a weight of 1."""
    exposure: str | None = None
    """The column that the offset is the log of."""
    shifted: bool | None = False
    """Whether targets are measured from the offset, as where the score is the prediction; None to
    tell by their values."""
    reference: dict[str, str] = field(default_factory=dict)
    dates: Sequence[str] | None = None
    """What parts of dates and times are inputs; None for the usual ones."""
    levels: int = MOST_LEVELS
    """How many levels of a category are kept; the others share one."""
    copies: bool | None = None
    """Whether row weights are all whole numbers, which count copies; None to tell by the look."""
    trials: bool = False
    """Whether row weights that count copies count trials, the target their share of yes."""
    texts: frozenset[str] = frozenset()
    """Columns that turned out to be text, though their first rows spell numbers."""

    missing_words: tuple[str, ...] = ()
    """Words that stand for missing, besides the usual ones."""

    @property
    def splits(self) -> SplitScheme:
        """Which folds teach what each fold is judged by."""
        return SplitScheme(forward=self.time is not None)
