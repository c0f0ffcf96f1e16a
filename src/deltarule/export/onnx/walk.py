"""A model's graph: cells, terms, parts of scores, predictions, probabilities, contributions.

Shapes: n rows, k outputs; scores and parts are (n, k).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from deltarule.errors import ExpressionError
from deltarule.export.level_keys import numeric_keys
from deltarule.export.onnx.functions import applied, expm1, one_of
from deltarule.export.onnx.graph import Graph, Tensor, stacked
from deltarule.scorer.patterns import WHITE
from deltarule.scorer.runtime.clock import DAY
from deltarule.scorer.tree import Apply, Category, Literal, Node, Number, Read, Target, Tree, Vector
from deltarule.tables.dates import microseconds_of, moments_of

NAN = math.nan
SAYS = {
    "number": "a number; NaN where missing",
    "boolean": "1 for yes, 0 for no; NaN where missing",
    "text": 'text; "" where missing',
    "date": "seconds since 1970-01-01 (Unix time) of a date; NaN where missing",
    "datetime": "seconds since 1970-01-01 (Unix time), the clock as written; NaN where missing",
    "time": "seconds since midnight; NaN where missing",
}


@dataclass
class Walk:
    """Builds the graph of a model."""

    graph: Graph
    tree: Tree
    results: dict[str, Tensor] = field(default_factory=dict)
    """By name; of two of one name the last counts, where the first stands."""

    def write(self, *, explain: bool) -> None:
        """Give the graph its inputs and outputs."""
        for target in self.tree.targets:
            if explain:
                for output in target.outputs:
                    self._contributions(output)
            self._predictions(target)
        for name, result in self.results.items():
            self.graph.output(name, result)

    # Nodes

    @cached_property
    def _cells(self) -> dict[str, Tensor]:
        return {name: self._cell(read) for name, read in self.tree.reads.items()}

    def _cell(self, read: Read) -> Tensor:
        """The value of an input; words for missing count as missing."""
        if read.kind not in SAYS:
            raise ExpressionError(f"'{read.column}' is a {read.kind}: give its days as a number")
        cell = self.graph.input(read.column, read.kind, SAYS[read.kind])
        if read.kind == "text":
            blank = self.graph.node("RegexFullMatch", cell, kind="mask", pattern=f"[{WHITE}]+")
            cell = self.graph.where(blank, "", cell)
            for word in self.tree.missing_words:
                cell = self.graph.where(cell.equals(word), "", cell)
            return cell
        gaps: list[float] = []
        if read.kind in ("date", "datetime"):
            unit = DAY if read.kind == "date" else 1
            gaps = [float(at // unit) for at in moments_of(self.tree.missing_words)]
        elif read.kind == "number":
            spelled = [_number(word) for word in self.tree.missing_words]
            gaps = [number for number in spelled if number is not None]
        if read.kind in ("datetime", "time"):
            cell = self.graph.node("Round", cell * 1e6)
        elif read.kind == "date":
            cell = (cell / 86_400.0).floor
        for gap in gaps:
            cell = self.graph.where(cell.equals(gap), NAN, cell)
        return cell

    def value(self, node: Node) -> Tensor:
        """A node's value."""
        if isinstance(node, Read):
            return self._cells[node.column]
        if isinstance(node, Literal):
            return self._literal(node)
        return applied(self.graph, node, [self.value(one) for one in node.arguments])

    def _literal(self, node: Literal) -> Tensor:
        value = node.value
        if value is None:
            return self.graph.constant("" if node.kind == "text" else NAN)
        if isinstance(value, str):
            return self.graph.constant(value)
        if isinstance(value, float | int):
            return self.graph.constant(float(value))
        if isinstance(value, datetime):
            return self.graph.constant(float(microseconds_of(value)))
        return self.graph.constant(float(value.toordinal() - 719163))

    # Parts of scores

    @cached_property
    def _values(self) -> list[Tensor]:
        """Each column's value: a number, or what levels are looked up by."""
        found = []
        for column in self.tree.columns:
            keys = numeric_keys(column) if isinstance(column, Category) else None
            value = self.value(column.value if keys is None else keys.value)
            found.append(value)
        return found

    def _part(self, column: Number | Category, value: Tensor, *, explained: bool) -> Tensor:
        """What a column adds to the scores, or contributes to them, (n, k)."""
        if isinstance(column, Category):
            return self._category(column, value, explained=explained)
        gap = value.missing
        filled = self.graph.where(gap, column.fill, value)
        # An infinite value has no prediction: of a finite one this difference is 0.
        filled = filled + (filled - filled)
        centre = column.mean if explained else column.centre
        away = filled - centre if centre else filled
        made = away.column * self._row(column.weights)
        if column.missing:
            base = column.base if explained else (0.0,) * len(column.missing)
            made = made + self.graph.where(
                gap.column,
                self._row(_less(column.missing, base)),
                self._row(_less((0.0,) * len(base), base)),
            )
        return made

    def _row(self, vector: Vector) -> Tensor:
        return self.graph.constant(np.array([vector]))

    def _category(self, column: Category, value: Tensor, *, explained: bool) -> Tensor:
        # A column's own blank cells are missing, whatever an older model has learnt of them.
        if "" in column.levels and not _is_cell(column.value):
            raise ExpressionError(
                f"ONNX has no missing text but the empty one, which is a level of {column.name!r}: "
                "give that level a name in the table"
            )
        base = column.base if explained else (0.0,) * len(column.base)
        levels = [_less(one, base) for one in column.levels.values()]
        missing, other = _less(column.missing, base), _less(column.other, base)
        keys = numeric_keys(column)
        if keys is not None:
            numbers = [NAN if one is None else one for one in keys.numbers.values()]
            same = value.column.equals(self.graph.constant(np.array([numbers])))
            flags = self.graph.value_of(same)
            chosen = self.graph.node("MatMul", flags, self.graph.constant(np.array(levels)))
            ones = self.graph.constant(np.ones((len(levels), 1)))
            known = self.graph.node("MatMul", flags, ones) > 0.0
            made = self.graph.where(known, chosen, self._row(other))
            return self.graph.where(value.missing.column, self._row(missing), made)
        places = {level: at for at, level in enumerate(column.levels)}
        unseen = len(levels) + 1
        place = self.graph.lookup(value, {**places, "": len(levels)}, unseen)
        for level in dict.fromkeys(column.spellings.values()):
            spelled = [word for word, of in column.spellings.items() if of == level]
            found = one_of(self.graph, value, spelled) & place.equals(unseen)
            place = self.graph.where(found, self.graph.constant(places[level]), place)
        table = self.graph.constant(np.array([*levels, missing, other]))
        return self.graph.node("Gather", table, place, axis=0)

    @cached_property
    def _offset(self) -> Tensor | None:
        if self.tree.offset is None:
            return None
        value = self.value(self.tree.offset.value)
        return value + (value - value)

    @cached_property
    def _scores(self) -> Tensor:
        scores = self._row(self.tree.starts)
        for column, value in zip(self.tree.columns, self._values, strict=True):
            scores = scores + self._part(column, value, explained=False)
        return scores if self._offset is None else scores + self._offset.column

    @cached_property
    def _parts(self) -> list[Tensor]:
        pairs = zip(self.tree.columns, self._values, strict=True)
        return [self._part(column, value, explained=True) for column, value in pairs]

    # Results

    def _contributions(self, output: int) -> None:
        name, graph = self.tree.outputs[output], self.graph
        score = self._scores.at(output)
        average = graph.constant(self.tree.averages[output])
        self.results[f"{name}_average"] = graph.where(score.missing, average, average)
        for column, part in zip(self.tree.columns, self._parts, strict=True):
            self.results[f"{name}_from_{column.name}"] = part.at(output)
        if self.tree.offset is not None and self._offset is not None:
            own = self._offset - self.tree.offset.mean
            self.results[f"{name}_from_{self.tree.offset.name}"] = own
        if self.tree.shows_score:
            self.results[f"{name}_score"] = score

    def _predictions(self, target: Target) -> None:
        name, graph = f"{target.name}_prediction", self.graph
        scores = [self._scores.at(output) for output in target.outputs]
        if len(scores) > 1:
            self._classes(target, self._shares(scores))
            return
        made = scores[0]
        if target.link == "logit":
            made = self._expit(made)
        elif target.link == "log":
            made = graph.node("Exp", made)
        if target.classes:
            self._classes(target, stacked([1.0 - made, made]))
            return
        self.results[name] = made
        if target.inverse is not None:
            for step, c in target.inverse.steps:
                made = self._undone(step, c, made)
            self.results[f"{target.inverse.column}_prediction"] = made

    def _expit(self, score: Tensor) -> Tensor:
        """1 / (1 + exp(-s)) in two branches, of which neither overflows."""
        small = self.graph.node("Exp", -self.graph.node("Abs", score))
        whole = small + 1.0
        return self.graph.where(score >= 0.0, 1.0 / whole, small / whole)

    def _shares(self, scores: Sequence[Tensor]) -> Tensor:
        """Softmax (n, c) of the scores of classes."""
        matrix, axis = stacked(scores), self.graph.constant(np.array([1]))
        most = self.graph.node("ReduceMax", matrix, axis)
        powers = self.graph.node("Exp", matrix - most)
        return powers / self.graph.node("ReduceSum", powers, axis)

    def _classes(self, target: Target, shares: Tensor) -> None:
        """The likeliest class, and each class's probability."""
        graph = self.graph
        place = graph.node("ArgMax", shares, kind="index", axis=1, keepdims=0)
        names = graph.constant(np.array(target.classes, dtype=object))
        likeliest = graph.node("Gather", names, place, kind="text")
        likeliest = graph.where(shares.at(0).missing, "", likeliest)
        self.results[f"{target.name}_prediction"] = likeliest
        for at, one in enumerate(target.classes):
            self.results[f"{target.name}_probability_{one}"] = shares.at(at)

    def _undone(self, name: str, c: float, y: Tensor) -> Tensor:
        """The inverse of one operation."""
        graph = self.graph
        if name in ("odd root", "root"):
            size = graph.node("Pow", graph.node("Abs", y), graph.constant(1 / c))
            if name == "odd root":
                return graph.node("Sign", y) * size
            return graph.where(y < 0.0, 0.0, size)
        if name == "c ** y":
            return graph.node("Pow", graph.constant(c), y)
        if name == "log":
            return graph.where(y > 0.0, graph.node("Log", y), NAN)
        made = {
            "y - c": lambda: y - c,
            "y + c": lambda: y + c,
            "c - y": lambda: c - y,
            "y / c": lambda: y / c,
            "y * c": lambda: y * c,
            "-y": lambda: -y,
            "exp": lambda: graph.node("Exp", y),
            "expm1": lambda: expm1(graph, y),
            "square": lambda: graph.where(y < 0.0, 0.0, y * y),
        }
        return made[name]()


def _less(vector: Vector, base: Vector) -> Vector:
    return tuple(one - other for one, other in zip(vector, base, strict=True))


def _is_cell(node: Node) -> bool:
    """Whether a category's levels are a column's cells as they stand."""
    return isinstance(node, Read) or (
        isinstance(node, Apply) and node.name == "label" and isinstance(node.arguments[0], Read)
    )


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
