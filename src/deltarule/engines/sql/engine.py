"""The engine of a database: questions about rows answered by queries, in one snapshot.

What comes to this machine are sums, and some rows to judge by: those with the least hashes of
their numbers, all of a small table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import polars as pl

from deltarule.engines.batch import blocks_of
from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors
from deltarule.engines.questions import (
    Bare,
    Compare,
    CompareByFold,
    Draw,
    Fit,
    LogNormalizer,
    MoveAlong,
    ScoreProducts,
)
from deltarule.engines.remote import Pass, Total
from deltarule.engines.sql.conditions import rows_that_meet
from deltarule.engines.sql.design import Design
from deltarule.engines.sql.layers import Layers
from deltarule.engines.sql.passes import Passes
from deltarule.engines.sql.rows import LOCAL, ROW, PlanSql, SqlTable, dialect_of, hashed
from deltarule.engines.sql.sums import summarise, times_of
from deltarule.errors import LearningError
from deltarule.moments.block import Origin
from deltarule.moments.chunked_array import Column, whole
from deltarule.tables.databases.database import DatabaseSource
from deltarule.tables.databases.url import quoted
from deltarule.tables.expressions.expression import Expression
from deltarule.tables.fold_columns import INEXACT
from deltarule.tables.kinds import kind_of
from deltarule.tables.plan import Plan
from deltarule.tables.summarise import HALFWAY, DrawnRows, FewRows, FindTimes, Summarise
from deltarule.tables.summary import Summary

DRAWN = {"postgres": "(hashfloat8({0}) & 2147483647) < {1}"}
"""A draw of so many rows of 2**31 by their numbers, where the database has a hash of its own.

