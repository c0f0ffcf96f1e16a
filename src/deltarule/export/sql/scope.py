"""Scope: expressions of SQL, and the layers of subqueries that name those used more than once.

An expression that is used twice would be written twice, and nested so, more often with each step.
So it is bound to a column of a layer, and stands by that column's name in the layers above:

    WITH q0 AS (SELECT <cells> AS c1 FROM "films"), q1 AS (SELECT c1, <of c1> AS c2 FROM q0) ...
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deltarule.export.sql.dialect import Dialect

# Planners copy a subquery's expressions to where they are used. Where that makes the query longer
# than so many characters, and so many times as long, it is fenced, which costs index look-ups.
MOST_COPIED, MOST_TIMES = 100_000, 20
NAME = re.compile(r"\bc[0-9]+\b")
# Shorter expressions are written out at each use.
SHORT = 40


@dataclass(frozen=True)
class Sql:
    """An expression: its text, the first layer that it can stand in, the columns it names.

    Of a boolean, `text` is a condition, and `coded` the same as 1, 0 or NULL where it is known.
    """

    text: str
    kind: str
    level: int = 0
    names: frozenset[str] = frozenset()
    atomic: bool = False
    coded: "Sql | None" = None
    raw: bool = False
    """Whether it names the table's own columns, which only the first layer sees."""


@dataclass
class Column:
    """A column of a layer: its expression, and the last layer that names it."""

    sql: Sql
    used: int
    expanded: int
    """The characters of its expression where all that it names is written out."""


@dataclass
class Scope:
    """The layers of a query in a dialect."""

    dialect: Dialect
    alphabet: frozenset[str] = frozenset()
    """The letters of all levels and texts that values are compared with."""
    columns: dict[str, Column] = field(default_factory=dict)
    joins: dict[int, list[str]] = field(default_factory=dict)
    """The joins of each layer."""
    tables: dict[str, str] = field(default_factory=dict)
    """The tables of constants, by name."""
    _known: dict[str, Sql] = field(default_factory=dict)

    def make(self, kind: str, template: str, *parts: Sql) -> Sql:
        """An expression of others: {0}, {1} are theirs."""
        return self.joined(kind, template.format(*(one.text for one in parts)), parts)

    def joined(self, kind: str, text: str, parts: Iterable[Sql]) -> Sql:
        """An expression with this text, which is made of these."""
        parts = list(parts)
        level = max((one.level for one in parts), default=0)
        names: frozenset[str] = frozenset().union(*(one.names for one in parts))
        return Sql(text, kind, level, names, raw=any(one.raw for one in parts))

    def call(self, kind: str, name: str, *parts: Sql) -> Sql:
        """A function of the dialect."""
        return self.joined(kind, self.dialect.call(name, *(one.text for one in parts)), parts)

    def number(self, value: float) -> Sql:
        """A number as a literal."""
        return Sql(self.dialect.literal(value), "number", atomic=True)

    def null(self, kind: str) -> Sql:
        """A missing value."""
        if kind == "boolean":
            return self.condition(self.null("number"))
        return Sql(self.dialect.null(kind), kind, atomic=True)

    def condition(self, coded: Sql) -> Sql:
        """The condition that is coded so: 1, 0 or NULL."""
        made = self.make("boolean", f"({{0}} = {self.dialect.literal(1.0)})", coded)
        return Sql(made.text, "boolean", made.level, made.names, coded.atomic, coded, made.raw)

    def coded(self, condition: Sql) -> Sql:
        """A condition as 1, 0 or NULL."""
        if condition.coded is not None:
            return condition.coded
        one, zero = (self.dialect.literal(value) for value in (1.0, 0.0))
        return self.make(
            "number", f"CASE WHEN {{0}} THEN {one} WHEN NOT {{0}} THEN {zero} END", condition
        )

    def atom(self, sql: Sql) -> Sql:
        """An expression that may be written several times: a short one, else its bound name."""
        short = len(sql.text) <= SHORT and not sql.raw and sql.kind != "boolean"
        return sql if short else self.bind(sql)

    def bind(self, sql: Sql) -> Sql:
        """The name of an expression in the layer above it; what is a name or literal stays."""
        if sql.atomic:
            return sql
        if sql.kind == "boolean":
            return self.condition(self.bind(self.coded(sql)))
        if sql.text not in self._known:
            name = f"c{len(self.columns) + 1}"
            for one in sql.names:
                self.columns[one].used = max(self.columns[one].used, sql.level)
            expanded = self._expanded(sql)
            self.columns[name] = Column(sql, sql.level, expanded)
            level = sql.level + 1
            self._known[sql.text] = Sql(name, sql.kind, level, frozenset([name]), atomic=True)
        return self._known[sql.text]

    def table(self, rows: Sequence[Sequence[str]], names: Sequence[str]) -> str:
        """The name of a table of constants."""
        name = f"levels{len(self.tables) + 1}"
        body = ",\n    ".join(f"({', '.join(row)})" for row in rows)
        columns = ", ".join(names)
        query = self.dialect.values.format(body, columns)
        self.tables[name] = f"{name}({columns}) AS (\n  {query}\n)"
        return name

    def query(self, table: str, kept: Sequence[str], results: Sequence[tuple[str, Sql]]) -> str:
        """The SELECT of these results, by name, beside the table's columns that are kept."""
        top = max([one.level for _, one in results] + [1])
        for _, result in results:
            for name in result.names:
                self.columns[name].used = max(self.columns[name].used, top)
        fence = self.dialect.fence if self._is_copied(results) else ""
        keeps = [f"k{at}" for at in range(1, len(kept) + 1)]
        parts, source = list(self.tables.values()), table
        for level in range(top):
            selected = [
                f"{self.dialect.identifier(own)} AS {name}" if level == 0 else name
                for own, name in zip(kept, keeps, strict=True)
            ]
            for name, column in self.columns.items():
                if column.sql.level < level < column.used:
                    selected.append(name)
                elif column.sql.level == level:
                    selected.append(f"{column.sql.text} AS {name}")
            passed = [one for one in selected if one.isalnum()]
            made = [one for one in selected if not one.isalnum()]
            lines = [", ".join(passed)] if passed else []
            body = ",\n    ".join([*lines, *made] or [f"{self.dialect.literal(1.0)} AS c0"])
            joins = "".join(f"\n  {join}" for join in self.joins.get(level, ()))
            end = f"\n  {fence}" if fence else ""
            parts.append(f"q{level} AS (\n  SELECT\n    {body}\n  FROM {source}{joins}{end}\n)")
            source = f"q{level}"
        last = [
            f"{name} AS {self.dialect.identifier(own)}"
            for own, name in zip(kept, keeps, strict=True)
        ]
        cut = self.dialect.cut
        last += [f"{one.text} AS {self.dialect.identifier(cut(name))}" for name, one in results]
        select = ",\n  ".join(last)
        return f"WITH {', '.join(parts)}\nSELECT\n  {select}\nFROM {source}"

    def _is_copied(self, results: Sequence[tuple[str, Sql]]) -> bool:
        """Whether the query is far longer where every name is written out."""
        written = sum(len(one.sql.text) for one in self.columns.values())
        written += sum(len(one.text) for _, one in results)
        copied = sum(self._expanded(one) for _, one in results)
        return copied > MOST_COPIED or copied > MOST_TIMES * written

    def _expanded(self, sql: Sql) -> int:
        """The characters of an expression where all that it names is written out."""
        names = [one for one in NAME.findall(sql.text) if one in sql.names]
        return len(sql.text) + sum(self.columns[one].expanded for one in names)
