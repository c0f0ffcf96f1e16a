"""Figures of the rows while learning goes on, as plain plotly dicts: predictions and deltas.

Colours, legends and gaps are those of `learning_marks`.

Shapes: m rows; a grid lines.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deltarule.rule.predict import Array
from deltarule.views.learning_marks import (
    LARGEST,
    Entry,
    Figure,
    axis,
    curve,
    dots,
    drawable,
    entry,
    figure,
    plain,
    points,
    window,
)
from deltarule.views.theme import LIGHT

# What an axis that begins at 0 has below it, as a share of its length.
FOOT = 0.07
MARKS = (
    ("circle", LIGHT.ink),
    ("square", LIGHT.model),
    ("triangle-up", LIGHT.quiet),
    ("diamond", LIGHT.ink),
    ("cross", LIGHT.model),
    ("star", LIGHT.quiet),
)


def rows_with_line(
    x: Array,
    targets: Array,
    *,
    line_x: Array,
    line: Array,
    names: tuple[str, str],
    hover: Sequence[str],
    chosen: int,
    number: int = 1,
    reached: Array | None = None,
    unseen: tuple[Array, Array] | None = None,
    beside: tuple[str, Array] | None = None,
) -> Figure:
    """Each row's target over its input, and the line that predicts it; delta of the chosen row.

    `number` is that of the chosen row, `reached` are predictions to leave room for, `unseen` are
    held-out rows, `beside` is the line of another run, with its name.
    Shapes:  x, targets (m,), line_x, line (a,)
    """
    # A line through the origin is seen to pass through it.
    zero = bool(line_x.size and line_x[0] == 0)
    shown = targets if unseen is None else np.append(targets, unseen[1])
    low, high = window(np.append(shown, 0.0) if zero else shown, line, reached)
    # A line at 0 is not drawn over the numbers of the axis below it.
    low -= FOOT * (high - low) if low == 0 else 0.0
    at = float(np.interp(x[chosen], line_x, np.nan_to_num(line))) if line_x.size else math.nan
    data = [
        curve([x[chosen], x[chosen]], [targets[chosen], at], LIGHT.delta, width=2.5),
        dots(x, targets, hover, chosen),
        curve(line_x, line, LIGHT.model, width=3),
    ]
    legend = [entry("dot", LIGHT.ink, names[1]), entry("line", LIGHT.model, "prediction")]
    if beside is not None:
        data.append(curve(line_x, beside[1], LIGHT.model, width=2, dash="dash"))
        legend.append(entry("dash", LIGHT.model, beside[0]))
    legend.append(_delta(number))
    if unseen is not None:
        marker = {"color": LIGHT.paper, "size": 8, "line": {"color": LIGHT.quiet, "width": 1.5}}
        data.insert(1, points(*unseen, marker))
        legend.append(entry("ring", LIGHT.quiet, "held-out rows"))
    across = [float(line_x[0]), float(line_x[-1])] if line_x.size else None
    return figure(
        data,
        x=axis(names[0], across),
        y=axis(names[1], [low, high]),
        alt=f"{_rows(len(x))}: {names[1]} (up) over {names[0]} (across), and the predictions' line",
        legend=legend,
    )


def _delta(number: int) -> Entry:
    return entry("line", LIGHT.delta, f"delta of row {number:,}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def predicted_against_actual(
    predictions: Array,
    targets: Array,
    *,
    target: str,
    hover: Sequence[str],
    chosen: int,
    number: int = 1,
) -> Figure:
    """Each row's prediction over what it was; on the line both are the same.

    Shapes:  predictions, targets (m,)
    """
    across = window(targets, targets)
    low, high = window(targets, targets, reached=predictions)  # all of them are seen
    ends = [min(low, across[0]), max(high, across[1])]
    actual, predicted = targets[chosen], predictions[chosen]
    data = [
        curve(ends, ends, LIGHT.quiet, width=1.5, dash="dot"),
        curve([actual, actual], [actual, predicted], LIGHT.delta, width=2.5),
        dots(targets, predictions, hover, chosen, color=LIGHT.model),
    ]
    return figure(
        data,
        x=axis(f"actual {target}", list(across)),
        y=axis(f"predicted {target}", [low, high]),
        alt=f"{_rows(len(targets))}: predicted {target} (up) over actual {target} (across)",
        legend=[
            entry("dot", LIGHT.model, "prediction"),
            entry("dots", LIGHT.quiet, "= target"),
            _delta(number),
        ],
    )


def rows_in_classes(
    x: Array,
    y: Array,
    *,
    actual: NDArray[np.intp],
    predicted: NDArray[np.intp],
    classes: Sequence[str],
    names: tuple[str, str],
    hover: Sequence[str],
    chosen: int,
) -> Figure:
    """Rows over two inputs, a mark for each class; those taken for another class are hollow.

    Shapes:  x, y, actual, predicted (m,): classes by their place
    """
    data, legend, wrong = [], [], actual != predicted
    for place, name in enumerate(classes):
        symbol, color = MARKS[place % len(MARKS)]
        at = np.flatnonzero(actual == place)
        marker = {
            "symbol": [f"{symbol}-open" if wrong[row] else symbol for row in at],
            "color": [LIGHT.delta if wrong[row] else color for row in at],
            "size": [12 if row == chosen else 8 for row in at],
            "opacity": [1.0 if wrong[row] or row == chosen else 0.7 for row in at],
            "line": {"width": 2},
        }
        legend.append(entry(symbol, color, str(name)))
        taken = [plain(classes[int(one)]) for one in predicted[at]]
        texts = [
            f"{hover[row]}<br>is {plain(name)}, taken for {other}"
            for row, other in zip(at.tolist(), taken, strict=True)
        ]
        data.append(points(x[at], y[at], marker, text=texts, chosen=at.tolist()))
    count = int(wrong.sum())
    return figure(
        data,
        x=axis(names[0], _around(x)),
        y=axis(names[1], _around(y)),
        alt=f"{_rows(len(x))} of {len(classes)} classes, {count} of them taken for another class",
        legend=[*legend, entry("ring", LIGHT.delta, "mistaken")],
    )


def _around(values: Array) -> list[float]:
    low, high = float(np.min(values)), float(np.max(values))
    room = (high - low) * 0.06 or abs(high) * 0.25 or 1.0
    return [low - room, high + room]


def deltas(
    deltas: Array,
    *,
    order: Array,
    by: str,
    hover: Sequence[str],
    chosen: int,
    rows: Sequence[int],
    number: int = 1,
    at_start: float = 0.0,
) -> Figure:
    """Each row's delta as a lollipop, above zero where the prediction is too high.

    `rows` are the numbers that a click on each means; `at_start` is the largest delta before the
    first step, by which the axis is scaled.
    Shapes:  deltas, order (m,): by what the rows stand in order
    """
    at = np.argsort(order, kind="stable")
    place = np.empty(len(at), dtype=int)
    place[at] = np.arange(len(at))
    sorted_deltas = deltas[at]
    stems_x = np.repeat(np.arange(len(at), dtype=float), 3)
    stems_y = np.column_stack([np.zeros(len(at)), sorted_deltas, np.full(len(at), np.nan)]).ravel()
    high = sorted_deltas > 0
    size = 9 if len(at) <= 40 else 6
    marker = {
        "color": LIGHT.delta,
        "opacity": [1.0 if place[chosen] == n else 0.65 for n in range(len(at))],
        "size": [size + 5 if place[chosen] == n else size for n in range(len(at))],
        "line": {"color": LIGHT.paper, "width": 1},
    }
    data = [
        curve(stems_x, stems_y, LIGHT.quiet, width=2 if len(at) <= 40 else 1, opacity=0.5),
        points(
            np.arange(len(at), dtype=float),
            sorted_deltas,
            marker,
            text=[hover[n] for n in at],
            chosen=[rows[n] for n in at],
        ),
    ]
    most = _scale(drawable(sorted_deltas), at_start) * 1.12
    room = max(len(at) * 0.03, 0.6)
    x = axis(f"rows, by {by}", [-room, len(at) - 1 + room]) | {"showticklabels": False}
    x |= {"showgrid": False, "zeroline": False}
    too_high = int(high.sum())
    return figure(
        data,
        x=x,
        y=axis("delta", [-most, most]) | {"zerolinecolor": LIGHT.quiet},
        alt=f"The delta of {_rows(len(at))}, {too_high} of them too high",
        legend=[
            entry("dot", LIGHT.delta, "delta, above 0: predicted too high"),
            *([] if len(at) == 1 else [entry("big", LIGHT.delta, f"row {number:,}")]),
        ],
    )


def _scale(deltas: Array, at_start: float) -> float:
    """The end of the deltas' axis: it changes in powers of 4, so that deltas are seen to shrink."""
    most = float(np.abs(deltas).max(initial=0.0))
    if not 0 < most < LARGEST / 8:
        return 1.0
    if not 0 < at_start < LARGEST / 8:
        return most
    return at_start * 4.0 ** math.ceil(math.log(most / at_start, 4) - 1e-9)
