"""The tree as Python source: a walk that prints its program and its sums.

All that comes from a model stands in the source as a literal: numbers and texts by `repr` of values
that are float, str or bool, and names nowhere else. Nothing of it is a name, a comment or code.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deltarule.errors import ExpressionError
from deltarule.scorer.program import Argument, Line, Name, Program
from deltarule.scorer.tree import Category, Number, Offset, Target, Tree


def literal(value: object) -> str:
    """A checked value as Python writes it.

    Errors:  ExpressionError for anything but finite numbers, texts, yes and no, and tuples of them
    """
    if value is None or type(value) in (str, bool, int):
        return ascii(value)
    if type(value) is float and math.isfinite(value):
        return repr(value)
    if type(value) is tuple:
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if type(value) is dict:
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    raise ExpressionError(f"a {type(value).__name__} that is no finite number is in the model")


@dataclass
class PythonSource:
    """The source of functions that score a row, the constants and the runtime functions it needs.

    inputs(row, drift)            the value of each term; drift gets (kind, column) pairs
    predictions(inputs)           a dict, as `model.predict` gives
    explained(inputs)             a dict, as `model.explain` gives
    """

    tree: Tree
    constants: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """The three functions."""
        parts = (self._inputs(), self._predictions(), self._explained())
        return "\n\n\n".join("\n".join(part) for part in parts) + "\n"

    def _constant(self, name: str, value: object) -> str:
        literal(value)
        self.constants[name] = value
        return name

    def _call(self, function: str, *arguments: str) -> str:
        self.used.add(function)
        return f"{function}({', '.join(arguments)})"

    # The value of each term

    def _inputs(self) -> Iterator[str]:
        program = Program(self.tree)
        values = program.values
        yield "def inputs(row, drift):"
        for line in program.lines:
            yield from self._line(line)
        names = []
        for at, (term, value) in enumerate(zip(self.tree.terms, values, strict=True)):
            names.append(f"x{at}")
            yield f"    x{at} = {_argument(value)}"
            yield from self._term(term, at)
        yield f"    return {_tuple(names)}"

    def _line(self, line: Line) -> Iterator[str]:
        arguments = [_argument(one) for one in line.arguments]
        if line.function == "cell":
            yield f"    {line.name} = row[{arguments[0]}]"
        elif line.function == "read_number":
            # Most cells are numbers already; a call takes as long as all else of a column.
            cell = arguments[0]
            yield f"    {line.name} = {cell}"
            yield f"    if {cell}.__class__ is not float or {cell} != {cell}:"
            yield f"        {line.name} = {self._call('read_number', *arguments)}"
        else:
            yield f"    {line.name} = {self._call(line.function, *arguments)}"

    def _term(self, term: Number | Category | Offset, at: int) -> Iterator[str]:
        x, name = f"x{at}", literal(term.name)
        yield f"    if {x} is None:"
        yield f"        drift.append(('missing', {name}))"
        if isinstance(term, Category):
            missing = self._constant(f"MISSING_{at}", term.missing)
            levels = self._constant(f"LEVELS_{at}", term.levels)
            yield f"        {x} = {missing}"
            yield "    else:"
            yield f"        level = {levels}.get({x})"
            if term.spellings:
                own = self._constant(f"SPELLINGS_{at}", term.spellings)
                yield "        if level is None:"
                yield f"            level = {levels}.get({self._call('spelled', x, own)})"
            yield "        if level is None:"
            yield f"            drift.append(('unseen', {name}))"
            yield f"            level = {self._constant(f'OTHER_{at}', term.other)}"
            yield f"        {x} = level"
            return
        yield f"    elif not {literal(term.low)} <= {x} <= {literal(term.high)}:"
        yield f"        {self._call('finite', x, name)}"
        yield f"        drift.append(('outside', {name}))"

    def _unpacked(self) -> Iterator[str]:
        names = [f"x{at}" for at in range(len(self.tree.terms))]
        yield f"    {_tuple(names)} = inputs"

    # Sums

    def _scores(self) -> Iterator[str]:
        for k, start in enumerate(self.tree.starts):
            yield f"    s{k} = {literal(start)}"
            for at, term in enumerate(self.tree.columns):
                yield f"    s{k} += {_part(term, at, k)}"
        if self.tree.offset is not None:
            x = f"x{len(self.tree.columns)}"
            for k in range(len(self.tree.starts)):
                yield f"    s{k} = None if {x} is None else s{k} + {x}"

    def _predictions(self) -> Iterator[str]:
        yield "def predictions(inputs):"
        yield from self._unpacked()
        yield from self._scores()
        for at, target in enumerate(self.tree.targets):
            yield from self._prediction(at, target)
        yield "    return {"
        for at, target in enumerate(self.tree.targets):
            yield from self._named(at, target)
        yield "    }"

    def _prediction(self, at: int, target: Target) -> Iterator[str]:
        """Lines that make p of a target: its prediction, or the probability of each class."""
        first = f"s{target.outputs[0]}"
        made = {
            "identity": first,
            "log": f"exponential({first})",
            "logit": f"logistic({first})",
            "softmax": f"shares([{', '.join(f's{k}' for k in target.outputs)}])",
        }[target.link]
        self.used |= {made.partition("(")[0]} - {first}
        if self.tree.offset is not None:
            made = f"None if {first} is None else {made}"
        yield f"    p{at} = {made}"
        if len(target.classes) == 2:
            yield f"    p{at} = {f'p{at} and ' if self.tree.offset else ''}[1 - p{at}, p{at}]"

    def _named(self, at: int, target: Target) -> Iterator[str]:
        p, name = f"p{at}", target.name
        gone = "" if self.tree.offset is None else f"None if {p} is None else "
        if target.classes:
            classes = self._constant(f"CLASSES_{at}", target.classes)
            likeliest = self._call("likeliest", classes, p)
            yield f"        {literal(f'{name}_prediction')}: {gone}{likeliest},"
            for k, one in enumerate(target.classes):
                yield f"        {literal(f'{name}_probability_{one}')}: {gone}{p}[{k}],"
            return
        yield f"        {literal(f'{name}_prediction')}: {p},"
        if target.inverse is not None:
            steps = self._constant(f"STEPS_{at}", target.inverse.steps)
            own = literal(f"{target.inverse.column}_prediction")
            yield f"        {own}: {gone}{self._call('undone', p, steps)},"

    def _explained(self) -> Iterator[str]:
        yield "def explained(inputs):"
        yield from self._unpacked()
        yield from self._scores()
        for at, target in enumerate(self.tree.targets):
            yield from self._prediction(at, target)
        yield "    return {"
        for at, target in enumerate(self.tree.targets):
            for k in target.outputs:
                yield from self._contributions(k)
            yield from self._named(at, target)
        yield "    }"

    def _contributions(self, k: int) -> Iterator[str]:
        tree, output = self.tree, self.tree.outputs[k]
        yield f"        {literal(f'{output}_average')}: {literal(tree.averages[k])},"
        for at, term in enumerate(tree.columns):
            yield f"        {literal(f'{output}_from_{term.name}')}: {_contribution(term, at, k)},"
        if tree.offset is not None:
            x, mean = f"x{len(tree.columns)}", literal(tree.offset.mean)
            own = literal(f"{output}_from_{tree.offset.name}")
            yield f"        {own}: None if {x} is None else {x} - {mean},"
        if tree.shows_score:
            yield f"        {literal(f'{output}_score')}: s{k},"


def _tuple(names: list[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def _argument(one: Argument) -> str:
    return one.name if isinstance(one, Name) else literal(one)


def _part(term: Number | Category, at: int, k: int) -> str:
    """What a term adds to score k."""
    x = f"x{at}"
    if isinstance(term, Category):
        return f"{x}[{k}]"
    weight, centre = term.weights[k], term.centre
    filled = (term.fill - centre) * weight + (term.missing[k] if term.missing else 0.0)
    moved = f"({x} - {literal(centre)})" if centre else x
    return f"{literal(filled)} if {x} is None else {moved} * {literal(weight)}"


def _contribution(term: Number | Category, at: int, k: int) -> str:
    """What a term adds to score k beyond the average row."""
    x, base = f"x{at}", term.base[k] if term.base else 0.0
    if isinstance(term, Category):
        return f"{x}[{k}] - {literal(base)}"
    weight = term.weights[k]
    filled = (term.fill - term.mean) * weight + (term.missing[k] if term.missing else 0.0) - base
    there = f"({x} - {literal(term.mean)}) * {literal(weight)}"
    return f"{literal(filled)} if {x} is None else {there}{f' - {literal(base)}' if base else ''}"
