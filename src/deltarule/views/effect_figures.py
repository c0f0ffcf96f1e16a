"""Figures of effects: how the prediction goes with one column while the others stay average.

Plain plotly dicts, as all figures are: see views/figures.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views.format import number
from deltarule.views.marks import (
    Figure,
    axis,
    date_axis,
    figure,
    finite,
    line,
    names_axis,
    note,
    plain,
    points,
    rule,
    seen_at,
    span,
)
from deltarule.views.theme import LIGHT, Theme


def effect_of_number(
    values: Array,
    predictions: Array,
    *,
    column: str,
    target: str,
    average: float,
    rows: Array | None = None,
    dates: bool = False,
    theme: Theme = LIGHT,
) -> Figure:
    """The prediction as one column goes through its range while the others stay at their average.

    `rows` are values of the column on some rows, drawn as ticks along the bottom. With
    `dates` values are days since 1970.
    Shapes:  values, predictions (m,)
    """
    values, predictions = finite(values, predictions)
    x_low, x_high = span(values)
    y_low, y_high = span(np.append(predictions, average), margin=0.12)
    traces = [
        {
            **line(values, predictions, theme.model, width=2.5),
            "hovertemplate": "%{x}: %{y}<extra></extra>",
        }
    ]
    if rows is not None and len(rows):
        traces.append(seen_at(rows, (x_low, x_high), y_low + (y_high - y_low) * 0.02, theme))
    return figure(
        traces,
        x=(date_axis if dates else axis)(column, x_low, x_high),
        y=axis(f"predicted {target}", y_low, y_high),
        theme=theme,
        alt=f"The prediction of {target} (up) as {column} goes through its range (across)",
        lines=[rule(theme, y=average)],
    )


def effect_on_classes(
    values: Array,
    predictions: Mapping[str, Array],
    *,
    column: str,
    target: str,
    rows: Array | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """How likely each class is as one column goes through its range.

    `rows` are values of the column on some rows, drawn as ticks along the bottom.
    Shapes:  values (m,), predictions (m,) for each class
    """
    x_low, x_high = span(values)
    colors = (theme.model, theme.delta, theme.ink, theme.quiet)
    traces, notes = [], []
    for at, (name, line_of) in enumerate(predictions.items()):
        color = colors[at % len(colors)]
        x, y = finite(values, line_of)
        dash = "solid" if at < len(colors) else "dot"
        traces.append(line(x, y, color, width=2, dash=dash))
        if len(y):
            top = int(np.argmax(y))
            side = "left" if x[top] < (x_low + x_high) / 2 else "right"
            notes.append(note(float(x[top]), float(y[top]), plain(name), color, side, "bottom"))
    if rows is not None and len(rows):
        traces.append(seen_at(rows, (x_low, x_high), -0.01, theme))
    return figure(
        traces,
        x=axis(column, x_low, x_high),
        y=axis(f"predicted {target}", -0.03, 1.12),
        theme=theme,
        alt=f"How likely each {target} is (up) as {column} goes through its range (across)",
        notes=notes,
    )


def effect_of_levels(
    levels: Sequence[str],
    predictions: Sequence[float],
    *,
    column: str,
    target: str,
    average: float,
    theme: Theme = LIGHT,
) -> Figure:
    """The prediction for each level of a column while the others stay at their average."""
    count = len(levels)
    places = [count - 1 - at for at in range(count)]
    low, high = span(np.array([*predictions, average]), margin=0.08)
    stems = [
        line(
            [average, value],
            [place, place],
            theme.model if value >= average else theme.delta,
            width=2,
        )
        for place, value in zip(places, predictions, strict=True)
    ]
    traces = []
    for color, above in ((theme.model, True), (theme.delta, False)):
        own = [at for at in range(count) if (predictions[at] >= average) == above]
        hover = [f"{plain(levels[at], 60)}: {number(predictions[at])}" for at in own]
        x, y = (np.array([of[at] for at in own], float) for of in (predictions, places))
        traces.append(points(x, y, color, hover, size=8))
        traces[-1]["marker"]["opacity"] = 1
    return figure(
        [*stems, *traces],
        x=axis(f"predicted {target}", low, high),
        y=names_axis(levels, places),
        theme=theme,
        alt=f"The prediction of {target} for each level of {column}",
        lines=[rule(theme, x=average)],
    )
