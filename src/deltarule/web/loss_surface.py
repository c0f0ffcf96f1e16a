"""Loss surface: the error over one weight or two, the others fixed.

Under squared loss the error is quadratic, so the gradient and the Hessian give it exactly:

    error(w + a u + b v) = error(w) + 2 (a g.u + b g.v) + a^2 u.H u + 2 a b u.H v + b^2 v.H v

with g the weight_delta, H the Hessian, and u, v the directions of the two weights in the units of
the steps. Other losses are evaluated on some of the rows that are drawn, at a coarse grid that
cubic splines make finer: they are smooth.

What is drawn is the cut through the current weights, and the lowest point of that cut. Of
standardised inputs it fixes the prediction of the mean row rather than the intercept, as the steps
do, unless the intercept is one of the two. Over the weights of two inputs both axes have the same
length in the units of the steps, so that steps cross the rings at right angles.

Shapes: q = p + intercept; grid (b, a).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array, Weights
from deltarule.web.row_view import ViewData
from deltarule.web.session import Session
from deltarule.web.timeline import PathPoint

FINE, COARSE = 81, 41
ROUGH, SMOOTH = 25, 73
# The rows that a loss without moments is evaluated on over two weights, shared by the outputs.
MOST_ROWS = 340
# The half width of the plot, relative to the distance covered.
ROOM = 1.2
# The least half width, in scales of a weight: where the minimum is known, and where it is not.
LEAST, LEAST_UNKNOWN = 0.25, 2.0
# Axes whose lengths differ by more have no common one that shows anything of both.
MOST_APART = 50.0
# The condition number of a cut that is flat along a line, and the share of an axis that is no more
# than a line's width.
FLAT, SAME = 1e14, 0.004
# A minimum further off than so many scales of a weight is left out of its axis.
FAR = 10.0


@dataclass(frozen=True)
class LossSurface:
    """The error over one weight, `error` (a,), or over two, (b, a), and the path of learning.

    `lowest` is the lowest point of the cut, where it is known or (without moments) in sight, and
    `whole` whether no other weights lower the error further. `way` are the points of the path,
    `way_errors` the error there, `past` the number of them before the current step. `other_ways`
    are the points of other paths.
    """

    across: Array
    up: Array | None
    error: Array
    here: tuple[float, float | None]
    error_here: float
    lowest: tuple[float, float | None] | None
    whole: bool
    way: Array
    way_errors: Array
    past: int
    other_ways: Sequence[Array] = ()


def loss_surface(
    session: Session,
    drawn: ViewData,
    output: int,
    chosen: Sequence[int | None],
    others: Sequence[Sequence[PathPoint]] = (),
) -> LossSurface:
    """The loss surface over the weights of one input or two; None stands for the intercept.

    `others` are paths that are to be seen in it, too.
    """
    passed = session.walk.path
    way, *other_ways = (
        np.array([[_weight(one.weights, place, output) for place in chosen] for one in path])
        for path in (passed, *others)
    )
    errors = np.array([session.error(one.loss) for one in passed])
    past = int(np.searchsorted([one.number for one in passed], session.at.number, side="right"))
    here = [_weight(session.at.weights, place, output) for place in chosen]
    best = session.best
    goal = None if best is None else [_weight(best, place, output) for place in chosen]
    seen = np.concatenate([way[: max(past, 1)], *other_ways])
    cut = Cut(session, drawn, output, chosen)
    with np.errstate(all="ignore"):
        lowest = cut.lowest(here)
    axes = _axes(session, chosen, seen, [here, lowest or here], goal)
    size = FINE if len(axes) == 1 else COARSE if session.choices.squared else SMOOTH
    grids = [np.linspace(low, high, size) for low, high in axes]
    offsets = [grid - at for grid, at in zip(grids, here, strict=True)]
    with np.errstate(all="ignore"):
        error = cut.error(offsets)
    if not session.choices.squared:
        lowest = _lowest_drawn(grids, error)
    low = None if lowest is None else (lowest[0], lowest[1] if len(lowest) > 1 else None)
    return LossSurface(
        across=grids[0],
        up=grids[1] if len(grids) > 1 else None,
        error=error,
        here=(here[0], here[1] if len(here) > 1 else None),
        error_here=session.error(session.at.now.loss),
        lowest=low,
        whole=lowest is not None and (_all_shown(session, chosen) or _whole(lowest, goal, axes)),
        way=way,
        way_errors=errors,
        past=past,
        other_ways=other_ways,
    )


def _weight(weights: Weights, place: int | None, output: int) -> float:
    if place is None:
        return float(weights["intercept"][output]) if "intercept" in weights else 0.0
    return float(weights["weight"][place, output])


def _axes(
    session: Session,
    chosen: Sequence[int | None],
    seen: Array,
    held: Sequence[Sequence[float]],
    goal: Sequence[float] | None,
) -> list[tuple[float, float]]:
    """The ranges of the axes: those of two inputs as long as each other, in units of the steps.

    `held` are points to have in them, beside the path.
    """
    points = np.array(held)
    axes = [
        _axis(
            seen[:, at], points[:, at], None if goal is None else goal[at], _reach(session, place)
        )
        for at, place in enumerate(chosen)
    ]
    inputs = [place for place in chosen if place is not None]
    if len(inputs) < 2:
        return [(middle - width, middle + width) for middle, width in axes]
    middles, widths = (np.array(part) for part in zip(*axes, strict=True))
    units = session.problem.standard.spread[inputs]
    common = float(np.max(widths * units))
    if common > MOST_APART * float(np.min(widths * units)):
        # As long as the shorter one. Where the other's minimum is then out of sight, the path is
        # in the middle.
        passed = float(np.max(np.abs(seen - seen[0]) * units)) * ROOM
        common = max(float(np.min(widths * units)), passed if np.isfinite(passed) else 0.0)
        middles = np.where(np.abs(middles - seen[0]) * units > common, seen[0], middles)
    halves = np.minimum(common / units, 1e300)
    return [(float(m - half), float(m + half)) for m, half in zip(middles, halves, strict=True)]


def _axis(seen: Array, held: Array, goal: float | None, reach: float) -> tuple[float, float]:
    """The middle of an axis, and half its length: the path on either side, and a margin.

    It widens in powers of 2, so that it is stable from step to step.
    """
    begin = float(seen[0])
    if goal is not None and abs(goal - begin) > FAR * reach:
        goal = None
    middle = goal if goal is not None else begin
    near = held[np.abs(held - begin) <= FAR * reach]
    far = np.abs(np.concatenate([seen, near]) - middle)
    far = far[np.isfinite(far)]
    least = reach * (LEAST_UNKNOWN if goal is None else LEAST)
    needed = max(float(far.max(initial=0.0)), least)
    start = max(abs(begin - middle), least)
    width = start * 2.0 ** math.ceil(math.log2(max(needed / start, 1.0)) - 1e-9)
    return middle, min(width * ROOM, 1e300)


def _reach(session: Session, place: int | None) -> float:
    """The scale of a weight: the target's standard deviation over its input's."""
    problem = session.problem
    spread = 1.0 if place is None else float(problem.problem.spread[place])
    moved = 1.0
    if session.choices.squared:
        targets = problem.problem.targets / problem.problem.rows
        moved = float(np.sqrt(np.max(targets)) * np.max(problem.problem.target_scale))
    return (moved or 1.0) / (spread or 1.0)


def _lowest_drawn(grids: Sequence[Array], error: Array) -> list[float] | None:
    """The lowest point of what is drawn, between the points of the grid; None at an edge."""
    values = error.T if error.ndim > 1 else error
    if not np.isfinite(values).all():
        return None
    place = np.unravel_index(int(values.argmin()), values.shape)
    lowest = []
    for axis, (grid, at) in enumerate(zip(grids, place, strict=True)):
        if not 0 < at < len(grid) - 1:
            return None
        line = values[tuple(slice(None) if other == axis else i for other, i in enumerate(place))]
        before, middle, after = line[at - 1 : at + 2]
        bend = before - 2 * middle + after
        shift = (before - after) / (2 * bend) if bend > 0 else 0.0
        lowest.append(float(grid[at] + shift * (grid[1] - grid[0])))
    return lowest


def _all_shown(session: Session, chosen: Sequence[int | None]) -> bool:
    """Whether the weights of the axes are all that there are."""
    problem = session.problem
    weights = len(problem.standard.spread) + problem.model.intercept
    return len(chosen) == weights and session.at.weights["weight"].shape[1] == 1


def _whole(
    lowest: Sequence[float], goal: Sequence[float] | None, axes: Sequence[tuple[float, float]]
) -> bool:
    """Whether the cut's lowest point is where all weights together have the least error."""
    return goal is not None and all(
        abs(low - best) <= SAME * (end - begin)
        for low, best, (begin, end) in zip(lowest, goal, axes, strict=True)
    )


