"""Marks of the figures of learning, as plain plotly dicts, with the legend of each figure.

Colours are those of the light theme: ink for what is known, `model` for predictions, `weight` for
weights, `delta` for errors. Whoever shows a figure in another look swaps them, colour for colour.
Numbers that are not finite become gaps: JSON has none.

A legend is layout.meta.legend, one entry for each kind of mark: its shape, colour and words. The
page writes it beside the chart, where it takes no room from the axes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views.theme import LIGHT

Figure = dict[str, Any]
Entry = dict[str, str]

# Beyond it there is no room for axes.
LARGEST = 1e290
LONGEST_NAME = 40


def entry(mark: str, color: str, words: str) -> Entry:
    """A line of a legend. Marks: dot, ring, ball, open-ball, line, dash, cross, or a symbol."""
    return {"mark": mark, "color": color, "text": short(words)}


def figure(
    data: list[dict[str, Any]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    alt: str,
    legend: Sequence[Entry],
) -> Figure:
    """A whole figure: traces on two axes, what it shows in words, and its legend."""
    layout = {
        "meta": {"alt": alt, "legend": list(legend)},
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


def axis(title: str, span: Sequence[float] | None) -> dict[str, Any]:
    """An axis; its range, in powers of ten where it is logarithmic."""
    made: dict[str, Any] = {
        "title": {"text": plain(title), "standoff": 6, "font": {"color": LIGHT.quiet}},
        "gridcolor": LIGHT.line,
        "zerolinecolor": LIGHT.line,
        "tickfont": {"color": LIGHT.quiet},
        "exponentformat": "B",  # 2k, 2M, 2B: thousands, millions, billions
        "nticks": 6,
        # Labels that turn make room for themselves, turn back, and so on.
        "tickangle": 0,
        "automargin": True,
        "fixedrange": True,
    }
    if span is not None:
        made["range"] = [float(span[0]), float(span[1])]
        size = max(abs(span[0]), abs(span[1]))
        if not 1e-3 <= size < 1e15:
            made |= {"nticks": 4, "exponentformat": "power"}  # which are long
    return made


def short(text: str) -> str:
    """A name that is not too long."""
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def plain(text: str) -> str:
    """A name as it is: plotly would take tags in it for its own."""
    return short(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ball(color: str, *, hollow: bool = False) -> dict[str, Any]:
    """The marker of where learning stands; hollow for another run."""
    if hollow:
        return {"color": LIGHT.paper, "size": 12, "line": {"color": color, "width": 2.5}}
    return {"color": color, "size": 13, "line": {"color": LIGHT.paper, "width": 2}}


def dots(
    x: Array, y: Array, hover: Sequence[str], chosen: int, *, color: str = LIGHT.ink
) -> dict[str, Any]:
    """Rows as points that say their arithmetic, the chosen one larger."""
    size = 9 if len(x) <= 60 else 6
    marker = {
        "color": color,
        "opacity": [1.0 if at == chosen else 0.45 for at in range(len(x))],
        "size": [size + 4 if at == chosen else size for at in range(len(x))],
    }
    return points(x, y, marker, text=hover, chosen=list(range(len(x))))


def points(
    x: Any,
    y: Any,
    marker: dict[str, Any],
    *,
    text: Sequence[str] | None = None,
    chosen: list[int] | None = None,
) -> dict[str, Any]:
    """Points; with texts they show one each, and `chosen` says which row each of them is."""
    made = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(x),
        "y": numbers(y),
        "marker": marker,
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    if text is None:
        return made
    shown = {"text": list(text), "hovertemplate": "%{text}<extra></extra>", "customdata": chosen}
    return made | shown | {"hoverinfo": "text"}


def curve(
    x: Any, y: Any, color: str, *, width: float, dash: str = "solid", opacity: float = 1.0
) -> dict[str, Any]:
    """A line through points."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x),
        "y": numbers(y),
        "line": {"color": color, "width": width, "dash": dash},
        "opacity": opacity,
        "hoverinfo": "skip",
    }


def drawable(values: Array) -> Array:
    """Those of the numbers that can be drawn."""
    fine: Array = values[np.abs(values) < LARGEST]
    return fine


def numbers(values: Any) -> list[float | None]:
    """Numbers as JSON has them: those that are not finite, or beyond drawing, are gaps."""
    return [float(v) if abs(v) < LARGEST else None for v in values]


def window(targets: Array, predictions: Array, reached: Array | None = None) -> tuple[float, float]:
    """From the least to the largest target, and further where predictions leave it by far.

    It has room for what was `reached`, and widens in powers of 2, so that it does not tremble from
    step to step.
    """
    low, high = float(np.min(targets)), float(np.max(targets))
    room = (high - low) * 0.08 or abs(high) * 0.25 or 1.0
    # Amounts begin at nothing, where that is not far off.
    low, high = (0.0 if 0 <= low < 0.25 * high else low - room), high + room
    span = high - low
    if reached is not None:
        far = drawable(reached[np.isfinite(reached)])
        low -= _doubled(span, low - float(far.min(initial=low)))
        high += _doubled(span, float(far.max(initial=high)) - high)
    seen = drawable(predictions)
    span = high - low
    for _ in range(900):
        over = seen.size and (seen.max() > high + span * 0.5 or seen.min() < low - span * 0.5)
        if not over or span > 1e290:
            break
        span *= 2
        middle = (low + high) / 2
        low, high = middle - span / 2, middle + span / 2
    return low, high


def _doubled(span: float, beyond: float) -> float:
    """How much more than a span is needed, in quarters of it that double."""
    if beyond <= 0:
        return 0.0
    quarters = 4 * beyond / span
    # Beyond so many no power of 2 is a number.
    return span / 4 * 2.0 ** max(0, math.ceil(math.log2(quarters))) if quarters < 1e300 else beyond
