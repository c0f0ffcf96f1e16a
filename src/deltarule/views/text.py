"""Results as text: tables for the terminal, and the ledger of steps.

The ledger has a line for each step: what was predicted, delta, error, and for each weight its
weight_delta and what it became. Numbers are printed so that they read back to the last bit.
"""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from deltarule.rule.predict import Weights
from deltarule.rule.train import Step
from deltarule.summary import number

WEIGHTS_SHOWN = 4
"""More weights than this do not fit a screen's width; a file holds them all."""


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows under a head, numbers to the right; as wide as it must be, never cut."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for at, name in enumerate(head):
        right = bool(rows) and all(isinstance(row[at], int | float | None) for row in rows)
        made.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    console = Console(
        file=StringIO(),
        width=100_000,
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(made)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)


class Ledger:
    """The steps of a run as lines: one for each step."""

    def __init__(self, outputs: Sequence[str], inputs: Sequence[tuple[str, str | None]]) -> None:
        self.outputs = list(outputs)
        self.inputs = [column if level is None else f"{column}={level}" for column, level in inputs]

    def head(self, weights: Weights) -> list[str]:
        """The columns, for weights of this shape."""
        one = len(self.outputs) == 1
        at = [""] if one else [f"[{output}]" for output in self.outputs]
        names = ["step", *(f"prediction{o}" for o in at), *(f"delta{o}" for o in at), "error"]
        for name in self._weight_names(weights):
            names += [f"weight_delta{name}", f"weight{name}"]
        return names

    def _weight_names(self, weights: Weights) -> list[str]:
        single = sum(array.size for array in weights.values()) == 1
        if single:
            return [""]
        named = [*self.inputs, *(["intercept"] if "intercept" in weights else [])]
        if len(self.outputs) == 1:
            return [f"[{name}]" for name in named]
        return [f"[{name}, {output}]" for name in named for output in self.outputs]

    def row(self, step: Step) -> list[int | float]:
        """A step's numbers, in the order of `head`."""
        compared = step.comparison
        row: list[int | float] = [
            step.number,
            *compared.prediction.tolist(),
            *compared.delta.tolist(),
            step.error,
        ]
        for slope, weight in zip(
            self._flat(compared.weight_delta), self._flat(step.weights), strict=True
        ):
            row += [slope, weight]
        return row

    def _flat(self, weights: Weights) -> list[float]:
        parts = [weights["weight"].ravel(), weights.get("intercept", weights["weight"][:0, 0])]
        return [float(value) for part in parts for value in part.ravel()]

    def start(self, weights: Weights) -> str:
        """Where the weights start, in words."""
        names = self._weight_names(weights)[:WEIGHTS_SHOWN]
        values = self._flat(weights)
        return "start " + ", ".join(
            f"weight{name} {value!r}" for name, value in zip(names, values, strict=False)
        )

    def lines(self, steps: Iterator[Step]) -> Iterator[str]:
        """Lines for a screen, one for each step as it comes."""
        width = 0
        cut = 0
        for step in steps:
            if step.number == 1:
                head = self.head(step.before)
                weights = (len(head) - 2 - 2 * len(self.outputs)) // 2
                cut = len(head) - 2 * max(weights - WEIGHTS_SHOWN, 0)
                width = max(22, *(len(name) for name in head[:cut]))
                yield self.start(step.before)
                yield f"{head[0]:>6}  " + "  ".join(f"{name:>{width}}" for name in head[1:cut])
            row = self.row(step)[:cut]
            yield f"{row[0]:>6}  " + "  ".join(f"{value!r:>{width}}" for value in row[1:])

    def write(self, steps: Iterator[Step], to: IO[str]) -> None:
        """All of it as CSV."""
        writer = csv.writer(to)
        for step in steps:
            if step.number == 1:
                writer.writerow(self.head(step.before))
            writer.writerow([repr(value) for value in self.row(step)])
