"""Figures of learning as it goes, as plain plotly dicts: rows, bowl, deltas, the error by step.

Colours are those of the light theme. Whoever shows a figure in another look swaps them, colour for
colour. Numbers that are not finite become gaps: JSON has none.

Shapes: m rows; a, b grid lines.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.rule.predict import Array
from deltarule.views.theme import LIGHT

Figure = dict[str, Any]

# Error bowls are deep: their rings are drawn at these shares of the way down.
RINGS = 16
# Beyond it there is no room for axes.
LARGEST = 1e290


def rows_with_line(
    x: Array,
    targets: Array,
    *,
    line_x: Array,
    line: Array,
    names: tuple[str, str],
    hover: Sequence[str],
    chosen: int,
    unseen: tuple[Array, Array] | None = None,
) -> Figure:
    """Each row's target over its input, and the line that predicts it; delta of the chosen row.

    Shapes:  x, targets (m,), line_x, line (a,)
    """
    # A line through the origin is seen to pass through it.
    zero = bool(line_x.size and line_x[0] == 0)
    shown = targets if unseen is None else np.append(targets, unseen[1])
    low, high = _window(np.append(shown, 0.0) if zero else shown, line)
    at = float(np.interp(x[chosen], line_x, np.nan_to_num(line))) if line_x.size else math.nan
    data = [
        _curve([x[chosen], x[chosen]], [targets[chosen], at], LIGHT.delta, width=2.5),
        _dots(x, targets, hover, chosen),
        _curve(line_x, line, LIGHT.model, width=3),
    ]
    if unseen is not None:
        marker = {"color": LIGHT.paper, "size": 8, "line": {"color": LIGHT.delta, "width": 1.5}}
        data.insert(1, _points(*unseen, marker, name="rows it never sees"))
    across = [float(line_x[0]), float(line_x[-1])] if line_x.size else None
    return _figure(
        data,
        x=_axis(names[0], across),
        y=_axis(names[1], [low, high]),
        alt=f"{len(x)} rows: {names[1]} (up) over {names[0]} (across), and the line that predicts",
    )


def predicted_against_actual(
    predictions: Array, targets: Array, *, target: str, hover: Sequence[str], chosen: int
) -> Figure:
    """Each row's prediction over what it was; on the line both are the same.

    Shapes:  predictions, targets (m,)
    """
    low, high = _window(targets, predictions)
    across = _window(targets, targets)
    ends = [min(low, across[0]), max(high, across[1])]
    actual, predicted = targets[chosen], predictions[chosen]
    data = [
        _curve(ends, ends, LIGHT.quiet, width=1.5, dash="dot"),
        _curve([actual, actual], [actual, predicted], LIGHT.delta, width=2.5),
        _dots(targets, predictions, hover, chosen),
    ]
    return _figure(
        data,
        x=_axis(f"actual {target}", list(across)),
        y=_axis(f"predicted {target}", [low, high]),
        alt=f"{len(targets)} rows: predicted {target} (up) over actual {target} (across)",
    )


MARKS = (
    ("circle", LIGHT.model),
    ("square", LIGHT.delta),
    ("triangle-up", LIGHT.ink),
    ("diamond", LIGHT.quiet),
    ("cross", LIGHT.model),
    ("star", LIGHT.delta),
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
    data, wrong = [], actual != predicted
    for place, name in enumerate(classes):
        symbol, color = MARKS[place % len(MARKS)]
        at = np.flatnonzero(actual == place)
        marker = {
            "symbol": [f"{symbol}-open" if wrong[row] else symbol for row in at],
            "color": color,
            "size": [12 if row == chosen else 8 for row in at],
            "opacity": [1.0 if wrong[row] or row == chosen else 0.55 for row in at],
            "line": {"width": 2, "color": color},
        }
        taken = [_plain(classes[int(one)]) for one in predicted[at]]
        texts = [
            f"{hover[row]}<br>is {_plain(name)}, taken for {other}"
            for row, other in zip(at.tolist(), taken, strict=True)
        ]
        data.append(
            _points(x[at], y[at], marker, text=texts, chosen=at.tolist(), name=_plain(name))
        )
    count = int(wrong.sum())
    figure = _figure(
        data,
        x=_axis(names[0], _around(x)),
        y=_axis(names[1], _around(y)),
        alt=f"{len(x)} rows of {len(classes)} classes, {count} of them taken for another class",
    )
    figure["layout"] |= {
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"l": 8, "r": 12, "t": 30, "b": 8},
    }
    return figure


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
) -> Figure:
    """Each row's delta as a lollipop, above zero where the prediction is too high.

    `rows` are the numbers that a click on each means.
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
    colors = [LIGHT.delta if up else LIGHT.model for up in high]
    marker = {
        "color": colors,
        "size": [size + 5 if place[chosen] == n else size for n in range(len(at))],
        "line": {"color": LIGHT.paper, "width": 1},
    }
    data = [
        _curve(stems_x, stems_y, LIGHT.quiet, width=2 if len(at) <= 40 else 1, opacity=0.5),
        _points(
            np.arange(len(at), dtype=float),
            sorted_deltas,
            marker,
            text=[hover[n] for n in at],
            chosen=[rows[n] for n in at],
        ),
    ]
    seen = np.abs(_drawable(sorted_deltas))
    most = float(seen.max()) * 1.12 if seen.size and seen.max() > 0 else 1.0
    room = max(len(at) * 0.03, 0.6)
    x = _axis(f"rows, by {by}", [-room, len(at) - 1 + room]) | {"showticklabels": False}
    x |= {"showgrid": False, "zeroline": False}
    too_high = int(high.sum())
    return _figure(
        data,
        x=x,
        y=_axis("delta", [-most, most]) | {"zerolinecolor": LIGHT.quiet},
        alt=f"The delta of {len(at)} rows, {too_high} of them too high",
    )


