"""Figures as plain plotly dicts, defined once for the page, the report and the notebook.

Each function takes plain numbers and names and gives {"data": [...], "layout": {...}}, which
plotly draws as it is and `views.svg` draws without plotly. Both rely on this:

    ranges are always given; a log axis has its range in powers of ten, as in plotly
    texts are plotly's HTML, so every text from a table is escaped here, by `plain`
    colours are those of the theme given, and no others
    layout.meta.alt says in words what the figure shows

Numbers that are not finite are left out.
"""

import math
from collections.abc import Sequence

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views.format import adding_up, number
from deltarule.views.marks import (
    Figure,
    axis,
    bars,
    beside,
    beyond,
    figure,
    finite,
    inside,
    line,
    names_axis,
    near,
    note,
    plain,
    points,
    rule,
    span,
    within,
)
from deltarule.views.theme import LIGHT, Theme

# Losses that fall by more than this are shown on a log axis: else the end looks like zero.
LOG_FROM = 30.0
TREND_BINS = 12
INTERVAL_SHOWN = 4
ROOM_FOR_NUMBERS = 0.5


def predicted_against_actual(
    predictions: Array, targets: Array, *, target: str, theme: Theme = LIGHT
) -> Figure:
    """Each row's prediction over its target, and the line where the two are the same.

    Shapes:  predictions, targets (n,)
    """
    predictions, targets = finite(predictions, targets)
    low, high = near(np.concatenate([predictions, targets]))
    same = line([low, high], [low, high], theme.quiet, dash="dot")
    shown = points(targets, predictions, theme.model, _hover(targets, predictions))
    alt = f"{len(targets):,} rows: the prediction of {target} (up) over what it was (across)"
    return figure(
        [same, within(shown, (low, high), (low, high))],
        x=axis(f"actual {target}", low, high),
        y=axis(f"predicted {target}", low, high),
        theme=theme,
        alt=alt,
        notes=[
            inside(note(high, high, "prediction = target", theme.quiet, "right", "top")),
            *beyond(shown, (low, high), (low, high), theme),
        ],
    )


def predicted_by_answer(
    predictions: Array, targets: Array, *, target: str, theme: Theme = LIGHT
) -> Figure:
    """For a yes/no target: how the predictions of the yes rows and of the no rows are spread.

    Shapes:  predictions, targets (n,)
    """
    predictions, targets = finite(predictions, targets)
    edges = np.linspace(0.0, 1.0, 21)
    traces, notes, top = [], [], 0.0
    for rows, color, word in (
        (targets < 0.5, theme.delta, "no"),
        (targets >= 0.5, theme.model, "yes"),
    ):
        if not rows.any():
            continue
        share = np.histogram(predictions[rows], edges)[0] / rows.sum() * 100
        top = max(top, float(share.max()))
        traces.append(line(np.repeat(edges, 2)[1:-1], np.repeat(share, 2), color, width=2))
        at = int(share.argmax())
        middle = float(edges[at] + edges[at + 1]) / 2
        side = "left" if middle < 0.5 else "right"
        x = float(edges[at]) if side == "left" else float(edges[at + 1])
        notes.append(note(x, float(share[at]), f"{word} rows", color, side, "bottom"))
    alt = f"How predictions of {target} are spread, apart for rows whose answer is yes and no"
    return figure(
        traces,
        x=axis(f"predicted {target}", 0.0, 1.0),
        y=axis("% of the rows", 0.0, max(top, 1.0) * 1.12),
        theme=theme,
        alt=alt,
        notes=notes,
    )


