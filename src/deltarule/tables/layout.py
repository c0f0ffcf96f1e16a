"""Layout: which columns a summary's sums are of, how each was read, and what decides folds.

It is what a plan decided, as data: it can be kept in a file, and two summaries add only where their
layouts agree.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from deltarule.errors import LearningError
from deltarule.tables.kinds import LeftOut, kind_of
from deltarule.tables.part import Part
from deltarule.tables.plan import Plan
from deltarule.tables.request import MOST_LEVELS, MOST_LEVELS_IN_ALL
from deltarule.tables.schema_columns import OTHER
from deltarule.tables.terms import MOST_EXPRESSIONS, measured, parsed
from deltarule.tables.text_formats import DateFormat, Format, NumberFormat

# A fold is a byte, and one of them means none.
MOST_FOLDS = 255


class Layout(Part):
    """The columns by name: numbers, then targets that are amounts, then those beside the targets.

    Categories are followed by targets that are classes.
    """

    terms: dict[str, str | None]
    """The expression of each input, target, weight and offset, in order; None for a column."""
    numbers: tuple[str, ...]
    booleans: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """The targets whose values are classes."""
    either: tuple[str, ...] = ()
    """The targets of two numbers, which are classes as long as there is no third."""
    beside: tuple[str, ...] = ()
    """Numbers that stand after the targets: the offset, and the targets it was taken from."""
    offset: str | None = None
    exposure: str | None = None
    shifted: bool = False
    row_weight: str | None = None
    copies: bool = False
    trials: bool = False
    drop_missing: bool = False
    folds: int = Field(ge=1, le=MOST_FOLDS)
    fold_by: dict[str, str] = Field(default_factory=dict)
    """What decides folds, if not the row's number: an id, a group or a time."""
    key_kind: str = ""
    """The kind of the ids or groups; empty where it is not known."""
    cuts: tuple[float, ...] = ()
    """The times at which later periods begin."""
    left_out: tuple[LeftOut, ...] = ()
    kinds: dict[str, str] = Field(default_factory=dict)
    """The kind of each column of the table that the terms read."""
    read_through: dict[str, str] = Field(default_factory=dict)
    formats: dict[str, Annotated[Format, Field(discriminator="kind")]] = Field(default_factory=dict)
    missing_words: tuple[str, ...] = ()
    most_levels: int = MOST_LEVELS
    """How many levels one category keeps by default."""
    room: int = MOST_LEVELS_IN_ALL
    """How many levels all categories together may keep in one read."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [*self.numbers, *self.amounts, *self.every_category]
        if len(named) != len(set(named)):
            raise ValueError("a column has two parts to play")
        terms = {*self.numbers, *self.categories, *self.targets}
        if not terms <= self.terms.keys() or not set(self.classes) <= set(self.targets):
            raise ValueError("a column has no term")
        expressions = [one for one in self.terms.values() if one is not None]
        if sum(map(len, expressions)) > MOST_EXPRESSIONS:
            raise ValueError(f"expressions have more than {MOST_EXPRESSIONS:,} characters")
        try:
            for one in expressions:
                parsed(one)
        except LearningError as error:
            raise ValueError(str(error)) from None
        if self.offset is not None and self.offset not in self.beside:
            raise ValueError("the offset has no sums")
        return self

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The layout that a plan decided on."""
        asked = plan.request
        by = {"id": asked.id, "group": asked.group, "time": asked.time}
        read = sorted({column for term in plan.terms.values() for column in term.columns})
        numeric = [one for one in plan.classes if plan.target_kinds[one].is_numeric()]
        return cls(
            terms={name: term.expression for name, term in plan.terms.items()},
            numbers=tuple(plan.numbers),
            booleans=tuple(sorted(plan.booleans)),
            categories=tuple(plan.categories),
            targets=tuple(asked.predict),
            classes=tuple(plan.classes),
            either=tuple(one for one in numeric if asked.takes[one] == "either"),
            beside=tuple(plan.beside),
            offset=plan.offset,
            exposure=asked.exposure,
            shifted=bool(asked.shifted),
            row_weight=asked.row_weight,
            copies=bool(asked.copies),
            trials=plan.trials,
            drop_missing=asked.drop_missing,
            folds=asked.folds,
            fold_by={kind: name for kind, name in by.items() if name is not None},
            key_kind=plan.key_kind,
            cuts=plan.cuts,
            left_out=tuple(plan.left_out),
            kinds={column: kind_of(plan.kinds[column]) for column in read},
            read_through=plan.read_through,
            formats=dict(plan.formats),
            missing_words=asked.missing_words,
            most_levels=plan.most_levels,
            room=plan.room,
        )

    @property
    def amounts(self) -> tuple[str, ...]:
        """The targets whose values are numbers."""
        return tuple(target for target in self.targets if target not in self.classes)

    @property
    def every_number(self) -> tuple[str, ...]:
        """All columns of numbers, in the order of the sums."""
        return (*self.numbers, *self.amounts, *self.beside)

    @property
    def every_category(self) -> tuple[str, ...]:
        """All columns of levels, in the order of the sums."""
        return (*self.categories, *self.classes)

    def joined(self, other: "Layout") -> "Layout":
        """The layout of both; columns that are left out are so in both for a reason of their own.

        Errors:  LearningError, naming what differs
        """
        if self == other:
            return self
        for name in type(self).model_fields:
            mine, yours = getattr(self, name), getattr(other, name)
            if name == "key_kind" and not (mine and yours):
                continue
            if name in WORDS and mine != yours:
                raise LearningError(
                    f"sums of two tables cannot be added: {_apart(name, self, other)}"
                )
        every = sorted((*self.left_out, *other.left_out), key=lambda one: (one.name, one.why))
        out = {one.name: one for one in every}
        left_out = tuple(out[name] for name in sorted(out))
        kinds = dict(sorted({**self.kinds, **other.kinds}.items()))
        key_kind = self.key_kind or other.key_kind
        changed = {"left_out": left_out, "kinds": kinds, "key_kind": key_kind}
        most = {
            one: max(getattr(self, one), getattr(other, one)) for one in ("most_levels", "room")
        }
        return self.model_copy(update={**changed, **most})


