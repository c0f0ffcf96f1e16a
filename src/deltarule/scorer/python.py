"""Python's syntax for the walk over a tree."""

import math
from collections.abc import Sequence

from deltarule.errors import ExpressionError
from deltarule.scorer.source import Lines


class PythonSyntax:
    """The walk's words in Python."""

    def literal(self, value: object) -> str:
        if value is None or type(value) in (str, bool, int):
            return ascii(value)
        if type(value) is float and math.isfinite(value):
            return repr(value)
        if type(value) is tuple:
            return f"({', '.join(map(self.literal, value))}{',' if len(value) == 1 else ''})"
        if type(value) is dict:
            pairs = (f"{self.literal(k)}: {self.literal(v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        raise ExpressionError(f"a {type(value).__name__} that is no finite number is in the model")

    def called(self, function: str) -> str:
        return function

    def cell(self, column: str) -> str:
        return f"row[{self.literal(column)}]"

    def is_missing(self, x: str) -> str:
        return f"{x} is None"

    def is_outside(self, x: str, low: str, high: str) -> str:
        return f"not {low} <= {x} <= {high}"

    def choice(self, x: str, gone: str, there: str) -> str:
        return f"{gone if gone != x else 'None'} if {x} is None else {there}"

    def level(self, levels: str, x: str) -> str:
        return f"{levels}.get({x})"

    def first(self, name: str, value: str) -> str:
        return f"{name} = {value}"

    def again(self, name: str, value: str) -> str:
        return f"{name} = {value}"

    def do(self, call: str) -> str:
        return call

    def note(self, kind: str, column: str) -> str:
        return f"drift.append(({self.literal(kind)}, {self.literal(column)}))"

    def branches(self, *branches: tuple[str, Lines]) -> list[str]:
        found = []
        for at, (condition, lines) in enumerate(branches):
            word = "if" if at == 0 else "elif"
            found.append(f"{word} {condition}:" if condition else "else:")
            found += [f"    {line}" for line in lines]
        return found

    def function(self, name: str, parameters: str, lines: Lines) -> list[str]:
        return [f"def {name}({parameters}):", *(f"    {line}" for line in lines)]

    def pack(self, names: Lines) -> str:
        return f"return {self._tuple(names)}"

    def unpack(self, names: Lines, value: str) -> str:
        return f"{self._tuple(names)} = {value}"

    def _tuple(self, names: Lines) -> str:
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"

    def returned(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        lines = [f"    {self.literal(name)}: {value}," for name, value in pairs]
        return ["return {", *lines, "}"]

    def fast(self, name: str, cell: str, call: str) -> list[str]:
        # A call takes as long as all else that is done with a column.
        return [
            f"{name} = {cell}",
            f"if {cell}.__class__ is not float or {cell} != {cell}:",
            f"    {name} = {call}",
        ]


PYTHON = PythonSyntax()