def residuals(predictions: Array, deltas: Array, *, target: str, theme: Theme = LIGHT) -> Figure:
    """Each row's delta over its prediction, and the mean delta along the way.

    A mean that stays at 0 says that the model is right on average wherever it predicts.
    Shapes:  predictions, deltas (n,)
    """
    predictions, deltas = finite(predictions, deltas)
    across, up = near(predictions), near(np.append(deltas, 0.0))
    middles, means = _trend(predictions, deltas)
    shown = points(predictions, deltas, theme.model, _hover(predictions, deltas))
    traces, notes = [within(shown, across, up)], beyond(shown, across, up, theme)
    if len(middles) > 1:
        trend = within(line(middles, means, theme.delta, width=2), across, up)
        traces.append(trend)
        end = (trend["x"][-1], trend["y"][-1])
        notes.append(note(*end, "mean delta", theme.delta, "right", "bottom"))
    return figure(
        traces,
        x=axis(f"predicted {target}", *across),
        y=axis("delta = prediction - target", *up),
        theme=theme,
        alt=f"{len(deltas):,} rows: delta (up) over the prediction of {target} (across)",
        lines=[rule(theme, y=0.0)],
        notes=notes,
    )


def weights_with_intervals(
    names: Sequence[str],
    weights: Sequence[float],
    low: Sequence[float | None],
    high: Sequence[float | None],
    *,
    unit: str,
    theme: Theme = LIGHT,
) -> Figure:
    """Each weight as a point with its interval as a line, the first on top.

    To be compared they should be in the same unit, such as weight * spread of the input. Where an
    interval goes much further than any weight, it runs into the edge.
    """
    count = len(names)
    places = [count - 1 - at for at in range(count)]
    ends = [end for end in [*low, *high] if end is not None]
    # An interval of a weight that nothing is known of would leave no room for the others.
    most = INTERVAL_SHOWN * max(map(abs, weights), default=0.0)
    ends = [min(max(end, -most), most) for end in ends] if most else ends
    x_low, x_high = span(np.array([*weights, *ends, 0.0]))
    traces = [
        within(line([start, end], [place] * 2, theme.model, width=2), (x_low, x_high), (0, count))
        for place, start, end in zip(places, low, high, strict=True)
        if start is not None and end is not None
    ]
    hover = [
        f"{plain(name, 60)}: {number(weight)}"
        + ("" if start is None or end is None else f" ({number(start)} to {number(end)})")
        for name, weight, start, end in zip(names, weights, low, high, strict=True)
    ]
    dots = points(np.array(weights), np.array(places, float), theme.model, hover, size=8)
    dots["marker"]["opacity"] = 1
    return figure(
        [*traces, dots],
        x=axis(unit, x_low, x_high),
        y=names_axis(names, places),
        theme=theme,
        alt="Weights, the largest effect first, with their 95% intervals where they are known",
        lines=[rule(theme, x=0.0)],
    )


def errors(
    names: Sequence[str],
    sizes: Sequence[float],
    *,
    unit: str = "typical error",
    theme: Theme = LIGHT,
) -> Figure:
    """Errors as bars, the first on top: guessing first, so that the rest is beside it."""
    count = len(names)
    places = [count - 1 - at for at in range(count)]
    high = max(sizes) or 1.0
    traces = [
        bars(
            [0.0],
            [sizes[at]],
            [places[at]],
            theme.model if at else theme.quiet,
            [number(sizes[at])],
        )
        for at in range(count)
        if math.isfinite(sizes[at])
    ]
    notes = [beside(sizes[at], places[at], number(sizes[at]), theme) for at in range(count)]
    said = ", ".join(f"{name} {number(size)}" for name, size in zip(names, sizes, strict=True))
    return figure(
        traces,
        x=axis(unit, 0.0, high * (1 + ROOM_FOR_NUMBERS)),
        y=names_axis(names, places),
        theme=theme,
        alt=f"The {unit}: {said}",
        notes=notes,
    )


def loss_by_step(
    steps: Sequence[int], losses: Sequence[float], *, name: str = "loss", theme: Theme = LIGHT
) -> Figure:
    """The loss before each step."""
    at, values = finite(np.array(steps, float), np.array(losses, float))
    log = bool(len(values)) and values.min() > 0 and values.max() > LOG_FROM * values.min()
    x_low, x_high = span(at)
    y_low, y_high = span(np.log10(values) if log else np.append(values, 0.0), margin=0.1)
    if not log and (values >= 0).all():
        y_low = 0.0
    last = []
    if len(values):
        end = math.log10(values[-1]) if log else float(values[-1])
        last = [note(float(at[-1]), end, number(float(values[-1])), theme.model, "right", "top")]
    return figure(
        [
            {
                **line(at, values, theme.model, width=2),
                "hovertemplate": "step %{x}: %{y}<extra></extra>",
            }
        ],
        x=axis("step", x_low, x_high),
        y=axis(name, y_low, y_high, log=log),
        theme=theme,
        alt=f"The {name} (up) before each step (across)",
        notes=last,
    )


