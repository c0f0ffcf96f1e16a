"""Figures of descent: the error over one weight or two, with the path in it, and by step.

Colours, legends and gaps are those of `learning_marks`. Another run beside the one shown, such as
that of a second alpha, is a `Course`.

Shapes: a, b grid lines.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views.learning_marks import (
    Entry,
    Figure,
    axis,
    ball,
    curve,
    drawable,
    entry,
    figure,
    points,
)
from deltarule.views.theme import LIGHT

# Error bowls are deep: their rings are drawn at these shares of the way down.
RINGS = 16


@dataclass(frozen=True)
class Course:
    """The path of another run: its points, and where it stands if it goes on beside this one.

    Shapes:  x, y (points,)
    """

    name: str
    x: Array
    y: Array
    here: tuple[float, float] | None = None

    def marks(self, color: str) -> list[dict[str, Any]]:
        """Dashed and hollow where it goes on, dotted and faint where it was left."""
        if self.here is None:
            return [curve(self.x, self.y, color, width=1.5, dash="dot", opacity=0.6)]
        here = points([self.here[0]], [self.here[1]], ball(color, hollow=True))
        return [curve(self.x, self.y, color, width=2, dash="dash"), here]

    def entry(self, color: str) -> Entry:
        """Its line of a legend."""
        return entry("dash" if self.here is None else "open-ball", color, self.name)


def parabola(
    across: Array,
    error: Array,
    *,
    weight: str,
    here: tuple[float, float],
    way: tuple[Array, Array],
    past: int,
    floor: tuple[float, float] | None,
    what: str,
    whole: bool = True,
    others: Sequence[Course] = (),
) -> Figure:
    """The error over one weight, its floor, where learning stands in it, and the way it came.

    `whole` says whether the floor is that of all weights, or of this cut through them.
    Shapes:  across, error (a,); way: weights and errors passed, the first `past` of them by now
    """
    seen = drawable(np.append(error, here[1]))
    low, high = float(seen.min()), float(seen.max())
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    mark, symbol = _floor(floor, across[[0, -1]].tolist(), [-math.inf, math.inf])
    steps = {"color": LIGHT.weight, "size": 6, "opacity": 0.55}
    data = [
        curve(across, error, LIGHT.delta, width=2.5),
        points(way[0][past:], way[1][past:], steps | {"opacity": 0.15}),
        curve(way[0][:past], way[1][:past], LIGHT.weight, width=1.5),
        points(way[0][:past], way[1][:past], steps),
        *mark,
        *[mark for other in others for mark in other.marks(LIGHT.weight)],
        points([here[0]], [here[1]], ball(LIGHT.weight)),
    ]
    return figure(
        data,
        x=axis(f"weight of {weight}", [float(across[0]), float(across[-1])]),
        y=axis(what, [low - room, high + room]),
        alt=f"A bowl: the {what} over the weight of {weight}, now at {here[0]:.6g}",
        legend=[
            entry("line", LIGHT.delta, "error"),
            *_legend(symbol, others, whole=whole),
        ],
    )


def contour(
    across: Array,
    up: Array,
    error: Array,
    *,
    weights: tuple[str, str],
    here: tuple[float, float],
    way: Array,
    past: int,
    floor: tuple[float, float] | None,
    whole: bool = True,
    others: Sequence[Course] = (),
) -> Figure:
    """The error over two weights, seen from above, and the way learning goes in it.

    `whole` says whether the floor is that of all weights, or of this cut through them. A floor
    beyond the axes is marked at the edge, by a triangle that points to it.
    Shapes:  across (a,), up (b,), error (b, a); way (points, 2)
    """
    # Rings at even steps of the root: as far apart as the slope is steep.
    deep = np.sqrt(np.maximum(error - np.nanmin(error), 0.0))
    deep = deep / (np.nanmax(deep) or 1.0)
    rings = {
        "type": "contour",
        "x": [float(v) for v in across],
        "y": [float(v) for v in up],
        "z": [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in deep],
        "colorscale": [[0.0, LIGHT.paper], [1.0, LIGHT.line]],
        "contours": {"start": 1 / RINGS, "end": 1, "size": 1 / RINGS},
        "line": {"width": 0.7, "color": LIGHT.quiet, "smoothing": 1},
        "showscale": False,
        "hoverinfo": "skip",
    }
    mark, symbol = _floor(floor, across[[0, -1]].tolist(), up[[0, -1]].tolist())
    data = [
        rings,
        curve(way[past - 1 :, 0], way[past - 1 :, 1], LIGHT.weight, width=1, opacity=0.25),
        curve(way[:past, 0], way[:past, 1], LIGHT.weight, width=2),
        points(way[:past, 0], way[:past, 1], {"color": LIGHT.weight, "size": 5}),
        *mark,
        *[mark for other in others for mark in other.marks(LIGHT.weight)],
        points([here[0]], [here[1]], ball(LIGHT.weight)),
    ]
    return figure(
        data,
        x=axis(f"weight of {weights[0]}", [float(across[0]), float(across[-1])]),
        y=axis(f"weight of {weights[1]}", [float(up[0]), float(up[-1])]),
        alt=f"A bowl from above: the error over the weights of {weights[0]} and {weights[1]}, "
        f"now at {here[0]:.6g} and {here[1]:.6g}",
        legend=[
            entry("rings", LIGHT.quiet, "equal error"),
            *_legend(symbol, others, whole=whole),
        ],
    )


def _floor(
    floor: tuple[float, float] | None, across: Sequence[float], up: Sequence[float]
) -> tuple[list[dict[str, Any]], str]:
    """The mark of the lowest point, and its symbol: a triangle at the edge where it is beyond."""
    if floor is None or not all(map(math.isfinite, floor)):
        return [], ""
    x, y = floor
    symbol, name = "x-thin", "cross"
    if not across[0] <= x <= across[1]:
        symbol, name = ("triangle-left", "left") if x < across[0] else ("triangle-right", "right")
    if not up[0] <= y <= up[1]:
        symbol, name = ("triangle-down", "down") if y < up[0] else ("triangle-up", "up")
    at = min(max(x, across[0]), across[1]), min(max(y, up[0]), up[1])
    size = 10 if name == "cross" else 14
    marker = {"symbol": symbol, "size": size, "color": LIGHT.ink}
    marker["line"] = {"color": LIGHT.ink, "width": 2}
    return [points([at[0]], [at[1]], marker)], name


def _legend(floor: str, others: Sequence[Course], *, whole: bool) -> list[Entry]:
    """The entries of a bowl; `floor` is the symbol of its floor, empty where none is known."""
    name = "floor" if whole else "floor of this cut"
    said = {"": [], "cross": [entry("cross", LIGHT.ink, name)]}
    return [
        *said.get(floor, [entry(f"triangle-{floor}", LIGHT.ink, "floor, far off")]),
        entry("ball", LIGHT.weight, "steps"),
        *[other.entry(LIGHT.weight) for other in others],
    ]


def error_by_step(
    steps: Array,
    errors: Array,
    *,
    here: int,
    unseen: Array | None = None,
    what: str,
    others: Sequence[Course] = (),
) -> Figure:
    """The error after each step, up to the furthest, and where learning stands.

    Shapes:  steps, errors (points,)
    """
    every = [errors, *[other.y for other in others], *([] if unseen is None else [unseen])]
    shown = drawable(np.concatenate([part[part > 0] for part in every]))
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 10.0)
    at_here = float(np.interp(here, steps, errors)) if steps.size else 0.0
    data = [
        *([] if unseen is None else [curve(steps, unseen, LIGHT.delta, width=2, dash="dash")]),
        *[mark for other in others for mark in other.marks(LIGHT.delta)],
        curve(steps, errors, LIGHT.delta, width=2.5),
        points([float(here)], [at_here], ball(LIGHT.delta)),
    ]
    last = max(float(steps[-1]), 1.0, *[float(other.x[-1]) for other in others if other.x.size])
    legend = [entry("line", LIGHT.delta, "error, rows it learns from")]
    if unseen is not None:
        legend.append(entry("dash", LIGHT.delta, "error, held-out rows"))
    return figure(
        data,
        x=axis("step", [-last * 0.02, last * 1.02]),
        y=_error_axis(low, high),
        alt=f"The {what} from step 0 to step {last:.0f}, now at step {here}",
        legend=[*legend, *[other.entry(LIGHT.delta) for other in others]],
    )


def _error_axis(low: float, high: float) -> dict[str, Any]:
    """In powers of ten where the error falls by far."""
    made = axis("", [low, high])
    if low > 0 and high / 20 > low:
        powers = [math.log10(low), math.log10(high)]
        made |= {"type": "log", "range": [powers[0] - 0.15, powers[1] + 0.15]}
        return made | {
            "exponentformat": "power",
            "dtick": max(1, round((powers[1] - powers[0]) / 4)),
        }
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    return made | {"range": [low - room, high + room]}