@dataclass(frozen=True)
class Cut:
    """The cut of an output's loss through the current weights, along those of one axis or two."""

    session: Session
    drawn: ViewData
    output: int
    chosen: Sequence[int | None]

    def error(self, offsets: Sequence[Array]) -> Array:
        """The error where these weights are off by so much: (a,) or (b, a)."""
        if self.session.choices.squared:
            return self._exact(offsets)
        return self.by_rows(offsets) if len(offsets) == 1 else self._smooth(offsets)

    def lowest(self, here: Sequence[float]) -> list[float] | None:
        """The lowest point of the cut by its curvature; None for a cut that is flat along a line.

        Of a loss without moments it is sought in what is drawn.
        """
        if not self.session.choices.squared:
            return None
        _, g, C = self._quadratic
        size = np.linalg.norm(self._directions, axis=1)
        U = self._directions / size[:, None]  # inputs may be of quite other sizes
        curved = U @ C @ U.T
        if not np.isfinite(curved).all() or np.linalg.cond(curved) > FLAT:
            return None
        return [float(at) for at in np.array(here) - np.linalg.solve(curved, U @ g) / size]

    @cached_property
    def _quadratic(self) -> tuple[float, Array, Array]:
        """The loss at the current weights, its gradient (q,) and its Hessian (q, q)."""
        problem = self.session.problem
        weights = problem.standard.into(self.session.at.weights)
        comparison = problem.objective(weights, hessian=True).average()
        assert comparison.hessian is not None, "moments and rows are curved"
        gradient = stack(comparison.weight_delta)[:, self.output]
        return comparison.loss, gradient, comparison.hessian[self.output]

    @cached_property
    def _directions(self) -> Array:
        """The directions of the weights in the units of the steps: (axes, q)."""
        problem = self.session.problem
        intercept = problem.model.intercept
        directions = np.zeros((len(self.chosen), len(problem.standard.spread) + intercept))
        for direction, place in zip(directions, self.chosen, strict=True):
            if place is None:
                direction[-1] = 1.0
                continue
            direction[place] = problem.standard.spread[place]
            if intercept and None in self.chosen:
                direction[-1] = problem.standard.mean[place]
        return directions

    def _exact(self, offsets: Sequence[Array]) -> Array:
        loss, g, C = self._quadratic
        ways = self._directions
        along = [2 * (g @ u) * a + (u @ C @ u) * a**2 for u, a in zip(ways, offsets, strict=True)]
        error = 2 * loss + along[0]
        if len(ways) > 1:
            u, v = ways
            across, up = offsets
            error = error[None, :] + along[1][:, None] + 2 * (u @ C @ v) * np.outer(up, across)
        floor: Array = np.maximum(error, 0.0)
        return floor

    def _smooth(self, offsets: Sequence[Array]) -> Array:
        error = self.by_rows([np.linspace(offset[0], offset[-1], ROUGH) for offset in offsets])
        finer = _splines(ROUGH, SMOOTH)
        smooth: Array = finer @ error @ finer.T
        if not np.isfinite(smooth).all():
            smooth = np.repeat(np.repeat(error, 3, axis=0), 3, axis=1)[1:-1, 1:-1]
        return smooth

    def by_rows(self, offsets: Sequence[Array]) -> Array:
        """The same by some of the rows: the mean loss at each of these offsets."""
        problem, drawn, chosen = self.session.problem, self.drawn, self.chosen
        some = np.arange(len(drawn.inputs))
        if len(chosen) > 1:
            # Drawn by chance: every second row of a table may be of one kind.
            most = MOST_ROWS // drawn.targets.shape[1]
            some = np.sort(np.random.default_rng(0).permutation(some)[:most])
        inputs, actual = drawn.inputs[some], drawn.targets[some]
        scores = problem.model.predict(self.session.at.weights, inputs)
        centre = problem.standard.mean * (problem.model.intercept and None not in chosen)
        columns = [np.ones(len(scores)) if p is None else inputs[:, p] - centre[p] for p in chosen]
        moved = np.multiply.outer(offsets[0], columns[0])
        if len(columns) > 1:
            moved = moved[None, :, :] + np.multiply.outer(offsets[1], columns[1])[:, None, :]
        points = moved.reshape(-1, len(scores))
        every = np.repeat(scores[None], len(points), axis=0)
        every[:, :, self.output] += points
        flat = every.reshape(-1, scores.shape[1])
        targets = np.tile(actual, (len(points), 1))
        values = problem.loss.value(flat, targets).reshape(len(points), len(scores)).mean(axis=1)
        here = float(problem.loss.value(scores, actual).mean())
        # Rows not drawn, and a penalty, shift the surface: it must match the current error.
        error: Array = problem.loss.error_scale * (values - here + self.session.at.now.loss)
        return error.reshape(moved.shape[:-1])


@cache
def _splines(knots: int, points: int) -> Array:
    """Natural cubic splines through values at even knots, at even points: (points, knots)."""
    from scipy.interpolate import CubicSpline

    through = CubicSpline(np.arange(knots), np.eye(knots), bc_type="natural")
    splines: Array = through(np.linspace(0.0, knots - 1.0, points))
    return splines
