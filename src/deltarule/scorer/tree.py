"""The scorer's tree: a model as plain data, which every export walks.

    score_k      = starts_k + the sum over columns of part_k + the offset
    part_k       of a Number:    weights_k * (x - centre), and missing_k besides where it is missing
    part_k       of a Category:  the weights of its level
    prediction   = inverse link(score), by target
    average_k    = averages_k, the score of the average row
    contribution = part_k - base_k;  of a number weights_k * (x - mean) + (missing_k - base_k)

k runs over the outputs: one of each target, or of a target with more than two classes one of each
class. All numbers are float64. Nothing else is needed to predict: no table, no polars.

**Missing.** A value is missing (None in Python) or there; NaN is missing, wherever it comes from. A
function of `Apply` gives a missing value where any of its arguments is, and where its result is
NaN, unless it says otherwise below. A missing number is filled with `fill`, a missing level has the
weights `missing`, a missing offset makes all of the row's predictions missing.

**Infinite.** A number may be infinite inside an expression. The value of a Number or of the offset
that is infinite is refused; a score may overflow to an infinite prediction.

**Unseen.** A text that is none of a category's levels has the weights `other`.

**Drift.** Of each column: `missing`, `unseen` (a level, never both), `outside` (a number below
`low` or above `high`; never of a missing one). It changes no prediction.

**Reading.** `Read` is a column's cell; `kind` is what the value is, whatever the cell was. An
absent cell is missing. Text is read by `format` (tables/text_formats.py): as numbers in its decimal
mark, with its unit or none, as dates in its order, as times, as yes and no. It is missing then if
it is, without the white space around it, empty or one of GAP_WORDS, or in any case one of
MISSING_CODES (tables/missing_words.py). Without a format text stands as it is, white space and all,
and is missing where it is nothing else. In every column, text is missing that is one of the model's
`missing_words` without the white space around it, and a number that equals one which spells a
number. A cell that cannot be read is refused, never guessed. A number is no text and a text no
date, except under `label`, which takes a cell of any kind.

**Kinds.** number float64; boolean; text; date (days); datetime (microseconds, the clock as
written, no zone); time; duration. Arguments have the kinds that the functions take: conversions
are functions themselves.

**Functions** by name, n numbers, b booleans, t texts, d dates or datetimes, x any one kind:

    n + n   n - n   n * n   unary - n
    abs  sign  sqrt  exp  floor  ceil  trunc  sin  cos  tan  atan
    n / n   n % n   missing where the second is 0; % has the sign of the first (C's fmod)
    n ** n          missing for 0 ** -1 and for a fraction of a power of a negative number
    ln log10 log2   missing for 0 and below        log1p  missing for -1 and below
    round(n, p)     p a literal, -15 to 15 decimals; halves away from zero
    = <> < <= > >=  of two numbers, booleans, texts (by code points), dates, datetimes or times
    and or not      three-valued as in SQL: false and missing is false, true or missing is true
    is null         never missing
    in(x, ...)      the others are literals
    like(t, p)      p a literal; % any letters, _ one; the whole text, case counts
    || concat       || is missing if any is, concat leaves missing ones out
    lower upper trim length      trim takes spaces only; length counts code points
    substring(t, start, length?) from 1      left(t, n) right(t, n)      all n literals
    replace(t, old, new)         literals, old is not empty
    starts_with ends_with contains (t, part)   part a literal
    zfill(t, width)              zeros before it, up to this width
    coalesce(x, ...)             the first that is not missing
    greatest least (x, ...)      of those that are not missing
    nullif(x, y)                 missing where they are equal; x where y is missing
    case(b, x, b, x, ..., x)     after the first condition that is true (missing is not)
    year quarter month week day day_of_year weekday hour minute
                    of dates; week and weekday (1 to 7) of ISO 8601; hour and minute of times too
    days            of a date, datetime or duration: days since 1970-01-01, with their fraction
    as number(b) 1 or 0     as datetime(date) its midnight     as date(datetime) its day
    cast text(x)    whole numbers below 1e15 without a point, others in the fewest digits, with an
                    exponent below 1e-5 and from 1e16 on (1e-7, 1.5e+16); true, false;
                    2024-01-31; 2024-01-31 14:05:00 with a fraction where there is one
    label(x)        as a category's level: like cast text, whole below 2 ** 53; text as it is
    number(t, mark) boolean(t)   text as Read reads it, with any unit; else refused
    cast double(t)  a plain number without the spaces around it     cast date(t)  2024-01-31
"""

