"""The walk that prints a tree as functions of a row, in the syntax of a language.

All that comes from a model is printed as a literal: numbers, texts, and names nowhere else. Nothing
of it becomes a name, a comment or code.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from deltarule.dataclass import dataclass
from deltarule.losses.loss import LinkName
from deltarule.scorer.program import Argument, Line, Name, Program
from deltarule.scorer.tree import Category, Number, Offset, Target, Tree

Lines = Sequence[str]

INVERSE_LINKS: Mapping[LinkName, str] = {
    "identity": "",
    "log": "exponential",
    "logit": "logistic",
    "softmax": "shares",
}
"""The runtime's function from a score to a prediction; that of classes takes all their scores."""


class Syntax(Protocol):
    """How a language writes what the walk needs."""

    def literal(self, value: object) -> str:
        """A checked value.

        Errors:  ExpressionError for anything but finite numbers, texts, yes and no, or several
        """
        ...

    def called(self, function: str) -> str:
        """What a function of the runtime is called."""
        ...

    def cell(self, column: str) -> str: ...
    def is_missing(self, x: str) -> str: ...
    def is_outside(self, x: str, low: str, high: str) -> str: ...
    def choice(self, x: str, gone: str, there: str) -> str:
        """One of two values, by whether x is missing."""
        ...

    def level(self, levels: str, x: str) -> str:
        """The level of a text, missing where it is none."""
        ...

    def first(self, name: str, value: str) -> str:
        """The line that gives a name its first value."""
        ...

    def again(self, name: str, value: str) -> str: ...
    def do(self, call: str) -> str: ...
    def note(self, kind: str, column: str) -> str:
        """The line that notes drift."""
        ...

    def branches(self, *branches: tuple[str, Lines]) -> Lines:
        """If, else if, and an else for a condition that is empty."""
        ...

    def function(self, name: str, parameters: str, lines: Lines) -> Lines: ...
    def pack(self, names: Lines) -> str:
        """The line that returns several values."""
        ...

    def unpack(self, names: Lines, value: str) -> str: ...
    def returned(self, pairs: Sequence[tuple[str, str]]) -> Lines:
        """The lines that return values by name."""
        ...

    def fast(self, name: str, cell: str, call: str) -> Lines:
        """The lines that call a function for a cell that is no number already."""
        ...


