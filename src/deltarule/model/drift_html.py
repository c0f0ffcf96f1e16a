"""Drift as HTML: for a notebook cell, and a section of the report."""

from deltarule.model.drift import DriftReport
from deltarule.model.drift_words import COLUMNS_SHOWN, changed, figures, headline, scored, shown
from deltarule.views import html
from deltarule.views.drift_figures import scores, shares_before_and_now

DRAWN = 4


def body(report: DriftReport) -> str:
    """The drift as HTML."""
    lines = [*headline(report), *figures(report)]
    rows = [
        [one.column, one.verdict, scored(one.score), one.psi, one.moved, one.words]
        for one in report.columns[:COLUMNS_SHOWN]
    ]
    numbers = html.table(["column", "verdict", "score", "PSI", "moved (sd)", "what changed"], rows)
    worst = report.columns[:12]
    drawn = [
        html.figure(
            scores([one.column for one in worst], [one.score for one in worst]),
            "What changed most",
            "A score is the largest effect on a column, as a multiple of the size from which it is "
            "called drift; what chance explains is 0.",
            numbers,
        )
    ]
    for one in changed(report)[:DRAWN]:
        cells = shown(one)
        before, now = [cell.before for cell in cells], [cell.now for cell in cells]
        names = [cell.cell for cell in cells]
        drawn.append(
            html.figure(
                shares_before_and_now(names, before, now, column=one.column),
                one.column,
                one.words,
                html.table(
                    ["rows", "learnt from", "now"],
                    [[cell.cell, cell.before, cell.now] for cell in cells],
                ),
            )
        )
    return html.sentences(lines) + html.grid(drawn) + html.listed(report.notes)


def cell(report: DriftReport) -> str:
    """What a notebook shows."""
    return html.cell(body(report))
