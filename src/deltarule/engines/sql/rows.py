"""The rows of a plan as SQL: terms as numbers and text, why a row is left out, and its fold.

Every query is a SELECT over these layers, each a subquery of the next:

    rows    n0, n1, ...  inputs, targets that are amounts and the offset, as float64, NULL for a gap
            c0, c1, ...  categories and targets that are classes
            w, e, k      the row's weight, its exposure, and the key of its fold
    kept    the same with `gone`, why the row is left out: NULL where it is not
    folds   the same with `f`, the fold, and `w` 1 for each copy where weights count copies

Text is compared by code points alone, and NaN is told from NULL, which both count as missing. The
hash of a key is written in steps, since each names the one before it twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from deltarule.engines.sql.layers import Layers
from deltarule.errors import ExpressionError, LearningError
from deltarule.export.sql.dialect import DAY, DIALECTS, Dialect
from deltarule.export.sql.functions import exact
from deltarule.export.sql.query import Query
from deltarule.export.sql.scope import Scope, Sql
from deltarule.moments.folds import C0, C1, C2, NO_GROUP, PER_DAY
from deltarule.scorer.lower import as_kind, lower
from deltarule.scorer.tree import Apply, Kind, Literal, Node, Read, Tree, walk
from deltarule.tables.databases.reader import DatabaseReader
from deltarule.tables.databases.url import quoted
from deltarule.tables.fold_columns import INEXACT
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.terms import Look, Term, one_term, parsed

DIALECT_OF: Mapping[str, str] = {
    "DuckDB": "duckdb",
    "PostgreSQL": "postgres",
    "SQLite": "sqlite",
}
MD5 = {
    "duckdb": "CAST(CAST('0x' || md5({0})[:8] AS BIGINT) AS DOUBLE)",
    "postgres": "(('x' || substr(md5({0}), 1, 8))::bit(32)::bigint)::double precision",
    "sqlite": "deltarule_text_key({0})",
}
"""The first 8 hex digits of a text's MD5, as a number."""
FENCES = {"duckdb": ", (VALUES (1)) AS fence(one)"}
"""What keeps a planner from copying a step's expressions, where the dialect has nothing of its own.

DuckDB's MATERIALIZED writes the rows down: a pass over 100,000 rows of 20 inputs took 0.18 s of the
processor, with a join with one row 0.15.
"""
HELD_CELLS = 32_000_000
"""Up to so many cells, 256 MB, a database in this process holds rows as they are asked about."""
ROW = "deltarule row"
NO_CASES = "its lower and upper know no letters beyond ASCII"
LOCAL = "give the rows to this machine with engine local"


@dataclass(frozen=True)
class SqlTable:
    """A table, view or query of a database, in its dialect; `kinds` are those of its columns."""

    name: str
    reader: DatabaseReader
    dialect: Dialect
    kinds: Mapping[str, pl.DataType]
    far_keys: bool = False
    """Whether ids or groups are whole numbers that floats do not tell apart."""

    @property
    def fence(self) -> str:
        """What ends a step whose expressions are to be computed once."""
        return FENCES.get(self.dialect.name, self.dialect.fence)

    def source(self, columns: Sequence[str], *, numbered: bool) -> str:
        """A subquery of these columns, perhaps with each row's number."""
        made = [f"{self._cell(name)} AS {quoted(name)}" for name in columns]
        if numbered:
            made.append(f"{self.number()} AS {quoted(ROW)}")
        return f"(SELECT {', '.join(made) or '1 AS one'} FROM {self.reader.relation}) AS source"

    def _cell(self, name: str) -> str:
        """A column's cell, as `node` reads it: yes and no as 1 and 0."""
        cell = self.reader.cells[name]
        if self.kinds[name] != pl.Boolean:
            return cell
        one, zero = self.dialect.literal(1.0), self.dialect.literal(0.0)
        return f"CASE WHEN {cell} THEN {one} WHEN NOT {cell} THEN {zero} END"

    def number(self, request: Request | None = None) -> str:
        """A row's number, from 1: its primary key, or its place in the order of all columns.

        Where rows have an id of whole numbers, it is that.
        """
        double, key = self.dialect.double, self.reader.key
        own = None if request is None else request.id
        if own in self.kinds and self.kinds[str(own)].is_integer():
            key = own
        if key is not None:
            return f"CAST({quoted(key)} AS {double})"
        texts = (pl.String, pl.Categorical, pl.Enum)
        order = [
            self.dialect.exact.format(cell) if self.kinds[name] in texts else cell
            for name, cell in self.reader.cells.items()
        ]
        return f"CAST(row_number() OVER (ORDER BY {', '.join(order)}) AS {double})"

    def node(self, term: Term) -> Node:
        """A term as a node of the scorer's tree, over the columns of `source`."""
        if term.expression is None:
            return self._read_cell(term.name)
        expression = parsed(term.expression)
        return lower(expression.tree, {name: self._read_cell(name) for name in expression.columns})

    def _read_cell(self, name: str) -> Node:
        if self.kinds[name] != pl.Boolean:
            return self.read(name)
        return Apply("=", (Read(name, "number"), Literal(1.0, "number")), "boolean")

    def read(self, name: str) -> Read:
        """A column of the table itself as a node."""
        return Read(name, _kind(self.kinds[name]))