# What must agree, in words.
WORDS = {
    "terms": "the columns are",
    "numbers": "the columns of numbers are",
    "booleans": "the columns of true and false are",
    "categories": "the categories are",
    "targets": "the targets are",
    "classes": "the targets that are classes are",
    "either": "the targets of two numbers are",
    "beside": "the columns beside the targets are",
    "offset": "the offset is",
    "exposure": "the exposure is",
    "shifted": "targets measured from the offset:",
    "row_weight": "the column of weights is",
    "copies": "weights that count copies:",
    "trials": "weights that count trials:",
    "drop_missing": "rows with gaps left out:",
    "folds": "the number of folds is",
    "fold_by": "folds are by",
    "key_kind": "the values of the id or group are",
    "cuts": "periods begin at",
    "read_through": "the kinds of columns in expressions are",
    "formats": "columns are read as",
    "missing_words": "the words for missing are",
}


def _said(value: Any) -> str:
    """A value of a layout in words; of a format, what a cell is, and its settings."""
    if not isinstance(value, NumberFormat | DateFormat):
        return str(getattr(value, "noun", value))
    if isinstance(value, DateFormat):
        return value.noun + (f" in {value.zone}" if value.zone else "")
    unit = value.unit or value.suffix
    return f"{value.noun} with decimal mark {value.decimal}" + (f" and unit {unit}" if unit else "")


def _apart(name: str, one: Layout, other: Layout) -> str:
    """What differs, by the first column where there are several."""
    mine, yours = getattr(one, name), getattr(other, name)
    if isinstance(mine, dict) and isinstance(yours, dict):
        keys = [key for key in {**mine, **yours} if mine.get(key) != yours.get(key)]
        if keys:
            told = [f"{keys[0]}: {_said(found.get(keys[0], 'none'))}" for found in (mine, yours)]
            remedy = _remedy(keys[0], one, other) if name == "terms" else ""
            return f"{WORDS[name]} {told[0]} in one, {told[1]} in the other{remedy}"
    if isinstance(mine, tuple) and isinstance(yours, tuple):
        apart = [column for column in (*mine, *yours) if (column in mine) != (column in yours)]
        if apart:
            return f"{WORDS[name]} not the same, as {apart[0]} is among those of one alone"
    return f"{WORDS[name]} {mine} in one, {yours} in the other"


def _remedy(term: str, one: Layout, other: Layout) -> str:
    """What makes the terms of an interaction the same in two tables."""
    mine, yours = one.terms, other.terms
    rest = [name for name in {**mine, **yours} if name.endswith(f"={OTHER}")]
    of_slopes = next((name for name in rest if term.startswith(name.removesuffix(OTHER))), None)
    if of_slopes and mine.get(of_slopes) != yours.get(of_slopes):
        return (
            ": there is a slope for each level of the table at hand, so learn the rows of one "
            "table --into the other's model"
        )
    name = of_slopes.removesuffix(f"={OTHER}") if of_slopes else term
    columns = measured({**mine, **yours}).get(name, ())
    options = " ".join(f"--reference {column}=LEVEL" for column in columns)
    return f": learn both with the same {options}" if options else ""
