r"""Kept rows file: a model's draw of rows with its settings, versioned and with a checksum.

    8 bytes      DRROWS\r\n
    u32          version
    body         JSON: settings, tables, columns, numbers, draws
    32 bytes     SHA-256 of all before

All is checked before it is used, and nothing in it is run. Dates are days since 1970-01-01, and
times microseconds. A number that is not finite is no number: learning takes none.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, FiniteFloat, JsonValue, ValidationError, model_validator

from deltarule.dataclass import dataclass, field
from deltarule.errors import OutputError
from deltarule.moments.folds import DAY
from deltarule.tables.kept_rows import KeptRows
from deltarule.tables.part import Part
from deltarule.tables.saved_file import SealedFile, damaged
from deltarule.tables.summary_file import ROWS

MAGIC, VERSION = ROWS, 1
START = struct.Struct("<8sI")
SEALED = SealedFile(START, MAGIC, VERSION, "file of rows: learn with --keep-sample")
LARGEST_FILE = 1 << 26
MOST_ROWS, MOST_TOTAL = 1_000_000, 1 << 52

Whole = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
Kind = Literal["number", "whole", "text", "boolean", "date", "datetime", "duration", "time", "none"]
KINDS: Mapping[str, pl.DataType] = {
    "number": pl.Float64(),
    "whole": pl.Int64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
    "duration": pl.Duration("us"),
    "time": pl.Time(),
    "none": pl.Null(),
}
FARTHEST = 95_000_000
"""The days from 1970 that calendars reach, 260,000 years."""
ENDS: Mapping[str, tuple[float, float]] = {
    "date": (-FARTHEST, FARTHEST),
    "datetime": (-FARTHEST * DAY, FARTHEST * DAY),
    "time": (0, DAY - 1),
}
HELD: Mapping[str, type] = {"number": float, "text": str, "boolean": bool}
"""The type of a kind's cells in the file; whole numbers where it is not among these."""


class Column(Part):
    """A column's cells; `zone` is the time zone of times that have one."""

    kind: Kind
    cells: list[bool | Whole | FiniteFloat | str | None]
    zone: str | None = None

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        held = HELD.get(self.kind, int)
        for cell in self.cells:
            if cell is None:
                continue
            low, high = ENDS.get(self.kind, (-np.inf, np.inf))
            fits = self.kind != "none" and type(cell) is held
            if not fits or (self.kind in ENDS and not low <= float(cell) <= high):
                raise ValueError(f"a cell is no {self.kind}")
        return self

    @classmethod
    def of(cls, series: pl.Series) -> Self:
        """A column of a frame.

        Errors:  OutputError for values that are not kept
        """
        dtype = series.dtype
        kind = _kind(dtype)
        if kind is None:
            raise OutputError(f"the column '{series.name}' is {dtype}: no such values can be kept")
        zone = getattr(dtype, "time_zone", None)
        if kind == "datetime":
            series = series.cast(pl.Datetime("us", zone)).to_physical()
        elif kind == "time":
            series = series.to_physical() // 1000
        else:
            series = series.cast(KINDS[kind])
            if kind in ("date", "duration"):
                series = series.to_physical()
        if kind == "number":
            series = series.replace([np.inf, -np.inf], [None, None]).fill_nan(None)
        return cls(kind=kind, cells=series.to_list(), zone=zone)

    def series(self, name: str) -> pl.Series:
        """The column.

        Errors:  ValueError for cells that are no such values
        """
        try:
            found = pl.Series(name, self.cells, dtype=None if self.kind == "none" else _held(self))
            if self.kind == "time":
                found = found * 1000
            found = found.cast(KINDS[self.kind])
            if self.zone is not None:
                found = found.dt.replace_time_zone("UTC").dt.convert_time_zone(self.zone)
                found.head(1).dt.replace_time_zone(None).dt.replace_time_zone(self.zone)
        except (pl.exceptions.PolarsError, OverflowError, TypeError) as error:
            raise ValueError(f"a cell of '{name}' is no {self.kind}") from error
        return found


