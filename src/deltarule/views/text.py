"""Results as text: tables for the terminal."""

import sys
from collections.abc import Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from deltarule.errors import printable
from deltarule.views.format import number, screen_width


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows under a head, numbers to the right; never cut.

    It is as wide as it must be, but on a terminal, where text is folded to fit.
    """
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for at, name in enumerate(head):
        right = bool(rows) and all(isinstance(row[at], int | float | None) for row in rows)
        made.add_column(
            _cell(name),
            justify="right" if right else "left",
            no_wrap=right or not on_terminal,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    console = Console(
        file=StringIO(),
        width=screen_width() if on_terminal else 100_000,
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
    return number(value) if isinstance(value, float) else printable(str(value), one_line=True)
