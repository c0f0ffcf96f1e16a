"""The sums of a model's rows, which rows that are learnt one by one join in batches."""

from typing import Any, Protocol, Self

# So many rows wait to join: reading ten thousand takes no longer than learning a thousand.
BATCH = 10_000


class GrowingSums(Protocol):
    """Sums that a table's rows can join."""

    def joined(self, table: Any) -> Self: ...


class OnlineSums:
    """Sums that single rows join, too: the first at once, so that a column it lacks is told."""

    def __init__(self, sums: GrowingSums) -> None:
        self._sums, self._waiting = sums, list[dict[str, Any]]()
        self._room = 1

    def add(self, rows: Any) -> None:
        """Have a row (a dict) or a table's rows join.

        Errors:  TableError and its kinds
        """
        if rows.__class__ is not dict or any(
            hasattr(cell, "__len__") and not isinstance(cell, str) for cell in rows.values()
        ):
            self._sums = self._sums.joined(rows)
            return
        self._waiting.append(rows)
        if len(self._waiting) >= self._room:
            self.sums  # noqa: B018 - those that wait join
            self._room = BATCH

    @property
    def sums(self) -> GrowingSums:
        """The sums of all rows so far."""
        if self._waiting:
            self._sums, self._waiting = self._sums.joined(self._waiting), []
        return self._sums
