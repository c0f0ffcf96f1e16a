"""Request: what to learn from a table, as far as reading depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from deltarule.dataclass import dataclass

if TYPE_CHECKING:
    from deltarule.moments.splits import SplitScheme
    from deltarule.tables.row_shares import RowShares

# Default cap on the levels of a category where the solver needs a matrix of all inputs.
MOST_LEVELS = 1024
# Cap on the levels of all categories together, or twice the cap of one if that is set: their
# products take 34 MB for each fold, and solving takes 0.6 GB in all.
MOST_LEVELS_IN_ALL = 2048
# The same where the solver eliminates the largest category.
ELIMINATED_LEVELS, ELIMINATED_IN_ALL = 100_000, 200_000
# Each batch in flight has its own sums: half a GB is 3,600 columns in five folds.
LARGEST_SUMS = 1 << 29

Takes = Literal["numbers", "classes", "either"]
"""The domain of a target: "either" takes text as classes, and numbers of two values too."""


@dataclass(frozen=True)
class Request:
    """What to learn from a table: targets, inputs and options of reading."""

    predict: Sequence[str]
    using: Sequence[str] | None = None
    terms: Mapping[str, str | None] | None = None
    """The inputs by name, each with its expression, where they are decided; None for a column."""
    without: Sequence[str] = ()
    """Columns excluded from the inputs, where all others are included."""
    takes: Mapping[str, Takes] = field(default_factory=dict)
    """The domain of each target; numbers by default."""
    row_weight: str | None = None
    half_life: float | None = None
    """After how many more rows a row counts half; None where all count alike."""
    shares: "RowShares | None" = None
    """What rows count for by their number, where that is known before they are read."""
    drop_missing: bool = False
    intercept: bool = True
    keep_constant: bool = False
    """Whether a constant column is an input: with an intercept it is redundant."""
    folds: int = 5
    id: str | None = None
    """The column that is the key of a row's fold; the row's number by default."""
    group: str | None = None
    """The column of groups; rows of a group are in the same fold."""
    cluster: str | None = None
    """The column of clusters, for cluster-robust standard errors."""
    time: str | None = None
    """The column of times; folds are periods, each tested on a model of the earlier ones."""
    offset: str | None = None
    """The column added to every score with a weight of 1."""
    exposure: str | None = None
    """The column whose logarithm is the offset."""
    shifted: bool | None = False
    """Whether targets are measured from the offset, as with the identity link; None to decide by
    their values."""
    reference: dict[str, str] = field(default_factory=dict)
    dates: Sequence[str] | None = None
    """The parts of dates and times that are inputs; None for the default."""
    levels: int | None = None
    """The cap on the levels of a category; the others are pooled. None for the default."""
    eliminates: bool = False
    """Whether the solver eliminates the largest category, and forms no matrix of all inputs."""
    copies: bool | None = None
    """Whether row weights are whole numbers, which count copies; None to infer it."""
    trials: bool = False
    """Whether such row weights count trials, with the target their share of yes."""
    texts: frozenset[str] = frozenset()
    """Columns that turned out to be text, though their first rows are numeric."""

    missing_words: tuple[str, ...] = ()
    """Words that stand for missing, besides the default ones."""

    @property
    def splits(self) -> "SplitScheme":
        """The splitting scheme of cross-validation."""
        from deltarule.moments.splits import SplitScheme

        return SplitScheme(forward=self.time is not None)


class ReplanError(Exception):
    """All rows show what the first did not: the read plans again with a request so changed."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.changes = changes
