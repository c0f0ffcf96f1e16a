"""An evaluation as HTML: metrics, confusion matrix, notes."""

from collections.abc import Sequence

from deltarule.metrics.classification import ClassMetrics
from deltarule.metrics.regression import Metrics
from deltarule.model.summary import CLASSES_SHOWN, figures_told
from deltarule.views import html


def body(headline: str, outputs: Sequence[Metrics], notes: Sequence[str]) -> str:
    """The evaluation as HTML."""
    lines = [headline, *(f"{one.output}: {figures_told(one)[0]}" for one in outputs)]
    tables = [
        confusion(one.classes, one.output)
        for one in outputs
        if one.classes is not None and len(one.classes.classes) <= CLASSES_SHOWN
    ]
    rest = [line.strip() for one in outputs for line in _other_lines(one)]
    return html.sentences(lines) + "".join(tables) + html.listed([*rest, *notes])


def _other_lines(figures: Metrics) -> list[str]:
    """The metrics of an output below its first line, without the confusion matrix."""
    lines, classes = figures_told(figures)[1:], figures.classes
    if classes is None or len(classes.classes) > CLASSES_SHOWN:
        return lines
    return lines[len(classes.classes) + 1 :]


def confusion(classes: ClassMetrics, output: str) -> str:
    """The confusion matrix: rows by class (down) and predicted class (across)."""
    head = [output, *(f"said {name}" for name in classes.classes)]
    rows = [
        [f"is {name}", *(round(count) for count in across)]
        for name, across in zip(classes.classes, classes.confusion, strict=True)
    ]
    return html.table(head, rows)


def cell(headline: str, outputs: Sequence[Metrics], notes: Sequence[str]) -> str:
    """The evaluation for a notebook cell."""
    return html.cell(body(headline, outputs, notes))