@dataclass
class Source:
    """The source of functions that score a row, and the constants and functions that it needs.

    inputs(row, drift)            the value of each term; drift gets (kind, column) pairs
    predictions(inputs)           values by name, as `model.predict` gives
    explained(inputs)             values by name, as `model.explain` gives
    """

    tree: Tree
    syntax: Syntax
    constants: dict[str, object] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """The three functions."""
        write = self.syntax.function
        parts = (
            write("inputs", "row, drift", list(self._inputs())),
            write("predictions", "inputs", list(self._sums(explain=False))),
            write("explained", "inputs", list(self._sums(explain=True))),
        )
        return "\n\n\n".join("\n".join(part) for part in parts) + "\n"

    def _constant(self, name: str, value: object) -> str:
        self.syntax.literal(value)
        self.constants[name] = value
        return name

    def _call(self, function: str, *arguments: str) -> str:
        self.used.add(function)
        return f"{self.syntax.called(function)}({', '.join(arguments)})"

    def _argument(self, one: Argument) -> str:
        return one.name if isinstance(one, Name) else self.syntax.literal(one)

    # The value of each term

    def _inputs(self) -> Iterator[str]:
        program = Program(self.tree)
        values = program.values
        for line in program.lines:
            yield from self._line(line)
        for at, (term, value) in enumerate(zip(self.tree.terms, values, strict=True)):
            yield self.syntax.first(f"x{at}", self._argument(value))
            yield from self._term(term, at)
        yield self.syntax.pack(self._names)

    @property
    def _names(self) -> list[str]:
        return [f"x{at}" for at in range(len(self.tree.terms))]

    def _line(self, line: Line) -> Lines:
        write = self.syntax
        if line.function == "cell":
            return [write.first(line.name, write.cell(str(line.arguments[0])))]
        arguments = [self._argument(one) for one in line.arguments]
        call = self._call(line.function, *arguments)
        if line.function == "read_number":
            return write.fast(line.name, arguments[0], call)
        return [write.first(line.name, call)]

    def _term(self, term: Number | Category | Offset, at: int) -> Lines:
        write, x = self.syntax, f"x{at}"
        gone = [write.note("missing", term.name)]
        if isinstance(term, Category):
            return self._category(term, at)
        low, high = write.literal(term.low), write.literal(term.high)
        finite = write.do(self._call("finite", x, write.literal(term.name)))
        return write.branches(
            (write.is_missing(x), gone),
            (write.is_outside(x, low, high), [finite, write.note("outside", term.name)]),
        )

    def _category(self, term: Category, at: int) -> Lines:
        write, x, own = self.syntax, f"x{at}", f"l{at}"
        levels = self._constant(f"LEVELS_{at}", term.levels)
        other = self._constant(f"OTHER_{at}", term.other)
        missing = self._constant(f"MISSING_{at}", term.missing)
        there = [write.first(own, write.level(levels, x))]
        if term.spellings:
            words = self._constant(f"SPELLINGS_{at}", term.spellings)
            found = write.level(levels, self._call("spelled", x, words))
            there += write.branches((write.is_missing(own), [write.again(own, found)]))
        unseen = [write.note("unseen", term.name), write.again(own, other)]
        there += write.branches((write.is_missing(own), unseen))
        return write.branches(
            (write.is_missing(x), [write.note("missing", term.name), write.again(x, missing)]),
            ("", [*there, write.again(x, own)]),
        )

    # Sums

    def _sums(self, *, explain: bool) -> Iterator[str]:
        write, tree = self.syntax, self.tree
        yield write.unpack(self._names, "inputs")
        for k, start in enumerate(tree.starts):
            yield write.first(f"s{k}", write.literal(start))
            for at, term in enumerate(tree.columns):
                yield write.again(f"s{k}", f"s{k} + {self._part(term, at, k)}")
        if tree.offset is not None:
            x = f"x{len(tree.columns)}"
            for k in range(len(tree.starts)):
                yield write.again(f"s{k}", write.choice(x, x, f"s{k} + {x}"))
        for at, target in enumerate(tree.targets):
            yield write.first(f"p{at}", self._prediction(target))
        pairs: list[tuple[str, str]] = []
        for at, target in enumerate(tree.targets):
            if explain:
                pairs += [pair for k in target.outputs for pair in self._contributions(k)]
            pairs += self._named(at, target)
        yield from write.returned(pairs)

    def _part(self, term: Number | Category, at: int, k: int) -> str:
        """What a term adds to score k."""
        x, literal = f"x{at}", self.syntax.literal
        if isinstance(term, Category):
            return f"{x}[{k}]"
        weight, centre = term.weights[k], term.centre
        filled = (term.fill - centre) * weight + (term.missing[k] if term.missing else 0.0)
        moved = f"({x} - {literal(centre)})" if centre else x
        chosen = self.syntax.choice(x, literal(filled), f"{moved} * {literal(weight)}")
        return f"({chosen})"

    def _prediction(self, target: Target) -> str:
        """A target's prediction, or the probability of each of its classes."""
        first = f"s{target.outputs[0]}"
        function = INVERSE_LINKS[target.link]
        if len(target.outputs) > 1:
            made = self._call(function, f"[{', '.join(f's{k}' for k in target.outputs)}]")
        elif target.classes:
            made = self._call("both_classes", first)
        else:
            made = self._call(function, first) if function else first
        return self._unless_gone(made)

    def _unless_gone(self, made: str) -> str:
        """A value, missing where the row has no offset."""
        if self.tree.offset is None:
            return made
        x = f"x{len(self.tree.columns)}"
        return self.syntax.choice(x, x, made)

    def _named(self, at: int, target: Target) -> Iterator[tuple[str, str]]:
        p, name = f"p{at}", target.name
        if target.classes:
            classes = self._constant(f"CLASSES_{at}", target.classes)
            yield f"{name}_prediction", self._unless_gone(self._call("likeliest", classes, p))
            for k, one in enumerate(target.classes):
                yield f"{name}_probability_{one}", self._unless_gone(f"{p}[{k}]")
            return
        yield f"{name}_prediction", p
        if target.inverse is not None:
            steps = self._constant(f"STEPS_{at}", target.inverse.steps)
            undone = self._call("undone", p, steps)
            yield f"{target.inverse.column}_prediction", self._unless_gone(undone)

    def _contributions(self, k: int) -> Iterator[tuple[str, str]]:
        tree, output, literal = self.tree, self.tree.outputs[k], self.syntax.literal
        yield f"{output}_average", literal(tree.averages[k])
        for at, term in enumerate(tree.columns):
            yield f"{output}_from_{term.name}", self._contribution(term, at, k)
        if tree.offset is not None:
            x = f"x{len(tree.columns)}"
            moved = self._unless_gone(f"{x} - {literal(tree.offset.mean)}")
            yield f"{output}_from_{tree.offset.name}", moved
        if tree.shows_score:
            yield f"{output}_score", f"s{k}"

    def _contribution(self, term: Number | Category, at: int, k: int) -> str:
        """What a term adds to score k beyond the average row."""
        x, literal = f"x{at}", self.syntax.literal
        base = term.base[k] if term.base else 0.0
        if isinstance(term, Category):
            return f"{x}[{k}] - {literal(base)}"
        weight, missing = term.weights[k], term.missing[k] if term.missing else 0.0
        filled = (term.fill - term.mean) * weight + missing - base
        there = f"({x} - {literal(term.mean)}) * {literal(weight)}"
        there += f" - {literal(base)}" if base else ""
        return self.syntax.choice(x, literal(filled), there)
