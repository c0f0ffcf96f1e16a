"""The inputs and targets of a schema as SQL, over the rows of a plan.

Numbers are standardised columns, and so are the one-hot inputs of few levels. Where levels are
many a category is one column of codes that sums are grouped by:

    X = U A,  U = [1, numbers, a one-hot column for each code]

so that sums over rows of U U' and U, of which grouped sums are all there is, give those of X.

Shapes: p inputs, q = p + intercept, u columns of U.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deltarule.engines.sql.layers import Layers
from deltarule.engines.sql.rows import PlanSql
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array
from deltarule.tables.row_encoder import RowEncoder
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number, placed

# More levels than this are looked up by a join, fewer by a CASE.
MOST_CASES = 40
# Up to so many levels of all categories are one-hot: a sum of products more for each costs less
# than a query for each category and each pair of them.
MOST_ONE_HOT = 40


@dataclass(frozen=True)
class Design:
    """The inputs of an encoder's schema: x0, x1, ... are numbers, g0, g1, ... codes, t0, ..."""

    rows: PlanSql
    encoder: RowEncoder
    standard: Standardization
    classes: Mapping[str, Mapping[Any, str]]
    bare: bool = False
    """Whether rows are without their inputs."""

    @cached_property
    def numbers(self) -> list[tuple[int, str]]:
        """The index of each numeric input, and its expression."""
        found: list[tuple[int, str]] = []
        if self.bare:
            return found
        for column, span in self._spans:
            if isinstance(column, Category):
                found += self._one_hot(column, span.start) if self.one_hot else []
            else:
                at = span.start
                x = f"n{self.rows.numbers.index(column.name)}"
                values = [x] if not column.missing else [f"COALESCE({x}, {self._n(column.mean)})"]
                if column.gap:
                    gap = f"CASE WHEN {x} IS NULL THEN {self._n(1.0)} ELSE {self._n(0.0)} END"
                    values.append(gap)
                found += [(at + k, self._standard(at + k, one)) for k, one in enumerate(values)]
        return found

    @property
    def one_hot(self) -> bool:
        """Whether categories are one-hot inputs."""
        levels = [one.known for one, _ in self._spans if isinstance(one, Category)]
        return sum(map(len, levels)) <= MOST_ONE_HOT

    def _one_hot(self, column: Category, start: int) -> list[tuple[int, str]]:
        """The input of each level, from the column's codes."""
        at = [one for one, _ in self._coded].index(column)
        places, found = placed(column), []
        for place in range(len(column.levels)):
            codes = ", ".join(map(str, np.flatnonzero(places == place)))
            one = f"CASE WHEN g{at} IN ({codes}) THEN {self._n(1.0)} ELSE {self._n(0.0)} END"
            found.append((start + place, self._standard(start + place, one)))
        return found

    @property
    def _coded(self) -> list[tuple[Category, int]]:
        """All categories, each with the index of its first input."""
        if self.bare:
            return []
        return [(one, span.start) for one, span in self._spans if isinstance(one, Category)]

    @property
    def _spans(self) -> list[tuple[Number | Category, slice]]:
        schema = self.encoder.schema
        return list(zip(schema.columns, schema.spans().values(), strict=True))

    def _n(self, value: float) -> str:
        return self.rows.table.dialect.literal(float(value))

    def _standard(self, at: int, x: str) -> str:
        centre = 0.0 if self.encoder.centre is None else self.encoder.centre[at]
        for less in (centre, self.standard.mean[at]):
            x = f"({x} - {self._n(less)})" if less else x
        per = self.standard.per[at]
        return x if per == 1 else f"{x} * {self._n(per)}"

    @cached_property
    def categories(self) -> list[tuple[Category, int]]:
        """The categories that sums are grouped by, each with the index of its first input."""
        return [] if self.one_hot else self._coded

    def layer(self, rows: Layers, kept: Sequence[str]) -> Layers:
        """The rows with inputs, codes, targets t0, t1, ... and the offset o."""
        made, joins = [], []
        for at, (column, _) in enumerate(self._coded):
            code, join = self._code(column, at)
            made.append(f"{code} AS g{at}")
            joins += [join] if join else []
        made += [f"{target} AS t{at}" for at, target in enumerate(self.targets)]
        if self.offset is not None:
            made.append(f"{self.offset} AS o")
        names = [f"n{at}" for at in range(len(self.rows.numbers))]
        fence = self.rows.table.fence if self.one_hot and self._coded else ""
        rows = rows.then([*kept, *names, *made], join=" ".join(joins), fence=fence)
        inputs = [f"{x} AS x{at}" for at, (_, x) in enumerate(self.numbers)]
        others = [text.rpartition(" AS ")[2] for text in made]
        return rows.then([*kept, *others, *inputs])

    @property
    def offset(self) -> str | None:
        """The offset that is added to scores."""
        plan = self.encoder.plan
        if plan.offset is None or plan.request.shifted:
            return None
        return f"n{self.rows.numbers.index(plan.offset)}"

    @property
    def targets(self) -> list[str]:
        """The expression of each output's target."""
        found = []
        for target in self.encoder.schema.targets:
            if not target.classes:
                found.append(self.rows.number(self.rows.numbers.index(target.name)))
                continue
            column = f"c{self.rows.categories.index(target.name)}"
            names = self.classes[target.name]
            for level in target.levels:
                values = [self._value(one) for one, name in names.items() if name == str(level)]
                one, zero = self._n(1.0), self._n(0.0)
                found.append(
                    f"CASE WHEN {column} IN ({', '.join(values)}) THEN {one} ELSE {zero} END"
                )
        return found

    def _value(self, value: Any) -> str:
        text = isinstance(value, str)
        return self.rows.table.dialect.exact_string(value) if text else self._n(value)

    def _code(self, column: Category, at: int) -> tuple[str, str]:
        """The code of a row's level, an index of `known`, and the join that it takes."""
        known = list(column.known)
        index = {level: code for code, level in enumerate(known)}
        other = index.get(OTHER, -1)
        missing = index.get(MISSING, other)
        if column.of != "text":
            # A number of one value and gaps.
            x = f"n{self.rows.numbers.index(column.name)}"
            value = next(code for level, code in index.items() if level != MISSING)
            return f"CASE WHEN {x} IS NULL THEN {missing} ELSE {value} END", ""
        c = f"c{self.rows.categories.index(column.name)}"
        plain = {level: code for level, code in index.items() if level not in (MISSING, OTHER)}
        if len(plain) <= MOST_CASES:
            whens = "".join(f" WHEN {self._value(one)} THEN {code}" for one, code in plain.items())
            cases = f"CASE {c}{whens} ELSE {other} END" if plain else str(other)
            return f"CASE WHEN {c} IS NULL THEN {missing} ELSE {cases} END", ""
        listed = ", ".join(f"({self._value(one)}, {code})" for one, code in plain.items())
        own = f"levels{at}"
        table = f"(WITH v(l, i) AS (VALUES {listed}) SELECT l, i FROM v) AS {own}"
        code = f"CASE WHEN {c} IS NULL THEN {missing} ELSE COALESCE({own}.i, {other}) END"
        return code, f"LEFT JOIN {table} ON {own}.l = {c}"

    def level_weights(self, at: int, weight: Array) -> Array:
        """What each code of a category adds to a score, for weights (p,): (codes,)."""
        column, start = self.categories[at]
        places = placed(column)
        levels = len(column.levels)
        span = slice(start, start + levels)
        mean, per = self.standard.mean[span], self.standard.per[span]
        own = np.append(weight[span] * per, 0.0)
        return own[places] - float(mean @ own[:levels])

    @cached_property
    def map(self) -> Array:
        """The matrix A of X = U A, (u, p)."""
        codes = [len(column.known) for column, _ in self.categories]
        a = np.zeros((1 + len(self.numbers) + sum(codes), self.inputs))
        for row, (at, _) in enumerate(self.numbers, 1):
            a[row, at] = 1.0
        row = 1 + len(self.numbers)
        for (column, start), count in zip(self.categories, codes, strict=True):
            places = placed(column)
            for place in range(len(column.levels)):
                at = start + place
                a[row + np.flatnonzero(places == place), at] = self.standard.per[at]
                a[0, at] = -self.standard.mean[at] * self.standard.per[at]
            row += count
        return a

    @property
    def inputs(self) -> int:
        """How many inputs there are, p."""
        return 0 if self.bare else len(self.encoder.schema.inputs)

    def starts(self) -> list[int]:
        """The row of U's first column of each category."""
        found, row = [], 1 + len(self.numbers)
        for column, _ in self.categories:
            found.append(row)
            row += len(column.known)
        return found
