"""Column names: check that columns exist, suggesting the nearest names that do."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from deltarule.deferred import polars as pl
from deltarule.errors import ColumnError

PATTERN = "reads as a pattern of names: rename it to use it"


def column(name: str) -> pl.Expr:
    """A polars column of exactly this name, also where it would be taken for a regex."""
    return pl.col(f"^{pl.escape_regex(name)}$") if is_pattern(name) else pl.col(name)


def cells(name: str, kind: pl.DataType | None) -> pl.Expr:
    """A polars column of this type as it stands, but that blank text is missing."""
    own = column(name)
    if kind is None or kind not in (pl.String, pl.Categorical, pl.Enum):
        return own
    return pl.when(own.cast(pl.String).str.strip_chars().str.len_bytes() > 0).then(own)


def check_literal(name: str) -> None:
    """Refuse to learn from a column whose name methods of a series take for a regex.

    Errors:  ColumnError
    """
    if is_pattern(name):
        raise ColumnError(f"a column called {name!r} {PATTERN}")


def is_pattern(name: str) -> bool:
    """Whether polars takes this name for a regex of several columns."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def check_there(columns: Sequence[str], needed: Sequence[str], *, name: str) -> None:
    """Refuse a table that lacks a column, suggesting the nearest names it has.

    Errors:  ColumnError
    """
    lacking = [column for column in needed if column not in columns]
    if not lacking:
        return
    first = lacking[0]
    if alike := [one for one in columns if _as_it_looks(one) == _as_it_looks(first)]:
        raise ColumnError(
            f"{name} has no column '{first}': {alike[0]!a} only looks the same as "
            f"{first!a}: rename it"
        )
    near = get_close_matches(first, columns, n=3, cutoff=0.5)
    near += [c for c in columns if c.lower() == first.lower() and c not in near]
    if near:
        near = [repr(one) if one != one.strip() else one for one in near]
        hint = f"did you mean {' or '.join(near)}?"
    else:
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        hint = f"it has {shown}" if columns else "it has no columns"
    more = f" (nor {', '.join(lacking[1:4])})" if len(lacking) > 1 else ""
    raise ColumnError(f"{name} has no column '{first}'{more}: {hint}")


def _as_it_looks(name: str) -> str:
    """A name without what cannot be seen: how its letters are composed, and marks of no width."""
    shown = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFC", shown)


def having(cells: pl.DataFrame, names: Sequence[str], pattern: str) -> list[str]:
    """Those of these columns of text that have a cell with this pattern, in one pass."""
    return true_columns(only(cells, names).select(pl.all().str.contains(pattern).any()))


def only(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """These columns of a frame, by exactly these names, at the cost of a view; perhaps none."""
    # Of a list, a series without a name would get one.
    return pl.DataFrame({name: frame[name] for name in names})


def true_columns(row: pl.DataFrame) -> list[str]:
    """The columns of one row that are true; none of no columns."""
    return [name for name in row.columns if row[name][0]]
