"""The steps of online learning: exact under squared loss, those of the rule for other losses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.errors import DivergedError, LearningError, ValueRefusedError
from deltarule.model.online_rows import OnlineRows
from deltarule.model.predictor import Predictor
from deltarule.model.record import unpack, unpack_window
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.least_squares import solve
from deltarule.solvers.recursive import Form, Recursion, SquareRoot, Window, square_root

# How far a model's predictions may be from those of its moments, relative to the targets' spread.
SAME = 1e-6
# The default alpha on standardised inputs, over the curvature at the mean.
USUAL = 0.01
# What rounding leaves of a number of rows.
WHOLE = 1e-10
# How far a row may be from the mean, in spreads: squares of many such have room.
LARGEST = 1e125
TOO_FAR = "a row is so far off that its squares are beyond all numbers: fix or remove it"


@dataclass(frozen=True)
class StreamSettings:
    """How rows count: all alike, by half-life, the last ones alone; alpha for steps of the rule.

    Errors:  LearningError
    """

    half_life: float | None = None
    window: int | None = None
    alpha: float | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.half_life, self.window, self.alpha)) > 1:
            raise LearningError(
                "a half-life, a window and an alpha are three ways to forget: give one of them"
            )
        for name in ("half_life", "window", "alpha"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise LearningError(f"{name} is {value!r}: it must be a number above 0")
            if not np.isfinite(value) or (name == "window" and value != int(value)):
                raise LearningError(f"{name} is {value!r}: it must be a whole number of rows")

    def __str__(self) -> str:
        if self.half_life is not None:
            return f"a half-life of {self.half_life:,g} rows"
        if self.window is not None:
            return f"a window of {self.window:,} rows"
        return "all rows alike" if self.alpha is None else f"alpha {self.alpha:g}"

    @property
    def forgets(self) -> bool:
        """Whether rows lose weight, so that no sums can be kept of them."""
        return self.half_life is not None or self.window is not None or self.alpha is not None


class ExactSteps:
    """Least squares of all rows, or of those that a half-life or a window leaves."""

    def __init__(self, predictor: Predictor, settings: StreamSettings) -> None:
        record = predictor.record
        p, k = len(record.contract.inputs), len(record.contract.outputs)
        moments = total([unpack(one, p + k) for one in record.moments])
        self.intercept = bool(record.intercept)
        ridge = record.learnt[0].ridge
        spread = np.sqrt(np.maximum(moments.cross.diagonal(), 0.0) / moments.rows) * moments.scale
        if not self.intercept:
            spread = np.hypot(spread, moments.mean * moments.scale)
        self.spread = np.where(spread > 0, spread, 1.0)
        centre = moments.mean * moments.scale if self.intercept else np.zeros(p + k)
        self.centre, self._per = centre, 1 / self.spread
        self.p, self.k = p, k
        self.form = Form(p + self.intercept, k, self.intercept, ridge)
        gram = self._gram(moments)
        # The constant stands first where it is of the design, else between inputs and targets.
        self._row = np.ones(1 + p + k)
        self._design = slice(0, p + self.intercept)
        self._inputs = slice(self.intercept, self.intercept + p)
        self._goal = slice(1 + p, None)
        self._constant = 0 if self.intercept else p
        before = record.streamed
        same = before is not None and before.window == settings.window
        last = unpack_window(before, p + k) if before is not None and same else None
        self.recursion: Recursion = self._recursion(gram, settings, last)
        self.weights = self._solved()

    def _gram(self, moments: Moments) -> Array:
        """The squares and products of the rows learnt from, standardised, with the constant."""
        moved = moments.about(self.centre)
        unit = self.spread / moved.scale
        mean = (moved.mean + moved.rest) / unit
        cross = np.asarray(moved.cross) / np.outer(unit, unit)
        row = np.concatenate([[1.0], mean])
        gram = moments.rows * np.outer(row, row)
        gram[1:, 1:] += cross
        if not self.intercept:
            order = [*range(1, 1 + self.p), 0, *range(1 + self.p, len(gram))]
            gram = gram[np.ix_(order, order)]
        return gram

    def _standardised(self, last: Array) -> Array:
        """The rows that `last` gives as they are learnt: (r, d)."""
        rows = np.ones((len(last), len(self._row)))
        own = (last[:, 1:] - self.centre) * self._per
        rows[:, self._inputs], rows[:, self._goal] = own[:, : self.p], own[:, self.p :]
        return rows * last[:, :1]

    @property
    def last(self) -> Array | None:
        """The rows of a window in own units, (r, 1 + p + k): root weight, inputs, targets."""
        if not isinstance(self.recursion, Window):
            return None
        rows = self.recursion.last
        root = rows[:, self._constant, None]
        own = np.hstack([rows[:, self._inputs], rows[:, self._goal]]) / root
        return np.hstack([root, own * self.spread + self.centre])

    def _recursion(self, gram: Array, settings: StreamSettings, last: Array | None) -> Recursion:
        if settings.window is not None:
            last = None if last is None else self._standardised(last)
            return Window(gram, self.form, rows=int(settings.window), last=last)
        decay = 1.0 if settings.half_life is None else 2 ** (-1 / settings.half_life)
        return SquareRoot(square_root(gram), self.form, decay=decay)

    def _solved(self) -> Array:
        weights = self.recursion.weights()
        return self._shortest() if weights is None else weights

    def _shortest(self) -> Array:
        """The weights where inputs are collinear: of all that predict the same, the smallest."""
        p, k = self.p, self.k
        problem = LeastSquares.of(
            self.moments(), range(p), range(p, p + k), intercept=self.intercept
        )
        found = solve(problem, ridge=self.form.ridge).weights
        weights = found["weight"] * self.spread[:p, None] / self.spread[p:]
        if not self.intercept:
            return weights
        start = found["intercept"] + self.centre[:p] @ found["weight"] - self.centre[p:]
        return np.vstack([start / self.spread[p:], weights])

    def moments(self) -> Moments:
        """The moments of the rows, in the inputs' own units."""
        gram = self.recursion.gram
        order = [*range(*self._inputs.indices(len(gram))), *range(1 + self.p, len(gram))]
        rows = float(gram[self._constant, self._constant])
        if abs(rows - round(rows)) < WHOLE * rows:
            rows = float(round(rows))
        mean = gram[self._constant, order] / rows
        cross = gram[np.ix_(order, order)] - rows * np.outer(mean, mean)
        # A sum of squares that rounding left below 0 is none.
        cross[np.diag_indices_from(cross)] = np.maximum(cross.diagonal(), 0.0)
        rest = np.zeros_like(mean)
        return Moments(rows, mean, rest, cross, self.spread).about(-self.centre)

    def check(self, rows: OnlineRows) -> None:
        """Refuse rows that `learn` would refuse, before any of them is learnt.

        Errors:  ValueRefusedError for a row too far off to square
        """
        with np.errstate(over="ignore", invalid="ignore"):
            own = np.hstack([rows.inputs, rows.targets - rows.offsets[:, None]])
            own = (own - self.centre) * self._per
            sizes = np.linalg.norm(own, axis=1) * np.sqrt(np.maximum(rows.each, 1.0))
        if not (sizes < LARGEST).all():
            raise ValueRefusedError(TOO_FAR)

    def learn(self, x: Array, t: Array, each: float, offset: float) -> tuple[Array, Array]:
        """Learn a row; the prediction before it, and prediction - target.

        Errors:  ValueRefusedError for a row too far off to square
        """
        row, p = self._row, self.p
        row[self._constant] = 1.0
        inputs, goal = row[self._inputs], row[self._goal]
        root = each**0.5
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(x, self.centre[:p], out=inputs)
            inputs *= self._per[:p]
            np.subtract(t, self.centre[p:], out=goal)
            if offset:
                goal -= offset
            goal *= self._per[p:]
            size = float(np.linalg.norm(row)) * max(root, 1.0)
        if not size < LARGEST:
            raise ValueRefusedError(TOO_FAR)
        prediction = row[self._design] @ self.weights
        prediction *= self.spread[p:]
        prediction += self.centre[p:]
        if offset:
            prediction += offset
        if root != 1.0:
            row *= root
        self.recursion.add(row)
        self.weights = self._solved()
        return prediction, prediction - t

    def out(self, weights: Array, centre: Array | float = 0.0) -> Weights:
        """Weights in the inputs' own units, of inputs measured from a centre (p,)."""
        unit, own = self.spread, weights[int(self.intercept) :]
        weight = own * unit[self.p :] / unit[: self.p, None]
        if not self.intercept:
            return {"weight": weight}
        start = weights[0] * unit[self.p :] + self.centre[self.p :]
        return {"weight": weight, "intercept": start + (centre - self.centre[: self.p]) @ weight}

    def differs(self, weights: Weights) -> bool:
        """Whether weights predict the rows otherwise than the exact ones do."""
        mine, p = self.out(self.weights), self.p
        problem = LeastSquares.of(
            self.moments(), range(p), range(p, p + self.k), intercept=self.intercept
        )
        apart = {name: mine[name] - weights[name] for name in mine}
        w, off = apart["weight"] * problem.scale[:, None] / problem.target_scale, problem.mean
        squares = np.einsum("jo,jo->o", w, problem.gram @ w)
        if self.intercept:
            moved = off @ w + apart["intercept"] / problem.target_scale
            squares = squares + problem.rows * moved**2
        return bool((squares > SAME**2 * problem.targets).any())


