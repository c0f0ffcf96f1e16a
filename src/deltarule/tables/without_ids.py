"""Rows without some ids: a source that leaves out the rows of certain people or things."""

from collections.abc import Sequence

import polars as pl

from deltarule.errors import LearningError
from deltarule.tables.cast import label
from deltarule.tables.column_names import check_there
from deltarule.tables.source import Source
from deltarule.tables.terms import Term
from deltarule.tables.wrapped_source import SelectedSource

SHOWN = 3


def ids_of(source: Source, by: str) -> pl.Series:
    """The different ids of a table's rows, as numbers or text; gaps are none.

    Errors:  ColumnError, ExpressionError
    """
    key = id_column(source, by)
    found = [batch.to_series().unique() for batch in source.batches([key])]
    return pl.concat(found).unique().drop_nulls() if found else pl.Series([], dtype=pl.String)


def id_column(source: Source, by: str) -> pl.Expr:
    """An id, a column or an expression, as text; whole numbers without a point.

    Errors:  ColumnError, ExpressionError
    """
    kinds = source.look().schema
    term = Term(by) if by in kinds else Term(by, by)
    check_there(list(kinds), term.columns, name=source.name)
    term.check(kinds, name=source.name)
    values = term.polars(kinds)
    kind = source.look().select(values).to_series().dtype
    return label(values, kind).alias("id")


class WithoutIds(SelectedSource):
    """The rows of a source that are of none of these ids."""

    def __init__(self, source: Source, ids: pl.Series, by: str) -> None:
        super().__init__(source)
        self.ids, self.by = ids, by

    @property
    def rows(self) -> int | None:
        return None

    def begin(self) -> Sequence[pl.Expr]:
        self._key = id_column(self.source, self.by)
        return [self._key]

    def mask(self, frame: pl.DataFrame, row: int) -> pl.Series:
        gone = frame.select(self._key).to_series().is_in(self.ids.implode())
        return ~gone.fill_null(value=False)

    def check_all_there(self) -> None:
        """Refuse ids that no row has.

        Errors:  LearningError, naming some
        """
        there = ids_of(self.source, self.by)
        lost = self.ids.filter(~self.ids.is_in(there.implode())).sort()
        if len(lost):
            more = f" and {len(lost) - SHOWN:,} more" if len(lost) > SHOWN else ""
            raise LearningError(
                f"{self.source.name} has no row of {self.by} {', '.join(lost[:SHOWN])}{more}: give "
                "rows that were learnt from"
            )
