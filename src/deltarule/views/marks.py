"""Marks: what figures are made of, as pieces of plotly dicts: points, lines, notes, axes."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from deltarule.rule.predict import Array, Mask
from deltarule.views.format import on_one_line
from deltarule.views.theme import FONT, FONT_SIZE, Theme

Figure = dict[str, Any]

LONGEST_NAME = 26
LONGEST_TICK = 44
"""Names on an axis may take two lines."""
LONGEST_TITLE = 48
MONTHS_APART = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
RANGE_MARGIN = 0.04
# Of so many points, this share at either end may be left on the edge of a range.
FAR_FROM, FAR, ROOM_FOR_FAR = 50, 0.005, 0.2


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """A text of a table, for a figure: on one line, not too long, escaped.

    >>> plain("</script> & more")
    '&lt;/script&gt; &amp; more'
    """
    return escape(shorter(on_one_line(text), longest), quote=False)


def shorter(line: str, longest: int) -> str:
    """A line cut in its middle: names often differ only at their end.

    >>> shorter("category(month(release_date)) = 05", 20)
    'category(mo…e)) = 05'
    """
    if len(line) <= longest:
        return line
    end = (longest - 1) * 2 // 5 + 1
    return f"{line[: longest - 1 - end]}…{line[len(line) - end :]}" if longest > 2 else "…"


def in_two_lines(line: str, longest: int) -> list[str]:
    """A name in one line, or in two parted at a space or bracket; cut where they do not do.

    >>> in_two_lines("genre = Romantic Comedy", 16)
    ['genre', '= Romantic Comedy']
    """
    if len(line) <= longest:
        return [line]
    breaks = [at for at in range(1, len(line)) if line[at - 1] in " :(-/," and line[at - 2] != "="]
    middle = min(breaks, key=lambda at: abs(at - len(line) / 2), default=0)
    parts = [line[:middle].strip(), line[middle:].strip()]
    if not middle or max(map(len, parts)) > longest + 2:
        return [shorter(line, longest)]
    return parts


def figure(
    data: list[Figure],
    *,
    x: Figure,
    y: Figure,
    theme: Theme,
    alt: str,
    lines: Sequence[Figure] = (),
    notes: Sequence[Figure] = (),
) -> Figure:
    """A whole figure: traces on two axes, with lines and notes, and what it shows in words."""
    thin = {
        "gridcolor": theme.line,
        "linecolor": theme.line,
        "zeroline": False,
        "automargin": True,
        "separatethousands": True,
    }
    quiet = {"color": theme.quiet, "size": FONT_SIZE - 1}
    axes = {
        name: {**thin, **axis, "tickfont": quiet, "title": {"text": axis["title"], "font": quiet}}
        for name, axis in (("xaxis", x), ("yaxis", y))
    }
    layout = {
        **axes,
        "font": {"family": FONT, "size": FONT_SIZE, "color": theme.ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 16, "b": 44},
        "showlegend": False,
        "hoverlabel": {"bgcolor": theme.paper, "font": {"color": theme.ink}},
        "shapes": list(lines),
        "annotations": list(notes),
        "meta": {"alt": plain(alt, 2000)},
    }
    return {"data": data, "layout": layout}


def axis(title: str, low: float, high: float, *, log: bool = False) -> Figure:
    """An axis from low to high, which are powers of ten where it is logarithmic."""
    return {
        "title": plain(title, LONGEST_TITLE),
        "range": [low, high],
        "type": "log" if log else "linear",
    }


def date_axis(title: str, low: float, high: float) -> Figure:
    """An axis of days since 1970, marked at the first days of years or months.

    >>> date_axis("released", 0.0, 3653.0)["ticktext"]
    ['1970', '1972', '1974', '1976', '1978', '1980']
    """
    first, last = (np.datetime64(round(end), "D").astype("datetime64[M]") for end in (low, high))
    months = np.arange(first, last + 1)
    few = next((every for every in MONTHS_APART if len(months) / every <= 6), MONTHS_APART[-1])
    marked = months[months.astype(int) % few == 0]
    marked = marked[marked.astype("datetime64[D]").astype(int) >= low]
    texts = [str(month)[: 4 if few >= 12 else 7] for month in marked]
    days = marked.astype("datetime64[D]").astype(int).tolist()
    return {**axis(title, low, high), "tickvals": days, "ticktext": texts}


def names_axis(names: Sequence[str], places: Sequence[int]) -> Figure:
    """An axis of names at whole numbers: names may repeat."""
    shown = {"tickvals": list(places), "ticktext": [plain(name, LONGEST_TICK) for name in names]}
    return {**axis("", min(places) - 0.6, max(places) + 0.6), **shown, "showgrid": False}


def points(
    x: Array, y: Array, color: str, hover: Sequence[str] | None, *, size: float = 5
) -> Figure:
    """Points: the more there are, the more of what lies behind each shows through.

    Shapes:  x, y (n,)
    """
    opacity = max(0.25, min(0.8, 18 / math.sqrt(len(x) + 1)))
    trace: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": x.tolist(),
        "y": y.tolist(),
        "marker": {"color": color, "size": size, "opacity": round(opacity, 2)},
    }
    if hover is None:
        return {**trace, "hoverinfo": "skip"}
    return {**trace, "text": list(hover), "hovertemplate": "%{text}<extra></extra>"}


def seen_at(values: Array, ends: tuple[float, float], foot: float, theme: Theme) -> Figure:
    """Short ticks along the bottom: where rows are.

    Shapes:  values (n,)
    """
    within_ends = values[(values >= ends[0]) & (values <= ends[1])]
    ticks = points(within_ends, np.full(len(within_ends), foot), theme.quiet, None, size=6)
    ticks["marker"] |= {"symbol": "line-ns-open", "opacity": 0.5}
    return ticks


def bars(
    base: Sequence[float],
    length: Sequence[float],
    place: Sequence[float],
    color: str,
    hover: Sequence[str],
) -> Figure:
    """Level bars, each from its base."""
    return {
        "type": "bar",
        "orientation": "h",
        "y": list(place),
        "x": list(length),
        "base": list(base),
        "width": 0.55,
        "marker": {"color": color},
        "text": list(hover),
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def line(x: Any, y: Any, color: str, *, width: float = 1, dash: str = "solid") -> Figure:
    """A line through points."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [float(one) for one in x],
        "y": [float(one) for one in y],
        "line": {"color": color, "width": width, "dash": dash},
        "hoverinfo": "skip",
    }


