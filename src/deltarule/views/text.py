"""Results as text: tables for the terminal."""

import sys
from collections.abc import Sequence
from io import StringIO
from typing import Any, Literal

from deltarule.errors import printable
from deltarule.views.format import number, screen_width


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows under a head, numbers to the right; never cut.

    It is as wide as it must be, but on a terminal, where text is folded to fit.
    """
    right = [
        bool(rows) and all(isinstance(row[at], int | float | None) for row in rows)
        for at in range(len(head))
    ]
    cells = [[_cell(value) for value in row] for row in (head, *rows)]
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    lines = _folded(cells, right) if on_terminal else _aligned(cells, right)
    return "\n".join(line.rstrip() for line in lines)


def _aligned(cells: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """A line for each row of cells."""
    from rich.cells import cell_len  # its tables take 20 ms to load, this 2

    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        line = ""
        for cell, width, to_right in zip(row, widths, right, strict=True):
            space = " " * (width - cell_len(cell))
            line += f"{space}{cell}  " if to_right else f"{cell}{space}  "
        lines.append(line)
    return lines


def _folded(cells: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """The same, text folded to the screen's width."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for name, to_right in zip(cells[0], right, strict=True):
        justify: Literal["left", "right"] = "right" if to_right else "left"
        grid.add_column(name, justify=justify, no_wrap=to_right, overflow="fold")
    for row in cells[1:]:
        grid.add_row(*row)
    console = Console(
        file=StringIO(),
        width=screen_width(),
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(grid)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else printable(str(value), one_line=True)