class RuleSteps:
    """One step of the rule for each row: weight -= alpha * delta * input.

    With an alpha on inputs as they stand, without on standardised ones. Steps are of the loss
    alone: a penalty has no part in them.
    """

    def __init__(self, predictor: Predictor, settings: StreamSettings) -> None:
        record = predictor.record
        self.loss = predictor.loss
        p = len(record.contract.inputs)
        self.intercept = bool(record.intercept)
        own = settings.alpha is not None
        spread = np.array(record.spreads)
        self.spread = np.ones(p) if own else np.where(spread > 0, spread, 1.0)
        self.centre = np.zeros(p) if own or not self.intercept else np.array(record.means)
        self.alpha = self._usual(record.target_means) if settings.alpha is None else settings.alpha
        weights = predictor.weights
        weight = weights["weight"] * self.spread[:, None]
        if self.intercept:
            start = weights["intercept"] + self.centre @ weights["weight"]
            weight = np.vstack([start, weight])
        self.weights: Array = weight

    def _usual(self, means: Sequence[float]) -> float:
        """The default alpha.

        Errors:  LearningError where the loss has no curvature to set it by
        """
        mean = np.array(means)[None]
        with np.errstate(all="ignore"):
            curve = np.abs(self.loss.hessian(self.loss.link(mean), mean)).max()
        if not (np.isfinite(curve) and curve > 0):
            raise LearningError(
                f"{self.loss.name} loss has no curvature that alpha could be set by: name the "
                "learning rate (--alpha)"
            )
        return float(USUAL / curve)

    def check(self, rows: OnlineRows) -> None:
        """Whether a step has finite weights is known when it is made: nothing is refused before."""

    def learn(self, x: Array, t: Array, each: float, offset: float) -> tuple[Array, Array]:
        """Learn a row; the prediction before it, and prediction - target.

        Errors:  DivergedError where the weights would not be finite
        """
        z = (x - self.centre) / self.spread
        if self.intercept:
            z = np.concatenate([[1.0], z])
        with np.errstate(over="ignore", invalid="ignore"):
            score = (z @ self.weights + offset)[None]
            prediction = self.loss.link.inverse(score)[0]
            slope = self.loss.delta(score, t[None])[0]
            learnt = self.weights - (self.alpha * each) * np.outer(z, slope)
            delta = prediction - t
            known = np.isfinite(learnt).all() and np.isfinite(delta * delta).all()
        if not known:
            raise DivergedError(
                f"the step of alpha {self.alpha:g} leaves no finite weights: give a smaller --alpha"
            )
        self.weights = learnt
        return prediction, delta

    def out(self, weights: Array, centre: Array | float = 0.0) -> Weights:
        """Weights in the inputs' own units, of inputs measured from a centre (p,)."""
        if not self.intercept:
            return {"weight": weights / self.spread[:, None]}
        weight = weights[1:] / self.spread[:, None]
        return {"weight": weight, "intercept": weights[0] + (centre - self.centre) @ weight}
