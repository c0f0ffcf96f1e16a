"""Figures of drift: the score of each column, and the shares of rows before and now."""

from collections.abc import Sequence

import numpy as np

from deltarule.views.format import percent
from deltarule.views.marks import (
    Figure,
    axis,
    bars,
    beside,
    figure,
    line,
    names_axis,
    note,
    plain,
    points,
    rule,
)
from deltarule.views.theme import LIGHT, Theme

ROOM_FOR_NUMBERS = 0.25


def scores(names: Sequence[str], sizes: Sequence[float], *, theme: Theme = LIGHT) -> Figure:
    """The drift score of each column as a bar, the first on top, and a line where drift begins."""
    count = len(names)
    places = [count - 1 - at for at in range(count)]
    high = max([*sizes, 1.0])
    texts = [f"{plain(name, 60)}: {size:.2f}" for name, size in zip(names, sizes, strict=True)]
    traces = [
        bars([0.0], [size], [place], theme.delta if size >= 1 else theme.model, [told])
        for size, place, told in zip(sizes, places, texts, strict=True)
    ]
    notes = [
        beside(size, place, f"{size:.2f}", theme) for size, place in zip(sizes, places, strict=True)
    ]
    return figure(
        traces,
        x=axis("drift score", 0.0, high * (1 + ROOM_FOR_NUMBERS)),
        y=names_axis(names, places),
        theme=theme,
        alt="The drift score of each column: " + ", ".join(texts),
        lines=[rule(theme, x=1.0)],
        notes=notes,
    )


def shares_before_and_now(
    cells: Sequence[str],
    before: Sequence[float],
    now: Sequence[float],
    *,
    column: str,
    theme: Theme = LIGHT,
) -> Figure:
    """The share of rows in each cell, learnt from and now: two points, and a line between them."""
    count = len(cells)
    places = [count - 1 - at for at in range(count)]
    high = max([*before, *now]) * 100 or 1.0
    old, new = (np.array(one, dtype=float) * 100 for one in (before, now))
    at = np.array(places, dtype=float)
    between = [
        line([a, b], [place, place], theme.quiet, width=2)
        for a, b, place in zip(old, new, places, strict=True)
    ]
    traces = list(between)
    for values, color, word in ((old, theme.quiet, "learnt from"), (new, theme.delta, "now")):
        hover = [
            f"{plain(cell, 60)}: {percent(value / 100)} {word}"
            for cell, value in zip(cells, values.tolist(), strict=True)
        ]
        dots = points(values, at, color, hover, size=9)
        dots["marker"]["opacity"] = 1
        traces.append(dots)
    said = ", ".join(
        f"{plain(cell, 60)} {percent(a)} then {percent(b)}"
        for cell, a, b in zip(cells, before, now, strict=True)
    )
    top = float(places[0])
    side = ("right", "left") if old[0] <= new[0] else ("left", "right")
    return figure(
        traces,
        x=axis("% of rows", 0.0, high * (1 + ROOM_FOR_NUMBERS)),
        y=names_axis(cells, places),
        theme=theme,
        alt=f"The shares of rows of {plain(column, 60)}: {said}",
        notes=[
            {
                **note(float(old[0]), top, "learnt from", theme.quiet, side[0], "bottom"),
                "yshift": 6,
            },
            {**note(float(new[0]), top, "now", theme.delta, side[1], "bottom"), "yshift": 6},
        ],
    )