def parabola(
    across: Array,
    error: Array,
    *,
    weight: str,
    here: tuple[float, float],
    way: tuple[Array, Array],
    past: int,
    best: float | None,
    what: str,
) -> Figure:
    """The error over one weight, where learning stands in it, and the way it came.

    Shapes:  across, error (a,); way: weights and errors passed, the first `past` of them by now
    """
    seen = _drawable(np.append(error, here[1]))
    low, high = float(seen.min()), float(seen.max())
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    steps = {"color": LIGHT.model, "size": 6, "opacity": 0.55}
    data = [
        _curve(across, error, LIGHT.quiet, width=2.5),
        _points(way[0][past:], way[1][past:], steps | {"opacity": 0.15}),
        _curve(way[0][:past], way[1][:past], LIGHT.model, width=1.5),
        _points(way[0][:past], way[1][:past], steps),
        _points(np.array([here[0]]), np.array([here[1]]), _ball()),
    ]
    figure = _figure(
        data,
        x=_axis(f"weight of {weight}", [float(across[0]), float(across[-1])]),
        y=_axis(what, [low - room, high + room]),
        alt=f"A bowl: the {what} over the weight of {weight}, now at {here[0]:.6g}",
    )
    return _with_best(figure, best)


def contour(
    across: Array,
    up: Array,
    error: Array,
    *,
    weights: tuple[str, str],
    here: tuple[float, float],
    way: Array,
    past: int,
    best: tuple[float, float] | None,
) -> Figure:
    """The error over two weights, seen from above, and the way learning goes in it.

    Shapes:  across (a,), up (b,), error (b, a); way (points, 2)
    """
    # Rings at even steps of the root: as far apart as the slope is steep.
    deep = np.sqrt(np.maximum(error - np.nanmin(error), 0.0))
    deep = deep / (np.nanmax(deep) or 1.0)
    rings = {
        "type": "contour",
        "x": _told(across),
        "y": _told(up),
        "z": [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in deep],
        "colorscale": [[0.0, LIGHT.paper], [1.0, LIGHT.line]],
        "contours": {"start": 0, "end": 1, "size": 1 / RINGS},
        "line": {"width": 0.7, "color": LIGHT.quiet, "smoothing": 1},
        "showscale": False,
        "hoverinfo": "skip",
    }
    data = [
        rings,
        _curve(way[past - 1 :, 0], way[past - 1 :, 1], LIGHT.model, width=1, opacity=0.25),
        _curve(way[:past, 0], way[:past, 1], LIGHT.model, width=2),
        _points(way[:past, 0], way[:past, 1], {"color": LIGHT.model, "size": 5}),
        _points(np.array([here[0]]), np.array([here[1]]), _ball()),
    ]
    if best is not None:
        marker = {"symbol": "x-thin", "size": 11, "line": {"color": LIGHT.ink, "width": 2}}
        data.append(_points(np.array([best[0]]), np.array([best[1]]), marker))
    return _figure(
        data,
        x=_axis(f"weight of {weights[0]}", [float(across[0]), float(across[-1])]),
        y=_axis(f"weight of {weights[1]}", [float(up[0]), float(up[-1])]),
        alt=f"A bowl from above: the error over the weights of {weights[0]} and {weights[1]}, "
        f"now at {here[0]:.6g} and {here[1]:.6g}",
    )


def error_by_step(
    steps: Array, errors: Array, *, here: int, unseen: Array | None = None, what: str
) -> Figure:
    """The error after each step, up to the furthest, and where learning stands.

    Shapes:  steps, errors (points,)
    """
    shown = _drawable(errors[errors > 0])
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 10.0)
    data = []
    if unseen is not None:
        data.append(_curve(steps, unseen, LIGHT.delta, width=2, name="rows it never sees"))
        good = _drawable(unseen[unseen > 0])
        low, high = min([low, *good.tolist()]), max([high, *good.tolist()])
    data += [
        _curve(steps, errors, LIGHT.model, width=2),
        _points(
            np.array([float(here)]),
            np.array([float(np.interp(here, steps, errors))]) if steps.size else np.zeros(1),
            _ball(),
        ),
    ]
    axis = _axis("", [low, high])
    last = max(float(steps[-1]), 1.0)
    if low > 0 and high / 20 > low:
        powers = [math.log10(low), math.log10(high)]
        axis |= {"type": "log", "range": [powers[0] - 0.15, powers[1] + 0.15]}
        axis |= {"exponentformat": "power", "dtick": max(1, round((powers[1] - powers[0]) / 4))}
    else:
        room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
        axis |= {"range": [low - room, high + room]}
    return _figure(
        data,
        x=_axis("step", [-last * 0.02, last * 1.02]),
        y=axis,
        alt=f"The {what} from step 0 to step {last:.0f}, now at step {here}",
    )


