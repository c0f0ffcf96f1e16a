"""Joining: rows that are read to be added to a summary, or taken from it, in the same terms.

The columns, their kinds and how text is read are those of the summary. Where rows have no key of
their own, numbers go on where the last read ended; rows to take away have lost theirs, so that then
all sums are of one fold.
"""

from dataclasses import field, replace
from functools import reduce
from operator import add

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError
from deltarule.tables.codes import LevelCodes
from deltarule.tables.kinds import kind_of
from deltarule.tables.layout import Layout
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.source import Source
from deltarule.tables.summary import Summary
from deltarule.tables.text_columns import FormattedSource


@dataclass
class Joining:
    """What rows join: `part` is their own summary once they are read."""

    before: Summary
    away: bool = False
    """Whether the rows are taken away."""
    part: Summary | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.away and not self.layout.fold_by:
            self.before = one_fold(self.before)

    @property
    def layout(self) -> Layout:
        """The columns of the sums."""
        return self.before.layout

    def source(self, source: Source) -> FormattedSource:
        """The rows with text read as it was."""
        layout = self.layout
        return FormattedSource(source, dict(layout.formats), layout.missing_words, learning=False)

    def request(self, asked: Request) -> Request:
        """What to read: the columns of the sums."""
        layout = self.layout
        apart = {*layout.targets, layout.row_weight, layout.offset}
        named = {name: one for name, one in layout.terms.items() if name not in apart}
        return replace(
            asked,
            using=list(named),
            terms=named,
            without=(),
            takes={one: "classes" if one in layout.classes else "numbers" for one in asked.predict},
            folds=layout.folds,
            copies=layout.copies,
            shifted=layout.shifted,
            texts=frozenset(column for column, kind in layout.kinds.items() if kind == "text"),
        )

    def plan(self, made: Plan, name: str) -> Plan:
        """The plan of these rows, with every column as in the sums.

        Errors:  ColumnError for one whose kind is another
        """
        layout = self.layout
        others = {one.name: one for one in made.left_out}
        for column in [*layout.numbers, *layout.categories]:
            number = column in layout.numbers
            found = column in made.numbers, column in made.categories
            # Nearly unique text of few rows is levels all the same, where these were levels.
            text = column in others and others[column].kind == "text"
            blank = column in others and (not text or not number)
            if found != (number, not number) and not blank:
                kinds = {made.kinds[one] for one in made.terms[column].columns}
                told = " and ".join(sorted(kind_of(kind) for kind in kinds))
                was = "numbers" if number else "levels"
                raise ColumnError(
                    f"{name}: the column '{column}' is {told}, and was {was} where the model was "
                    "learnt: give it as it was, or learn a new model"
                )
        blanks = {*layout.categories} - made.levels.keys()  # without a value here
        none = LevelCodes((), made.most_levels)
        return replace(
            made,
            numbers=list(layout.numbers),
            categories=list(layout.categories),
            levels={**made.levels, **dict.fromkeys(blanks, none)},
            booleans=set(layout.booleans),
            left_out=[],
            formats=dict(layout.formats),
            rows_before=0 if self.away else self.before.examples + self.before.left_out,
        )

    def joined(self, part: Summary) -> Summary:
        """The sums with those of these rows.

        Errors:  LearningError for rows that are not in them
        """
        self.part = part
        return self.before - part if self.away else self.before + part


def one_fold(summary: Summary) -> Summary:
    """The same sums with all rows in one fold."""
    folds = (reduce(add, summary.folds),)
    above = np.array(
        [folds[0].apart(fold) if fold.rows else np.zeros(len(fold.mean)) for fold in summary.folds]
    )
    levels = {name: own.one_fold(above) for name, own in summary.levels.items()}
    pairs = {key: own.one_fold() for key, own in summary.pairs.items()}
    layout = summary.layout.model_copy(update={"folds": 1})
    return replace(summary, layout=layout, folds=folds, levels=levels, pairs=pairs)