def _kind(kind: pl.DataType) -> Kind:
    if kind.is_numeric():
        return "number"
    named: Mapping[type[pl.DataType], Kind] = {
        pl.Boolean: "boolean",
        pl.Date: "date",
        pl.Datetime: "datetime",
        pl.Time: "time",
        pl.Duration: "duration",
    }
    return named.get(kind.base_type(), "text")


@dataclass
class PlanSql:
    """The layers of a plan's rows."""

    table: SqlTable
    plan: Plan
    folds: bool = True
    """Whether rows have folds."""
    most_copies: int = 1
    """How many copies a row's weight counts at most; 1 where weights count none."""
    held: str | None = None
    """The name of a temporary table of these rows with `gone` and `f`, if there is one."""

    @property
    def numbers(self) -> list[str]:
        """What n0, n1, ... are of."""
        offset = [] if self.plan.offset is None else [self.plan.offset]
        return [*self.plan.numbers, *self.plan.amounts, *offset]

    @property
    def categories(self) -> list[str]:
        """What c0, c1, ... are of."""
        return [*self.plan.categories, *self.plan.classes]

    @property
    def names(self) -> list[str]:
        """The columns of each layer, apart from what it adds."""
        asked = self.plan.request
        made = [f"n{at}" for at in range(len(self.numbers))]
        made += [f"c{at}" for at in range(len(self.categories))]
        made += ["w"] if asked.row_weight else []
        made += ["e"] if asked.exposure else []
        return [*made, "k"] if self._keyed else made

    @property
    def _keyed(self) -> bool:
        """Whether rows have a key: of their fold, or the time without which they are left out."""
        return self.folds or self.plan.request.time is not None

    @cached_property
    def rows(self) -> str:
        """The query of the first layer.

        Errors:  LearningError for a term that cannot be computed there
        """
        try:
            return self._rows()
        except ExpressionError as error:
            raise LearningError(f"{self.table.name}: {error}; or {LOCAL}") from None

    def _rows(self) -> str:
        asked, table = self.plan.request, self.table
        nodes: list[tuple[str, Node]] = []
        for at, name in enumerate(self.numbers):
            nodes.append((f"n{at}", as_kind(table.node(self.plan.terms[name]), "number")))
        for at, name in enumerate(self.categories):
            node = table.node(self.plan.terms[name])
            if node.kind == "boolean":
                node = as_kind(node, "number")
            plain = node.kind in ("text", "number")
            nodes.append((f"c{at}", node if plain else Apply("label", (node,), "text")))
        for name, column in (("w", asked.row_weight), ("e", asked.exposure)):
            if column is not None:
                term = self.plan.terms.get(column, Term(column))
                nodes.append((name, as_kind(table.node(term), "number")))
        by = asked.id or asked.group or asked.time
        if by is not None and self._keyed:
            nodes.append(("k", table.node(one_term(by, self._look))))
        if not table.dialect.unicode_case and any(has_cases(node) for _, node in nodes):
            raise ExpressionError(NO_CASES)
        reads = dict.fromkeys(
            one.column for _, node in nodes for one in walk(node) if isinstance(one, Read)
        )
        empty = tree(asked.missing_words)
        scope = Scope(table.dialect, alphabet(node for _, node in nodes))
        query, results = Query(scope, empty), []
        for name, node in nodes:
            value = query.value(node)
            made = self._key(scope, value, by or "") if name == "k" else _sql(scope, value)
            results.append((name, made))
        numbered = self.folds and by is None
        if numbered:
            results.append(("k", Sql(quoted(ROW), "number", raw=True)))
            results[-1] = ("k", scope.bind(results[-1][1]))
        return scope.query(table.source(list(reads), numbered=numbered), (), results)

    @property
    def _look(self) -> Look:
        return Look(pl.DataFrame(schema=dict(self.table.kinds)), self.table.name, None, {})

    def _key(self, scope: Scope, value: Sql, by: str) -> Sql:
        """The key of a row's fold: an id or group as a number."""
        d = self.table.dialect
        if self.plan.request.time is not None:
            return scope.bind(self._time(scope, value))
        if value.kind == "text":
            made = scope.make("number", MD5[d.name], value)
        elif value.kind == "datetime":
            value = scope.bind(value)
            day = d.literal(86_400_000_000.0)
            days = scope.bind(
                scope.call("number", "floor", scope.make("number", f"({{0}} / {day})", value))
            )
            rest = f"({{1}} + ({{0}} - {{1}} * {day}) * {d.literal(PER_DAY)})"
            made = scope.make("number", rest, value, days)
        elif value.kind == "boolean":
            made = scope.coded(value)
        elif self.table.far_keys and value.kind == "number":
            made = self._digits_key(scope, value, by)
        elif value.kind in ("number", "date"):
            made = value
        else:
            raise ExpressionError(f"a {value.kind} is no key of a row")
        if self.plan.request.group is not None:
            made = scope.make("number", f"COALESCE({{0}}, {d.literal(NO_GROUP)})", made)
        return scope.bind(made)

    def _digits_key(self, scope: Scope, value: Sql, by: str) -> Sql:
        """The key of whole numbers: of their digits where floats are no longer exact."""
        d = self.table.dialect
        low, high = d.literal(-INEXACT), d.literal(INEXACT)
        cell = Sql(quoted(by), "number", raw=True)
        near = f"CAST({{0}} AS {d.double}) > {low} AND CAST({{0}} AS {d.double}) < {high}"
        text = scope.call("text", "as text", cell)
        far = scope.bind(scope.make("text", f"CASE WHEN NOT ({near}) THEN {{1}} END", cell, text))
        key = f"CASE WHEN {{0}} IS NULL THEN {{1}} ELSE {MD5[d.name]} END"
        return scope.make("number", key, far, scope.bind(value))

    def _time(self, scope: Scope, value: Sql) -> Sql:
        """A time as a number: of dates and times the microseconds, as in tables/fold_columns.py."""
        if value.kind == "date":
            return scope.make("number", f"({{0}} * {scope.dialect.literal(DAY)})", value)
        if value.kind in ("number", "datetime"):
            return value
        raise ExpressionError(f"a {value.kind} has no order in time")

    def hold(self) -> None:
        """Have the rows held as a temporary table, where the database can and they are not many.

        A pass over 100,000 rows of 20 inputs in DuckDB then takes 0.08 s rather than 0.15.
        """
        reader = self.table.reader
        width = len(self.names) + 2
        if reader.rows is None or reader.rows * width > HELD_CELLS or self.counts_copies:
            return
        self.held = reader.hold(self.with_folds.query(["*"]))

    @property
    def counts_copies(self) -> bool:
        """Whether weights count copies of a row that are held out apart."""
        return bool(self.plan.request.copies and self.plan.request.time is None)

    @property
    def _holding(self) -> bool:
        """Whether the temporary table is still there: others may have been held since."""
        return self.held is not None and self.held == self.table.reader.held

    @property
    def kept(self) -> Layers:
        """The rows with the reason why they are left out."""
        if self._holding:
            return Layers.of(f"SELECT {', '.join([*self.names, 'gone'])} FROM {self.held}")
        cases = "".join(f" WHEN {test} THEN {cause}" for cause, test in self._gone())
        gone = f"CASE{cases} END" if cases else "CAST(NULL AS INTEGER)"
        return Layers.of(self.rows).then([*self.names, f"{gone} AS gone"])

    @property
    def with_folds(self) -> Layers:
        """The rows with the reason why they are left out, and their folds."""
        names = [*self.names, "gone"]
        if self._holding:
            return Layers.of(f"SELECT {', '.join([*names, 'f'])} FROM {self.held}")
        return self._with_folds(self.kept, names)

    def _gone(self) -> list[tuple[int, str]]:
        """Why rows are left out, the first cause first, as in `Block.gone`."""
        plan, asked = self.plan, self.plan.request
        m, inputs = plan.width, len(plan.numbers)
        found = [(at, f"{self.number(at)} IS NULL") for at in reversed(range(inputs, m))]
        first = len(plan.categories)
        for at in range(first, first + len(plan.classes)):
            found.append((m + at, f"c{at} IS NULL"))
        c = len(self.categories)
        if asked.time is not None:
            found.append((m + c, "k IS NULL"))
        if asked.row_weight is not None:
            zero = self.table.dialect.literal(0.0)
            found.append((m + c + 1, f"w IS NULL OR w = {zero}"))
        if asked.drop_missing:
            found += [(at, f"n{at} IS NULL") for at in range(inputs)]
            found += [(m + at, f"c{at} IS NULL") for at in range(first)]
        return found

    def number(self, at: int) -> str:
        """The number at this place of the sums: inputs, targets, and what stands beside them."""
        plan = self.plan
        first, amounts = len(plan.numbers), len(plan.amounts)
        offset = f"n{first + amounts}"
        if at >= first + amounts:
            behind = at - first - amounts
            return offset if behind == 0 else f"n{first + behind - 1}"
        if at >= first and plan.request.shifted and plan.offset is not None:
            return f"(n{at} - {offset})"
        return f"n{at}"

    @property
    def learnt(self) -> Layers:
        """The rows that are learnt from, each of its fold where there are folds."""
        if self._holding:
            names = [*(name for name in self.names if name != "k"), *(["f"] if self.folds else [])]
            return Layers.of(f"SELECT {', '.join(names)} FROM {self.held} WHERE gone IS NULL")
        # Not by `gone`: of a CASE PostgreSQL expects that few rows pass, and sorts them to group.
        tests = " AND ".join(f"NOT ({test})" for _, test in self._gone())
        rows = Layers.of(self.rows).then(self.names, where=tests)
        if not self.folds:
            return rows
        return self._with_folds(rows, [name for name in self.names if name != "k"])

    def _with_folds(self, rows: Layers, others: Sequence[str]) -> Layers:
        """These columns of the rows, and their folds."""
        d, folds = self.table.dialect, self.plan.request.folds
        if self.plan.request.time is not None:
            cuts = [f"CASE WHEN k >= {d.literal(cut)} THEN 1 ELSE 0 END" for cut in self.plan.cuts]
            return rows.then([*others, f"{' + '.join(cuts) or 0} AS f"])
        made = hashed(d, rows, others, "k", "u")
        if self.most_copies > 1:
            made = self._copies(made, others)
        last = d.literal(float(folds - 1))
        fold = f"floor(u * {d.literal(float(folds))})"
        text = f"CASE WHEN {fold} > {last} THEN {last} ELSE {fold} END AS f"
        return made.then([*others, text])

    def _copies(self, rows: Layers, others: Sequence[str]) -> Layers:
        """Each row as often as its weight says, each copy j of its own hash and a weight of 1."""
        d = self.table.dialect
        zero, one = d.literal(0.0), d.literal(1.0)
        counted = (f"SELECT {d.literal(float(j))} AS j" for j in range(self.most_copies))
        join = f"JOIN ({' UNION ALL '.join(counted)}) AS series ON j < w"
        mine = [name for name in others if name != "w"]
        made = rows.then([*mine, f"{one} AS w", "u AS u1", "j", "u + j AS k"], join=join)
        made = hashed(d, made, [*others, "j", "u1"], "k", "u2")
        return made.then([*others, f"CASE WHEN j = {zero} THEN u1 ELSE u2 END AS u"])


