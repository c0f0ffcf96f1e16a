"""Layers: a query written as named steps, each a SELECT from the one before it.

Nested brackets would go deeper than SQLite's parser does, and an expression that is named twice in
the next step would be written out twice. A fence keeps a planner from doing the same: what ends a
step, or a table of one row that begins with a comma and that the step's rows are joined with.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Layers:
    """The steps so far, and the name of the last."""

    steps: tuple[str, ...]

    @classmethod
    def of(cls, query: str) -> "Layers":
        """The first step."""
        return cls((query,))

    @property
    def last(self) -> str:
        """The name of the last step."""
        return f"s{len(self.steps)}"

    def then(
        self, columns: Sequence[str], *, where: str = "", join: str = "", fence: str = ""
    ) -> "Layers":
        """These columns of the last step's rows, or of those that meet a condition."""
        return Layers((*self.steps, self._select(columns, where, join, fence)))

    def _select(self, columns: Sequence[str], where: str, join: str, fence: str) -> str:
        joined = fence.startswith(",")
        text = f"SELECT {', '.join(columns)} FROM {self.last}"
        text += f" {join}" if join else ""
        text += fence if joined else ""
        text += f" WHERE {where}" if where else ""
        return f"{text} {fence}" if fence and not joined else text

    def query(self, columns: Sequence[str], *, group: Sequence[str] = (), where: str = "") -> str:
        """The whole query, of these columns."""
        named = [f"s{at} AS ({text})" for at, text in enumerate(self.steps, 1)]
        text = self._select(columns, where, "", "")
        grouped = f" GROUP BY {', '.join(group)}" if group else ""
        return f"WITH {', '.join(named)} {text}{grouped}"
