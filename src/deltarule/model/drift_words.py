"""Drift in text: verdict, errors, rows, a table of columns, and bars of what changed most."""

import math
from collections.abc import Iterator

from deltarule.model.column_drift import SOME, CellShares, ColumnDrift
from deltarule.model.drift import DriftReport
from deltarule.model.summary import first_of
from deltarule.views.format import on_one_line, percent, rows_told
from deltarule.views.text import table

COLUMNS_SHOWN = 40
DRAWN, CELLS_SHOWN, WIDTH, NAME = 3, 12, 30, 28
LEAST_SHOWN = 0.001
SCALE = "1 or more is drift, from 0.4 some; what chance explains is 0"


def paragraphs(report: DriftReport) -> str:
    """All of it, the worst first."""
    parts = ["\n".join([*headline(report), *figures(report)]), _columns(report)]
    parts += ["\n".join(_bars(one)) for one in changed(report)[:DRAWN]]
    parts.append("\n".join(report.notes))
    return "\n\n".join(part for part in parts if part)


def headline(report: DriftReport) -> list[str]:
    """What was compared, and the verdict."""
    said = [
        f"{report.table}: {rows_told(report.rows)}, beside "
        f"{rows_told(report.learnt_rows)} learnt from"
    ]
    verdict = f"{report.verdict}, score {scored(report.score)} ({SCALE})"
    names = f": {first_of(report.drifted)}" if report.drifted else ""
    return [*said, verdict + names]


def scored(score: float) -> str:
    """A score, never rounded up to 1."""
    return f"{math.floor(score * 100 + 1e-9) / 100:.2f}"


def figures(report: DriftReport) -> list[str]:
    """Errors and rows, a line each."""
    return [*(f"{one.target}: {one.words}" for one in report.errors), report.apart.words]


def changed(report: DriftReport) -> list[ColumnDrift]:
    """The columns with some drift, the worst first."""
    return [one for one in report.columns if one.score >= SOME]


def shown(column: ColumnDrift) -> list[CellShares]:
    """The cells that are shown: all in their order, or of many those that changed most."""
    cells = [one for one in column.shares if max(one.before, one.now) >= LEAST_SHOWN]
    if len(cells) <= CELLS_SHOWN + 3:
        return cells
    return sorted(cells, key=lambda one: -abs(one.now - one.before))[:CELLS_SHOWN]


def _columns(report: DriftReport) -> str:
    rows = [
        (
            on_one_line(one.column),
            one.verdict,
            scored(one.score),
            "" if one.psi is None else f"{one.psi:.3f}",
            "" if one.moved is None else f"{one.moved:.2f}",
            one.words,
        )
        for one in report.columns[:COLUMNS_SHOWN]
    ]
    lines = table(["column", "verdict", "score", "PSI", "moved (sd)", "what changed"], rows)
    rest = len(report.columns) - COLUMNS_SHOWN
    return lines if rest <= 0 else f"{lines}\n{rest:,} more columns changed no more than these"


def _bars(column: ColumnDrift) -> Iterator[str]:
    cells = shown(column)
    most = max(max(one.before, one.now) for one in cells) or 1.0
    yield f"{on_one_line(column.column)}: {column.words}"
    for one in cells:
        name = on_one_line(one.cell)
        for label, of, share in ((name, "learnt", one.before), ("", "now", one.now)):
            bar = "█" * round(share / most * WIDTH)
            yield f"  {label[:NAME]:{NAME}}  {of:6}  {percent(share):>6}  {bar}".rstrip()