def waterfall(
    names: Sequence[str],
    totals: Sequence[float],
    *,
    unit: str,
    start: str = "average",
    least: float = 0.0,
    theme: Theme = LIGHT,
) -> Figure:
    """How a prediction comes about: a bar for what each column adds to the total so far.

    `totals` are the average, then the total after each of the names, and so end at the prediction.
    """
    parts, shown = adding_up(totals, least=least)
    count = len(names)
    labels = [start, *names, "prediction"]
    places = [count + 1 - at for at in range(count + 2)]
    low, high = span(np.array(totals))
    high += (high - low) * ROOM_FOR_NUMBERS
    traces = []
    for color, rises in ((theme.model, True), (theme.delta, False)):
        own = [at for at in range(count) if (totals[at + 1] >= totals[at]) == rises]
        traces.append(
            bars(
                [totals[at] for at in own],
                [totals[at + 1] - totals[at] for at in own],
                [places[at + 1] for at in own],
                color,
                [f"{plain(names[at], 60)}: {parts[at]}" for at in own],
            )
        )
    ends = points(
        np.array([totals[0], totals[-1]]),
        np.array([places[0], places[-1]], float),
        theme.ink,
        [f"average {shown[0]}", f"prediction {shown[-1]}"],
        size=9,
    )
    ends["marker"]["opacity"] = 1
    steps = [
        line([totals[at]] * 2, [places[at] - 0.28, places[at + 1] + 0.28], theme.quiet)
        for at in range(count + 1)
    ]
    notes = [beside(totals[at], places[at], shown[at], theme) for at in (0, -1)]
    notes += [
        beside(max(totals[at : at + 2]), places[at + 1], parts[at], theme) for at in range(count)
    ]
    said = ", ".join(f"{name} {part}" for name, part in zip(names, parts, strict=True))
    return figure(
        [*steps, *traces, ends],
        x=axis(unit, low, high),
        y=names_axis(labels, places),
        theme=theme,
        alt=f"Average {shown[0]}, {said}: prediction {shown[-1]}",
        notes=notes,
    )


def calibration(
    predicted: Sequence[float],
    observed: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    rows: Sequence[float],
    *,
    target: str,
    what: str = "yes",
    theme: Theme = LIGHT,
) -> Figure:
    """For rows predicted alike, the share of them that are yes, with its interval.

    On the line, what is predicted with 70% happens 70% of the time.
    """
    traces = [{**line([0, 1], [0, 1], theme.quiet, dash="dot"), "hoverinfo": "skip"}]
    traces += [
        line([x, x], [start, end], theme.model, width=2)
        for x, start, end in zip(predicted, low, high, strict=True)
    ]
    hover = [
        f"predicted {x:.1%}, happened {y:.1%} of {count:,.0f} rows"
        for x, y, count in zip(predicted, observed, rows, strict=True)
    ]
    dots = points(np.array(predicted), np.array(observed), theme.model, hover, size=8)
    dots["marker"]["opacity"] = 1
    return figure(
        [*traces, dots],
        x=axis(f"predicted {target}", 0.0, 1.0),
        y=axis(f"share that are {what}", 0.0, 1.0),
        theme=theme,
        alt=f"{target}: the share that are {what} (up) of rows predicted alike (across)",
        notes=[inside(note(1.0, 1.0, "as predicted", theme.quiet, "right", "top"))],
    )


def _hover(x: Array, y: Array) -> list[str]:
    return [f"{number(a)}, {number(b)}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def _trend(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """The mean of y over x, in parts of as many rows each."""
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, TREND_BINS) if len(part) >= 5]
    return [float(x[part].mean()) for part in parts], [float(y[part].mean()) for part in parts]