PostgreSQL's takes 0.08 microseconds a row, its steps of the key of folds 0.56.
"""


@dataclass
class SqlEngine:
    """Answers questions about the rows of a table, view or query of a database."""

    source: DatabaseSource
    name: str = "the engine database"
    answers: frozenset[str] = frozenset({"sums", "some rows", "comparisons", "conditions", "times"})
    rows: PlanSql | None = None
    rows_in_all: int = 0
    far_keys: bool = False
    """Whether ids or groups are whole numbers that floats do not tell apart."""
    classes: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    constants: dict[tuple[str, str], Any] = field(default_factory=dict)

    def ask(self, question: Any) -> Any:
        """The answer about all rows.

        Errors:  LearningError for what cannot be computed there; ReadError
        """
        if isinstance(question, Summarise):
            return self._summary(question)
        if isinstance(question, FindTimes):
            return times_of(self.table, question.plan)
        if isinstance(question, FewRows):
            return self._few_rows(question)
        if isinstance(question, Pass):
            return Total(self._pass(question))
        raise LearningError(f"{self.name} gives no {question.asks_for}, which this needs: {LOCAL}")

    def _pass(self, asked: Pass[Any]) -> Any:
        """The answer of all standardised rows."""
        question: Any = asked.question
        bare = isinstance(question, Bare)
        if bare:
            question = question.question
        if isinstance(question, Draw):
            return self._drawn(asked, question)
        assert self.rows is not None, "the sums are asked for first"
        within = asked.encoder.within
        folds = asked.by_fold or within is not None
        rows = replace(self.rows, folds=folds)
        design = Design(rows, asked.encoder, asked.standard, self.classes, bare)
        passes = Passes(design, within, self.constants)
        answers: Mapping[type[Any], Callable[[Any], Any]] = {
            Compare: passes.compare,
            CompareByFold: passes.final,
            Fit: passes.fit,
            HeldOutErrors: passes.held_out,
            CompareTraining: passes.training,
            MoveAlong: passes.moved,
            LogNormalizer: passes.log_normalizer,
            ScoreProducts: passes.scores,
        }
        if type(question) not in answers:
            what = type(question).__name__
            raise LearningError(f"{self.name} has no query for {what}: {LOCAL}")
        return answers[type(question)](question)

    def _drawn(self, asked: Pass[Any], question: Draw) -> Any:
        """Some rows by fold, of which this machine draws a share of all."""
        most = max(1, round(question.share * self.rows_in_all))
        frame = self._few_rows(FewRows(asked.encoder.plan, most)).in_order
        draw = Draw(min(1.0, most / max(1, frame.height)))
        rows = asked.encoder.encoded(frame, 0).apart
        return reduce(add, map(draw.of, blocks_of(rows, asked.standard, by_fold=True)))

    @property
    def table(self) -> SqlTable:
        """The table in its dialect."""
        kinds = dict(self.source.look().schema)
        reader = self.source.reader
        dialect = dialect_of(self.source.kind)
        return SqlTable(self.source.name, reader, dialect, kinds, self.far_keys)

    @property
    def query_timeout(self) -> float | None:
        """The seconds that a query may take."""
        return self.source.reader.timeout

    @query_timeout.setter
    def query_timeout(self, seconds: float | None) -> None:
        self.source.reader.timeout = seconds

    def filtered(
        self, condition: Expression, words: tuple[str, ...]
    ) -> tuple["SqlEngine", DatabaseSource]:
        """The engine of the rows that meet a condition, and their source; `words` are missing."""
        made = rows_that_meet(self.source, self.table, condition, words)
        return SqlEngine(made), made

    def _summary(self, question: Summarise) -> Summary:
        made = question.plan
        self._check_text(made)
        self._check_types(made)
        self.far_keys = self._has_far_keys(made)
        look = self.source.look()
        chunk = made.chunk(look.select(made.columns), name=self.source.name, row=0)
        start = Origin.guess(chunk.numbers).shift
        gaps = () if made.request.drop_missing else _gaps(chunk.numbers[: len(made.numbers)])
        self._tell_key(made)
        found, self.rows, self.classes = summarise(self.table, made, start, gaps)
        self.rows_in_all = found.examples + found.left_out
        return found

    def _has_far_keys(self, plan: Plan) -> bool:
        by, reader = plan.request.id or plan.request.group or "", self.source.reader
        if self.source.look().schema.get(by) not in (pl.Int64, pl.UInt64):
            return False
        cell = reader.cells[by]
        query = f"SELECT min({cell}) AS least, max({cell}) AS most FROM {reader.relation}"
        [ends] = reader.ask(query)
        return any(abs(int(one or 0)) >= INEXACT for one in ends)

    def _tell_key(self, plan: Plan) -> None:
        """Note what rows are held out by, where nothing was said."""
        if plan.request.id or plan.request.group or plan.request.time:
            return
        key, notes = self.source.reader.key, self.source.reader.notes
        by = f"the primary key {key}" if key else "their place in the order of all columns"
        note = f"rows are held out by {by}: --id COLUMN holds them out as everywhere"
        if note not in notes:
            notes.append(note)

    def _check_text(self, plan: Plan) -> None:
        """Refuse text that is read as something else, whose odd cells only rows can tell."""
        kinds = self.source.look().schema
        for name in {column for term in plan.terms.values() for column in term.columns}:
            if kinds[name] == pl.String and plan.kinds[name] != pl.String:
                kind = str(plan.kinds[name]).lower()
                raise LearningError(
                    f"{self.source.name}: '{name}' is text that is read as {kind}: cast it in a "
                    f"--query, or {LOCAL}"
                )

    def _check_types(self, plan: Plan) -> None:
        """Refuse a column of SQLite that holds other than the first rows show, as any of it may."""
        if self.source.kind != "SQLite":
            return
        kinds, cells = self.source.look().schema, self.source.reader.cells
        read = {column for term in plan.terms.values() for column in term.columns}
        names = sorted(read - {name for name in read if kinds[name] == pl.Null})
        odd = [f"sum({_is_odd(cells[name], kinds[name])})" for name in names]
        if not odd:
            return
        query = f"SELECT {', '.join(odd)} FROM {self.source.reader.relation}"
        [counts] = self.source.reader.ask(query)
        for name, count in zip(names, counts, strict=True):
            if count:
                raise LearningError(
                    f"{self.source.name}: '{name}' is {kind_of(kinds[name])} in its first rows and "
                    f"something else in {count:,} others: cast it in a --query, or {LOCAL}"
                )

    def _few_rows(self, question: FewRows) -> DrawnRows:
        """Some rows, read as the plan's columns, with their numbers."""
        assert self.rows is not None, "the sums are asked for first"
        made = question.plan
        frame = self._drawn_rows(self.source.needed(made.columns), question.most)
        numbers = frame[ROW].cast(pl.Int64) - 1
        rows = frame.drop(ROW).select(made.columns)
        return DrawnRows(
            rows.with_columns(numbers.alias(made.row_column)), made.row_column, question.most
        )

    def _drawn_rows(self, columns: Sequence[str], most: int) -> pl.DataFrame:
        """So many rows or up to twice as many, drawn evenly, with their numbers from 1."""
        table, reader, d = self.table, self.source.reader, self.table.dialect
        number = table.number(self.rows.plan.request if self.rows else None)
        rows = f"SELECT *, {number} AS {quoted(ROW)} FROM {reader.relation}"
        share = 1.5 * most / max(self.rows_in_all, 1)
        names = [quoted(name) for name in (*columns, ROW)]
        if self.rows_in_all > 2 * most and d.name in DRAWN:
            drawn = DRAWN[d.name].format(quoted(ROW), round(share * 2**31))
            rows = Layers.of(rows).query(names, where=drawn)
        elif self.rows_in_all > 2 * most:
            key = f"({quoted(ROW)} - {d.literal(1 - HALFWAY)})"
            keyed = Layers.of(rows).then([*names, f"{key} AS deltarule_key"])
            hashes = hashed(d, keyed, names, "deltarule_key", "deltarule_u")
            rows = hashes.query(names, where=f"deltarule_u < {d.literal(share)}")
        of = f"({rows}) AS q ORDER BY {quoted(ROW)}"
        return pl.concat(reader.frames(columns, None, of, [ROW]))


def _gaps(numbers: Sequence[Column]) -> tuple[int, ...]:
    """Which of the numbers are missing in some row."""
    return tuple(at for at, column in enumerate(numbers) if np.isnan(whole(column)).any())


def _is_odd(cell: str, kind: pl.DataType) -> str:
    """The condition that a cell of SQLite is not of a kind."""
    if kind == pl.Boolean:
        return f"{cell} IS NOT NULL AND {cell} NOT IN (0, 1)"
    if kind.is_numeric():
        return f"typeof({cell}) NOT IN ('integer', 'real', 'null')"
    if kind.is_temporal():
        return f"{cell} IS NOT NULL AND strftime('%s', {cell}) IS NULL"
    return f"typeof({cell}) NOT IN ('text', 'null')"
