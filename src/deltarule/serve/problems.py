"""Problem details (RFC 9457): what was wrong with a request: the field, the row, the nearest name.

Nothing of the server is told: no path, no traceback, no value of another request.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json

from deltarule.errors import DeltaruleError

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:deltarule:problem:"
MOST_NEAREST = 3
LONGEST_DETAIL = 500
# Names further apart than this are no misspelling of each other.
CUTOFF = 0.5
# What messages say to do at the command line, which a request cannot.
COMMAND_LINE = ", or say --read dates=dmy or dates=mdy"
# Comparing names takes 10 us a pair.
MOST_COMPARED = 2_000
COLUMN, ROW = re.compile(r"column '((?:[^']|'(?!,|:))*)'"), re.compile(r"\brow ([\d,]+)")


class ProblemError(Exception):
    """A request that cannot be answered: the problem's kind, its status and its details."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        field: str | None = None,
        row: int | None = None,
        nearest: Sequence[str] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.field, self.row, self.nearest = field, row, tuple(nearest)
        self.headers = tuple(headers)

    def to_dict(self) -> dict[str, Any]:
        """The members of the problem; `row` counts from 1."""
        members: dict[str, Any] = {
            "type": TYPES + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail[:LONGEST_DETAIL],
        }
        if self.field is not None:
            members["field"] = self.field
        if self.row is not None:
            members["row"] = self.row
        if self.nearest:
            members["nearest"] = list(self.nearest)
        return members

    def to_json(self) -> bytes:
        """The same as JSON."""
        return to_json(self.to_dict())


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are most like this one, those that differ by case only first."""
    names = list(known)[:MOST_COMPARED]
    same = [one for one in names if one.casefold() == name.casefold()]
    # Each comparison takes as long as both names.
    near = get_close_matches(name[:100], names, n=MOST_NEAREST, cutoff=CUTOFF)
    return list(dict.fromkeys([*same, *near]))[:MOST_NEAREST]


def hint(found: Sequence[str]) -> str:
    """The nearest names as a question, after a message."""
    return f": did you mean {' or '.join(repr(one) for one in found)}?" if found else ""


def of_error(error: DeltaruleError) -> ProblemError:
    """The problem of rows that a model refuses, with the column and row that its message names."""
    message = str(error).removeprefix("the table, ").replace(COMMAND_LINE, "")
    column, row = COLUMN.search(message), ROW.search(message)
    return ProblemError(
        422,
        "refused",
        message,
        field=column[1] if column else None,
        row=int(row[1].replace(",", "")) if row else None,
    )
