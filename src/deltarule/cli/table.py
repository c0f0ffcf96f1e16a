"""The table that the command line names, and the progress of reading it."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deltarule.cli.arguments import pair
from deltarule.cli.guard import terminal

if TYPE_CHECKING:
    from deltarule.tables.one_read import Progress


def source_of(table: str, read: list[str] | None, db_table: str | None, query: str | None) -> Any:
    """The table that the command line names."""
    from deltarule.tables.frames import source

    how = dict(pair(one, "--read", "KEY=VALUE") for one in read or [])
    return source(table, table=db_table, query=query, **how)


def tell_order(source: Any, query: str | None) -> None:
    """Say on stderr where the numbers of rows mean little: nothing says which row comes first."""
    if not source.repeatable and not re.search(r"\border\s+by\b", query or "", re.IGNORECASE):
        print(
            f"{source.name} has no fixed order, so that its rows may have other numbers the next "
            "time: give a query that says ORDER BY",
            file=sys.stderr,
        )


@contextmanager
def progress_bar() -> "Iterator[Progress | None]":
    """Rows, rate and, where the rows are known, the time left on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=terminal()), transient=True) as bar:
        task = bar.add_task("reading", total=None, rate=0.0)

        def show(rows: int, total: int | None) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=rows, total=total, rate=rows / elapsed if elapsed else 0.0)

        yield show