def rule(theme: Theme, *, x: float | None = None, y: float | None = None) -> Figure:
    """A line across the whole figure, up or level."""
    line = {"color": theme.quiet, "width": 1, "dash": "dot"}
    if x is not None:
        return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def note(x: float, y: float, text: str, color: str, across: str, up: str) -> Figure:
    """A text beside a point, in place of a legend."""
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "xanchor": across,
        "yanchor": up,
        "font": {"color": color, "size": FONT_SIZE - 1},
    }


def finite(x: Array, y: Array) -> tuple[Array, Array]:
    """The pairs of which both are finite.

    Shapes:  x, y (n,) -> (m,), (m,)
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    good: Mask = np.isfinite(x) & np.isfinite(y)
    return x[good], y[good]


def span(values: Array, margin: float = RANGE_MARGIN) -> tuple[float, float]:
    """A range with all the finite values inside, and some room around them."""
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = (high / 2 - low / 2) * 2 * margin or abs(high) * 0.1 or 1.0
    return (low - room, high + room) if math.isfinite(high - low + 2 * room) else (low, high)


def near(values: Array) -> tuple[float, float]:
    """A range for points: of all of them, or of nearly all where a few are far out."""
    values = values[np.isfinite(values)]
    low, high = span(values)
    if len(values) < FAR_FROM:
        return low, high
    inner = span(np.quantile(values, [FAR, 1 - FAR]), margin=ROOM_FOR_FAR)
    wide = max(low, inner[0]), min(high, inner[1])
    # Halves, as the width of a range may be larger than the largest number.
    return wide if wide[1] / 2 - wide[0] / 2 < (high / 2 - low / 2) * 0.7 else (low, high)


def within(trace: Figure, across: tuple[float, float], up: tuple[float, float]) -> Figure:
    """The trace with what lies outside of these ranges moved to their edge."""
    x, y = (np.clip(trace[a], *ends).tolist() for a, ends in (("x", across), ("y", up)))
    return {**trace, "x": x, "y": y}


def inside(at_the_end: Figure) -> Figure:
    """A note on a rising line's end, moved to the left so that it stands above the line."""
    return {**at_the_end, "xshift": -18}


def beside(end: float, place: float, text: str, theme: Theme) -> Figure:
    """A number on the right of a bar or point."""
    return {**note(end, place, text, theme.ink, "left", "middle"), "xshift": 7}


def beyond(
    shown: Figure, across: tuple[float, float], up: tuple[float, float], theme: Theme
) -> list[Figure]:
    """How many points stand on the edge because they are further out."""
    x, y = np.array(shown["x"]), np.array(shown["y"])
    out = (x < across[0]) | (x > across[1]) | (y < up[0]) | (y > up[1])
    count = int(out.sum())
    if not count:
        return []
    words = f"{count:,} {'row is' if count == 1 else 'rows are'} further out"
    return [note(across[1], up[0], words, theme.quiet, "right", "bottom")]
