"""A model's query: cells, terms, parts of scores, predictions, probabilities, contributions.

a number     CASE WHEN x IS NULL THEN constant WHEN ABS(x) <= largest THEN w * (x - c) END
a category   CASE level WHEN 'a' THEN w_a ... END, or a join with a table of constants
a score      start + parts + offset: NULL where a part is, as for a number that is infinite
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from deltarule.export.level_keys import numeric_keys
from deltarule.export.sql.functions import applied, exact
from deltarule.export.sql.numbers import clamped_exp
from deltarule.export.sql.reading import cell
from deltarule.export.sql.scope import Scope, Sql
from deltarule.scorer.tree import Category, Literal, Node, Number, Read, Target, Tree, Vector, walk
from deltarule.tables.dates import microseconds_of

# More levels than this stand in a table of constants, where the dialect has one.
MOST_CASES = 60
# More summands than this are summed in groups: SQLite nests expressions 1,000 deep at most.
MOST_SUMMANDS = 40


@dataclass
class Query:
    """Builds the expressions of a model in a scope."""

    scope: Scope
    tree: Tree

    def results(self, *, explain: bool) -> list[tuple[str, Sql]]:
        """Each result's name and expression, in the order of `model.predict`."""
        found: list[tuple[str, Sql]] = []
        for target in self.tree.targets:
            if explain:
                for output in target.outputs:
                    found += self._contributions(output)
            found += self._predictions(target)
        # Of two targets that are expressions of one column, the last gives that column's own units.
        return list(dict(found).items())

    # Nodes

    def value(self, node: Node) -> Sql:
        """A node's value."""
        if isinstance(node, Read):
            return cell(self.scope, node, self.tree.missing_words)
        if isinstance(node, Literal):
            return self._literal(node)
        arguments = [self.value(one) for one in node.arguments]
        made = applied(self.scope, node, arguments)
        return self.scope.bind(made) if len(made.text) > 200 else made

    def _literal(self, node: Literal) -> Sql:
        scope, value = self.scope, node.value
        if value is None:
            return scope.null(node.kind)
        if isinstance(value, str):
            return Sql(scope.dialect.string(value), "text", atomic=True)
        if isinstance(value, bool):
            return scope.condition(scope.number(float(value)))
        if isinstance(value, float | int):
            return scope.number(float(value))
        if isinstance(value, datetime):
            micros = scope.dialect.literal(float(microseconds_of(value)))
            return Sql(micros, "datetime", atomic=True)
        days = float(value.toordinal() - 719163)
        return Sql(scope.dialect.literal(days), "date", atomic=True)

    @cached_property
    def _values(self) -> list[Sql]:
        """Each column's value: a number, or the text or number that levels are found by."""
        return [self.scope.bind(self.value(self._looked_up(one))) for one in self.tree.columns]

    @staticmethod
    def _looked_up(column: Number | Category) -> Node:
        if isinstance(column, Category):
            keys = numeric_keys(column)
            if keys is not None:
                return keys.value
        return column.value

    @cached_property
    def _offset(self) -> Sql | None:
        if self.tree.offset is None:
            return None
        value = self.scope.bind(self.value(self.tree.offset.value))
        limit = self.scope.dialect.limit
        size = self.scope.dialect.call("abs", value.text)
        text = f"CASE WHEN {size} <= {limit} THEN {value.text} END"
        return self.scope.bind(self.scope.joined("number", text, [value]))

    # Parts

    def _part(self, at: int, output: int, *, explained: bool) -> Sql:
        """What a column adds to an output's score, or what it contributes to it."""
        column, value = self.tree.columns[at], self._values[at]
        if isinstance(column, Number):
            return self._number_part(column, value, output, explained=explained)
        return self._category_part(column, value, output, explained=explained)

    def _number_part(self, column: Number, value: Sql, output: int, *, explained: bool) -> Sql:
        d, weight = self.scope.dialect, column.weights[output]
        centre = column.mean if explained else column.centre
        base = column.base[output] if explained and column.base else 0.0
        gap = weight * (column.fill - centre) + (column.missing[output] if column.missing else 0.0)
        less = f" - {d.literal(base)}" if base else ""
        away = f"({value.text} - {d.literal(centre)})" if centre else value.text
        product = f"{d.literal(weight)} * {away}{less}"
        size = d.call("abs", value.text)
        # Where overflow is an error, so is a product that is nearly 0.
        tiny = f"WHEN {size} < {d.literal(1e-150)} THEN {d.literal(-base)} "
        text = (
            f"CASE WHEN {value.text} IS NULL THEN {d.literal(gap - base)} "
            f"{tiny if d.raises and not centre else ''}WHEN {size} <= {d.limit} THEN {product} END"
        )
        return self.scope.joined("number", text, [value])

    def _category_part(self, column: Category, value: Sql, output: int, *, explained: bool) -> Sql:
        base = column.base[output] if explained else 0.0

        def weight(vector: Vector) -> str:
            return self.scope.dialect.literal(vector[output] - base)

        if self._is_table(column):
            return self._from_table(column, value, output, base)
        missing, other = weight(column.missing), weight(column.other)
        cases = "".join(
            f" WHEN {self._key(column, level)} THEN {weight(vector)}"
            for level, vector in column.levels.items()
        )
        if numeric_keys(column) is None:
            other = self._respelled(column, value, other, weight)
        compared = exact(self.scope, value).text if value.kind == "text" else value.text
        text = (
            f"CASE WHEN {value.text} IS NULL THEN {missing} ELSE "
            f"CASE {compared}{cases} ELSE {other} END END"
        )
        return self.scope.joined("number", text, [value])

    def _key(self, column: Category, level: str) -> str:
        """A level as a literal to compare with the column's value."""
        keys = numeric_keys(column)
        if keys is None:
            return self.scope.dialect.exact_string(level)
        number = keys.numbers[level]
        # A level that no number spells, such as (other), equals none.
        return self.scope.dialect.null("number") if number is None else self._number(number)

    def _number(self, value: float) -> str:
        return self.scope.dialect.literal(value)

    def _respelled(
        self, column: Category, value: Sql, other: str, weight: Callable[[Vector], str]
    ) -> str:
        """The weight of a level in other words, such as yes for true."""
        if not column.spellings:
            return other
        scope = self.scope
        word = scope.call("text", "lower", scope.call("text", "strip", value))
        compared = scope.dialect.exact.format(word.text)
        cases = "".join(
            f" WHEN {scope.dialect.exact_string(word)} THEN {weight(column.levels[level])}"
            for word, level in column.spellings.items()
        )
        return f"CASE {compared}{cases} ELSE {other} END"

    def _is_table(self, column: Category) -> bool:
        return (
            len(column.levels) > MOST_CASES
            and bool(self.scope.dialect.values)
            and not column.spellings
        )

    def _from_table(self, column: Category, value: Sql, output: int, base: float) -> Sql:
        """The weight of a level from a table of constants that is joined to the rows."""
        d = self.scope.dialect
        key = f"{column.name!r} {value.text}"
        if key not in self._tables:
            names = ["level_key", *(f"w{k}" for k in range(len(self.tree.outputs)))]
            rows = [
                [self._key(column, level), *map(d.literal, vector)]
                for level, vector in column.levels.items()
            ]
            name = self.scope.table(rows, names)
            compared = exact(self.scope, value).text if value.kind == "text" else value.text
            own = f"{name}.level_key"
            self.scope.joins.setdefault(value.level, []).append(
                f"LEFT JOIN {name} ON {own} = {compared}"
            )
            self._tables[key] = name
        table = self._tables[key]
        less = f" - {d.literal(base)}" if base else ""
        text = (
            f"CASE WHEN {value.text} IS NULL THEN {d.literal(column.missing[output] - base)} "
            f"WHEN {table}.level_key IS NULL THEN {d.literal(column.other[output] - base)} "
            f"ELSE {table}.w{output}{less} END"
        )
        return self.scope.bind(self.scope.joined("number", text, [value]))

    @cached_property
    def _tables(self) -> dict[str, str]:
        return {}

    # Scores and predictions

    def _score(self, output: int) -> Sql:
        parts = [self._part(at, output, explained=False) for at in range(len(self.tree.columns))]
        if self._offset is not None:
            parts.append(self._offset)
        return self.scope.bind(self._sum([self.scope.number(self.tree.starts[output]), *parts]))

    def _sum(self, parts: Sequence[Sql]) -> Sql:
        while len(parts) > MOST_SUMMANDS:
            groups = range(0, len(parts), MOST_SUMMANDS)
            parts = [
                self.scope.bind(self._sum(parts[start : start + MOST_SUMMANDS])) for start in groups
            ]
        text = "\n      + ".join(one.text for one in parts)
        return self.scope.joined("number", f"({text})", parts)

    @cached_property
    def _scores(self) -> list[Sql]:
        return [self._score(output) for output in range(len(self.tree.outputs))]

    def _contributions(self, output: int) -> list[tuple[str, Sql]]:
        name, scope = self.tree.outputs[output], self.scope
        score = self._scores[output]
        average = scope.number(self.tree.averages[output])
        found = [(f"{name}_average", average)]
        for at, column in enumerate(self.tree.columns):
            part = scope.bind(self._part(at, output, explained=True))
            found.append((f"{name}_from_{column.name}", part))
        if self.tree.offset is not None and self._offset is not None:
            mean = scope.dialect.literal(self.tree.offset.mean)
            own = scope.make("number", f"{{0}} - {mean}", self._offset)
            found.append((f"{name}_from_{self.tree.offset.name}", own))
        return [*found, (f"{name}_score", score)] if self.tree.shows_score else found

    def _predictions(self, target: Target) -> list[tuple[str, Sql]]:
        scores = [self._scores[output] for output in target.outputs]
        name = f"{target.name}_prediction"
        if len(target.outputs) > 1:
            shares = self._softmax(scores)
            return [(name, self._likeliest(target, shares)), *self._named(target, shares)]
        if target.link == "logit":
            second = self._expit(scores[0])
            if not target.classes:
                return [(name, second)]
            one = self.scope.dialect.literal(1.0)
            first = self.scope.atom(self.scope.make("number", f"({one} - {{0}})", second))
            shares = [first, second]
            return [(name, self._likeliest(target, shares)), *self._named(target, shares)]
        made = scores[0]
        if target.link == "log":
            made = self.scope.bind(clamped_exp(self.scope, scores[0]))
        found = [(name, made)]
        if target.inverse is not None:
            found.append((f"{target.inverse.column}_prediction", self._inverse(target, made)))
        return found

    @staticmethod
    def _named(target: Target, shares: Sequence[Sql]) -> list[tuple[str, Sql]]:
        pairs = zip(target.classes, shares, strict=True)
        return [(f"{target.name}_probability_{one}", share) for one, share in pairs]

    def _expit(self, score: Sql) -> Sql:
        """1 / (1 + exp(-s)) in two branches, of which neither overflows."""
        d = self.scope.dialect
        small = self.scope.bind(
            clamped_exp(self.scope, self.scope.make("number", f"(- {d.call('abs', '{0}')})", score))
        )
        one, zero = d.literal(1.0), d.literal(0.0)
        whole = f"({one} + {{1}})"
        text = f"CASE WHEN {{0}} >= {zero} THEN {one} / {whole} ELSE {{1}} / {whole} END"
        return self.scope.bind(self.scope.make("number", text, score, small))

    def _softmax(self, scores: Sequence[Sql]) -> list[Sql]:
        """Shares of exp(score - the largest score)."""
        scope, most = self.scope, scores[0]
        for one in scores[1:]:
            text = f"CASE WHEN {one.text} > {most.text} THEN {one.text} ELSE {most.text} END"
            most = scope.bind(scope.joined("number", text, [one, most]))
        powers = [
            scope.bind(clamped_exp(scope, scope.make("number", "({0} - {1})", one, most)))
            for one in scores
        ]
        total = scope.bind(self._sum(powers))
        return [scope.bind(scope.make("number", "({0} / {1})", one, total)) for one in powers]

    def _likeliest(self, target: Target, shares: Sequence[Sql]) -> Sql:
        """The class with the largest share, the first of equal ones."""
        d, scope, most = self.scope.dialect, self.scope, shares[0]
        for one in shares[1:]:
            text = f"CASE WHEN {one.text} > {most.text} THEN {one.text} ELSE {most.text} END"
            most = scope.bind(scope.joined("number", text, [one, most]))
        most = scope.bind(scope.make("number", d.nan_to_null, most))  # of NaN none is likeliest
        cases = "".join(
            f" WHEN {share.text} = {most.text} THEN {d.string(name)}"
            for name, share in zip(target.classes, shares, strict=True)
        )
        return scope.bind(scope.joined("text", f"CASE{cases} END", [*shares, most]))

    def _inverse(self, target: Target, made: Sql) -> Sql:
        """The prediction in its column's own units."""
        assert target.inverse is not None
        for name, c in target.inverse.steps:
            made = self._step(name, c, self.scope.bind(made))
        return self.scope.bind(made)

    def _step(self, name: str, c: float, y: Sql) -> Sql:
        """The inverse of one operation, undefined as NULL."""
        scope, d = self.scope, self.scope.dialect
        constant, zero = d.literal(c), d.literal(0.0)
        templates = {
            "y - c": f"({{0}} - {constant})",
            "y + c": f"({{0}} + {constant})",
            "c - y": f"({constant} - {{0}})",
            "y / c": f"({{0}} / {constant})",
            "y * c": f"({{0}} * {constant})",
            "-y": "(- {0})",
            "log": f"CASE WHEN {{0}} > {zero} THEN {d.call('ln', '{0}')} END",
            "square": f"CASE WHEN {{0}} > {zero} THEN {{0}} * {{0}} ELSE {zero} * {{0}} END",
        }
        if name in templates:
            return scope.make("number", templates[name], y)
        if name in ("c ** y", "exp"):
            rate = scope.number(1.0 if name == "exp" else math.log(c))
            return clamped_exp(scope, scope.make("number", "({0} * {1})", rate, y))
        if name == "expm1":
            return self._expm1(y)
        exponent = d.literal(1 / c)
        root = d.call("power", d.call("abs", "{0}"), exponent)
        if name == "odd root":
            return scope.make("number", f"CASE WHEN {{0}} < {zero} THEN -{root} ELSE {root} END", y)
        assert name == "root", name
        made = f"CASE WHEN {{0}} > {zero} THEN {root} ELSE {zero} * {{0}} END"
        return scope.make("number", made, y)

    def _expm1(self, y: Sql) -> Sql:
        """exp(y) - 1 by Kahan's formula, which keeps the digits of small ones."""
        scope, d = self.scope, self.scope.dialect
        u = scope.bind(clamped_exp(scope, y))
        one, zero, most = (d.literal(value) for value in (1.0, 0.0, 1e300))
        text = (
            f"CASE WHEN {{1}} = {one} THEN {{0}} WHEN {{1}} > {most} THEN {{1}} "
            f"WHEN {{1}} <= {d.literal(1e-300)} THEN {zero} - {one} "
            f"ELSE ({{1}} - {one}) * {{0}} / {d.call('ln', '{1}')} END"
        )
        return scope.make("number", text, y, u)


def alphabet_of(tree: Tree) -> frozenset[str]:
    """The letters of all levels and texts that a model compares values with."""
    letters: set[str] = set()
    for term in tree.terms:
        if isinstance(term, Category):
            letters |= {letter for level in term.levels for letter in level}
        for node in walk(term.value):
            if isinstance(node, Literal) and isinstance(node.value, str):
                letters |= set(node.value)
    return frozenset(letters)