def _ball() -> dict[str, Any]:
    return {"color": LIGHT.model, "size": 13, "line": {"color": LIGHT.paper, "width": 2}}


def _with_best(figure: Figure, best: float | None) -> Figure:
    if best is not None and math.isfinite(best):
        line = {"color": LIGHT.quiet, "width": 1, "dash": "dot"}
        ends = {"x0": best, "x1": best, "y0": 0, "y1": 1, "yref": "paper"}
        figure["layout"]["shapes"] = [{"type": "line", "line": line, **ends}]
    return figure


def _dots(x: Array, y: Array, hover: Sequence[str], chosen: int) -> dict[str, Any]:
    """Rows as points that say their arithmetic, the chosen one larger."""
    size = 9 if len(x) <= 60 else 6
    marker = {
        "color": LIGHT.ink,
        "opacity": [1.0 if at == chosen else 0.45 for at in range(len(x))],
        "size": [size + 4 if at == chosen else size for at in range(len(x))],
    }
    return _points(x, y, marker, text=hover, chosen=list(range(len(x))))


def _points(
    x: Array,
    y: Array,
    marker: dict[str, Any],
    *,
    text: Sequence[str] | None = None,
    chosen: list[int] | None = None,
    name: str = "",
) -> dict[str, Any]:
    """Points; with texts they show one each, and `chosen` says which row each of them is."""
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": _told(x),
        "y": _told(y),
        "marker": marker,
        "name": name,
        "hoverinfo": "skip",
    }
    if text is None:
        return points
    shown = {"text": list(text), "hovertemplate": "%{text}<extra></extra>", "customdata": chosen}
    return points | shown | {"hoverinfo": "text"}


def _curve(
    x: Any,
    y: Any,
    color: str,
    *,
    width: float,
    dash: str = "solid",
    opacity: float = 1.0,
    name: str = "",
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _told(x),
        "y": _told(y),
        "line": {"color": color, "width": width, "dash": dash},
        "opacity": opacity,
        "name": name,
        "hoverinfo": "skip",
    }


def _drawable(values: Array) -> Array:
    """Those of the numbers that can be drawn."""
    drawable: Array = values[np.abs(values) < LARGEST]
    return drawable


def _told(values: Any) -> list[float | None]:
    """Numbers as JSON has them: those that are not finite, or beyond drawing, are gaps."""
    return [float(v) if abs(v) < LARGEST else None for v in values]


def _window(targets: Array, predictions: Array) -> tuple[float, float]:
    """From the least to the largest target; further where predictions leave it by far.

    It widens in powers of 2, so that it does not tremble from step to step.
    """
    low, high = float(np.min(targets)), float(np.max(targets))
    room = (high - low) * 0.08 or abs(high) * 0.25 or 1.0
    # Amounts begin at nothing, where that is not far off.
    low, high = (0.0 if 0 <= low < 0.25 * high else low - room), high + room
    seen = _drawable(predictions)
    span = high - low
    for _ in range(900):
        over = seen.size and (seen.max() > high + span * 0.5 or seen.min() < low - span * 0.5)
        if not over or span > 1e290:
            break
        span *= 2
        middle = (low + high) / 2
        low, high = middle - span / 2, middle + span / 2
    return low, high


def _axis(title: str, span: Sequence[float] | None) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "title": {"text": _plain(title), "standoff": 8, "font": {"color": LIGHT.quiet}},
        "gridcolor": LIGHT.line,
        "zerolinecolor": LIGHT.line,
        "tickfont": {"color": LIGHT.quiet},
        "exponentformat": "SI",
        "nticks": 6,
        "automargin": True,
        "fixedrange": True,
    }
    if span is not None:
        axis["range"] = [float(span[0]), float(span[1])]
    return axis


def _plain(text: str) -> str:
    """A name as it is: plotly would take tags in it for its own."""
    short = text if len(text) <= 40 else text[:39] + "…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _figure(
    data: list[dict[str, Any]], *, x: dict[str, Any], y: dict[str, Any], alt: str
) -> Figure:
    layout = {
        "meta": {"alt": alt},
        "xaxis": x,
        "yaxis": y,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": LIGHT.ink, "size": 12},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": LIGHT.paper,
            "bordercolor": LIGHT.line,
            "font": {"color": LIGHT.ink, "size": 13},
            "align": "left",
        },
        "dragmode": False,
    }
    return {"data": data, "layout": layout}
