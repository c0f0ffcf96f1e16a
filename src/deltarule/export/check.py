"""The check of an export: run it on sample rows beside the model, before anything is written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deltarule.errors import ExportError

TOLERANCE = 1e-9
"""The largest relative difference of a number from the model's own."""
# Numbers nearer to 0 than this share of the row's largest are what rounding leaves of a sum.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Check:
    """How an export compared with its model: on how many rows, and the largest difference."""

    rows: int
    largest: float
    ran: bool = True
    why_not: str = ""
    note: str = ""
    """What the form does not read that the model does, in words."""

    def __str__(self) -> str:
        return self._result() + (f"; {self.note}" if self.note else "")

    def _result(self) -> str:
        if not self.ran:
            return f"not checked: {self.why_not}"
        said = "exactly equal" if self.largest == 0 else f"largest difference {self.largest:.1e}"
        return f"checked on {self.rows} rows made from the model's ranges and levels: {said}"


def compare(
    found: Sequence[Mapping[str, Any]],
    wanted: Sequence[Mapping[str, Any]],
    *,
    what: str,
    names: Sequence[str],
    outputs: Sequence[str],
) -> Check:
    """The check of these columns of an export's rows against the model's own.

    Errors:  ExportError, naming the value, where one differs by more than 1e-9 relative
    """
    largest = 0.0
    if len(found) != len(wanted):
        raise ExportError(f"{what} gives {len(found)} rows for {len(wanted)}: nothing was written")
    for at, (row, own) in enumerate(zip(found, wanted, strict=True), 1):
        scales = {output: _scale(own, output) for output in outputs}
        for name in names:
            if name not in row:
                raise ExportError(f"{what} gives no {name!r}: nothing was written")
            scale = max([of for one, of in scales.items() if name.startswith(one)], default=0.0)
            apart = difference(row[name], own[name], scale=scale)
            if apart > TOLERANCE:
                raise ExportError(
                    f"{what} differs from the model on sample row {at}: {name} is {row[name]!r} "
                    f"where the model has {own[name]!r}: nothing was written"
                )
            largest = max(largest, apart)
    return Check(len(wanted), largest)


def _scale(row: Mapping[str, Any], output: str) -> float:
    """The largest of the numbers that an output's score is the sum of."""
    parts = (f"{output}_average", f"{output}_from_")
    found = [abs(value) for name, value in row.items() if value and name.startswith(parts)]
    return max(found, default=0.0)


def difference(found: Any, wanted: Any, *, scale: float = 0.0) -> float:
    """How far a value is from another, relative to it; infinite for values that are not alike.

    What is rounding beside the `scale` of what was summed up is relative to that.

    >>> difference(1.0, 1.0), difference(None, None), difference("a", "b")
    (0.0, 0.0, inf)
    """
    if type(wanted) is not float or type(found) not in (float, int):
        return 0.0 if found == wanted else math.inf
    if found == wanted or (found != found and wanted != wanted):
        return 0.0
    apart: float = abs(found - wanted)
    if not math.isfinite(apart):
        return math.inf
    if apart <= ROUNDING * scale:
        return apart / scale
    return apart / max(abs(wanted), 1e-300)