def hashed(d: Dialect, rows: Layers, others: Sequence[str], key: str, name: str) -> Layers:
    """The same rows with the hash of a key, as in moments/folds.py."""

    def number(value: float) -> str:
        return d.literal(value)

    def frac(value: str) -> str:
        return f"({value} - floor({value}))"

    # Each fenced step costs PostgreSQL as much as some products: what is named twice is short.
    a, b, c, v = (frac(name) for name in ("h1", "h2", "h3", "hu"))
    steps = [
        [
            f"{key} * {number(C0 * 2.0**-24)} AS h1",
            f"{key} * {number(C1)} AS h2",
            f"{key} * {number(C2)} * {number(2.0**24)} AS h3",
        ],
        [f"({a} + {b} + {c}) * ({number(1021.0)} + {b}) * ({number(733.0)} + ({a} + {c})) AS hu"],
        [f"{v} * ({number(8191.0)} + {v}) * {number(127.0)} AS hw"],
    ]
    for step in steps:
        rows = rows.then([*others, *step], fence=d.fence)
    return rows.then([*others, f"{frac('hw')} AS {name}"])


def has_cases(node: Node) -> bool:
    """Whether text is put into small or capital letters."""
    return any(isinstance(one, Apply) and one.name in ("lower", "upper") for one in walk(node))


def _sql(scope: Scope, value: Sql) -> Sql:
    """A value as a column of a query: text that is compared by code points, booleans as 1 and 0."""
    if value.kind == "boolean":
        return scope.coded(value)
    return exact(scope, value) if value.kind == "text" else value


def tree(words: tuple[str, ...]) -> Tree:
    """A tree of nothing: what the walk reads of one to compute single nodes."""
    return Tree(
        columns=(),
        offset=None,
        outputs=(),
        starts=(),
        averages=(),
        targets=(),
        missing_words=words,
        shows_score=False,
        about=(),
    )


def alphabet(nodes: Iterable[Node]) -> frozenset[str]:
    """The letters of all texts that values are compared with."""
    letters: set[str] = set()
    for node in nodes:
        for one in walk(node):
            if isinstance(one, Literal) and isinstance(one.value, str):
                letters |= set(one.value)
    return frozenset(letters)


def dialect_of(kind: str) -> Dialect:
    """The dialect of a kind of database."""
    return DIALECTS[DIALECT_OF[kind]]