def _held(column: Column) -> pl.DataType:
    return KINDS[column.kind] if column.kind in HELD else pl.Int64()


def _kind(dtype: pl.DataType) -> Kind | None:
    if dtype == pl.UInt64 or dtype.is_float() or dtype.is_decimal():
        return "number"
    if dtype.is_integer():
        return "whole"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    named: Mapping[Any, Kind] = {
        pl.Boolean: "boolean",
        pl.Date: "date",
        pl.Datetime: "datetime",
        pl.Duration: "duration",
        pl.Time: "time",
        pl.Null: "none",
    }
    return named.get(dtype.base_type())


class Body(Part):
    """What the file has."""

    settings: dict[str, JsonValue]
    parts: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...]
    total: Annotated[int, Field(ge=0, le=MOST_TOTAL)]
    most: Annotated[int, Field(ge=0, le=MOST_ROWS)]
    typed: bool
    columns: dict[str, Column]
    numbers: list[Annotated[int, Field(ge=0, le=MOST_TOTAL)]]
    draws: list[Annotated[FiniteFloat, Field(ge=0, lt=1)]]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rows = len(self.numbers)
        if {len(self.draws), *(len(one.cells) for one in self.columns.values())} - {rows}:
            raise ValueError("its columns are not of the same rows")
        if rows > min(self.most, self.total) or (rows and self.numbers[-1] >= self.total):
            raise ValueError("it has more rows than it says")
        if any(two <= one for one, two in zip(self.numbers, self.numbers[1:], strict=False)):
            raise ValueError("its rows are not in order")
        if not self.columns:
            raise ValueError("it has no columns")
        return self


@dataclass(frozen=True)
class SavedRows:
    """Rows kept, the fingerprints of the tables they are of, and settings as JSON has them."""

    rows: KeptRows
    parts: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def is_kept_rows(raw: bytes) -> bool:
    """Whether a file begins as such files do."""
    return raw.startswith(MAGIC)


def to_bytes(saved: SavedRows) -> bytes:
    """The bytes of the file.

    Errors:  OutputError where they are too many
    """
    rows = saved.rows
    body = Body(
        settings=dict(saved.settings),
        parts=saved.parts,
        total=rows.total,
        most=rows.most,
        typed=rows.typed,
        columns={name: Column.of(rows.frame[name]) for name in rows.frame.columns},
        numbers=rows.numbers.tolist(),
        draws=rows.draws.tolist(),
    )
    raw = SEALED.sealed(body.model_dump_json().encode())
    if len(raw) > LARGEST_FILE:
        raise OutputError(
            f"{len(rows.draws):,} rows of {len(rows.frame.columns):,} columns are more than a file "
            f"of rows may have ({LARGEST_FILE >> 20:,} MB): keep fewer (--keep-sample)"
        )
    return raw


def from_bytes(raw: bytes, *, name: str) -> SavedRows:
    """The rows in the bytes of a file, of this name in messages.

    Errors:  NotAModelError, VersionError
    """
    _, content = SEALED.opened(raw, name=name, largest=LARGEST_FILE)
    try:
        body = Body.model_validate_json(bytes(content))
        frame = pl.DataFrame([one.series(column) for column, one in body.columns.items()])
    except (ValidationError, RecursionError, ValueError) as error:
        raise damaged(name, _first(error)) from None
    numbers, draws = np.array(body.numbers, dtype=np.int64), np.array(body.draws, dtype=np.float64)
    rows = KeptRows(frame, numbers, draws, body.total, body.most, body.typed)
    return SavedRows(rows, body.parts, body.settings)


def fingerprint(rows: KeptRows) -> str:
    """What tells these rows from others, whatever their order."""
    told = hashlib.sha256(str(rows.total).encode())
    for line in sorted(map(repr, rows.frame.iter_rows())):
        told.update(line.encode("utf-8", "surrogatepass"))
    return told.hexdigest()[:32]


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in one["loc"])
        return f"{place}: {one['msg']}" if place else str(one["msg"])
    return str(error).splitlines()[0]