from collections.abc import Iterator
from dataclasses import field
from datetime import date
from typing import Literal as OneOf

from deltarule.dataclass import dataclass
from deltarule.losses.loss import LinkName
from deltarule.tables.text_formats import Format

Kind = OneOf["number", "boolean", "text", "date", "datetime", "time", "duration"]
Vector = tuple[float, ...]
"""A number for each output."""


@dataclass(frozen=True)
class Read:
    """A column's cell; `format` says how text is read, where it is not text."""

    column: str
    kind: Kind
    format: Format | None = None


@dataclass(frozen=True)
class Literal:
    """A value that is written out; None is missing, of the kind that is expected there."""

    value: float | str | bool | date | None
    kind: Kind


@dataclass(frozen=True)
class Apply:
    """A function of arguments, by the name above."""

    name: str
    arguments: "tuple[Node, ...]"
    kind: Kind


Node = Read | Literal | Apply


@dataclass(frozen=True)
class Number:
    """A number or yes/no column: `value` is a number; `missing` is empty without an indicator."""

    name: str
    value: Node
    fill: float
    low: float
    high: float
    centre: float
    mean: float
    """What its contribution is measured from, with `base`."""
    weights: Vector
    missing: Vector
    base: Vector
    """What the missing indicator of the average row adds to each score; empty without one."""


@dataclass(frozen=True)
class Category:
    """A category: `value` is a text; each level has its weights, the reference level zeros.

    A text that is no level may be one in other words: the lower case of it, without the white
    space around it, is looked up in `spellings` (yes: true), where it has any.
    """

    name: str
    value: Node
    levels: dict[str, Vector] = field(hash=False)
    missing: Vector
    other: Vector
    base: Vector
    """The part of the average row."""
    spellings: dict[str, str] = field(hash=False)
    pooled: bool
    """Whether unseen levels join rare ones, rather than count as the average row."""
    rare: bool
    """Whether some levels were too rare to be kept by name: an unseen one may be one of those."""
    missing_is_level: bool


@dataclass(frozen=True)
class Offset:
    """What is added to each score: `value` is a number; `mean` is that of the average row."""

    name: str
    value: Node
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Inverse:
    """The inverse transform of a prediction to a column's own units: `steps` one after the other.

    Each is the name of a function of tables/expressions/inverse.py and its constant. What is
    undefined is missing.
    """

    column: str
    steps: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Target:
    """A column to predict from the scores of these `outputs`.

    Without classes, `{name}_prediction` is the inverse link of the score: itself, exp(score), or
    1 / (1 + exp(-score)). With two, that is the probability of the second class. With more it is
    softmax of their scores. `{name}_prediction` is then the likeliest class, the first of equal
    ones, and `{name}_probability_{class}` stands for each. An inverse gives
    `{inverse.column}_prediction` besides.
    """

    name: str
    outputs: tuple[int, ...]
    link: LinkName
    classes: tuple[str, ...]
    low: float
    high: float
    inverse: Inverse | None


@dataclass(frozen=True)
class Tree:
    """A model as a tree."""

    columns: tuple[Number | Category, ...]
    offset: Offset | None
    outputs: tuple[str, ...]
    """The outputs' names: a target, or target=class."""
    starts: Vector
    averages: Vector
    targets: tuple[Target, ...]
    missing_words: tuple[str, ...]
    shows_score: bool
    """Whether `{output}_score` stands beside the contributions: not with squared loss alone."""
    about: tuple[tuple[str, str], ...]
    """Where the model comes from, for headers: what is said, and what of it."""

    @property
    def terms(self) -> tuple[Number | Category | Offset, ...]:
        """The columns, and the offset if there is one."""
        return (*self.columns, *(() if self.offset is None else (self.offset,)))

    @property
    def reads(self) -> dict[str, Read]:
        """The table's columns that are read, by name, in the order of their first use."""
        found: dict[str, Read] = {}
        for term in self.terms:
            for node in walk(term.value):
                if isinstance(node, Read):
                    found.setdefault(node.column, node)
        return found


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, arguments first."""
    if isinstance(node, Apply):
        for argument in node.arguments:
            yield from walk(argument)
    yield node
