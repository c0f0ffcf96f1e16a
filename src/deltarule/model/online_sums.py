"""The sums of a model's rows, which rows that are learnt one by one join in batches."""

from typing import Any, Protocol, Self

from deltarule.errors import ValueRefusedError

# So many rows wait to join: reading ten thousand takes no longer than learning a thousand.
BATCH = 10_000


class GrowingSums(Protocol):
    """Sums that a table's rows can join."""

    def joined(self, table: Any) -> Self: ...


class OnlineSums:
    """Sums that single rows join, too.

    A row that has what no row before it had, such as a number for text, joins at once: it is
    refused then, not with those that wait.
    """

    def __init__(self, sums: GrowingSums) -> None:
        self._sums, self._waiting = sums, list[dict[str, Any]]()
        self._known = dict[str, type]()

    def add(self, rows: Any) -> None:
        """Have a row (a dict) or a table's rows join.

        Errors:  TableError and its kinds
        """
        if rows.__class__ is not dict or any(
            hasattr(cell, "__len__") and not isinstance(cell, str) for cell in rows.values()
        ):
            self._sums = self.sums.joined(rows)
            return
        kinds = {name: _kind(name, cell) for name, cell in rows.items() if cell is not None}
        if any(self._known.get(name) is not kind for name, kind in kinds.items()):
            self._sums = self.sums.joined([rows])
            self._known = {**kinds, **self._known}
            return
        if len(self._waiting) >= BATCH:
            self.sums  # noqa: B018 - those that wait join
        self._waiting.append(rows)

    @property
    def sums(self) -> GrowingSums:
        """The sums of all rows so far."""
        if self._waiting:
            self._sums, self._waiting = self._sums.joined(self._waiting), []
        return self._sums


def _kind(name: str, cell: Any) -> type:
    """The type of a cell; whole numbers may stand among others.

    Errors:  ValueRefusedError for text that is none
    """
    if cell.__class__ is str and not cell.isascii():
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise ValueRefusedError(
                f"column '{name}' has characters that are no text: mend or remove that row"
            ) from None
    return float if cell.__class__ is int else cell.__class__
