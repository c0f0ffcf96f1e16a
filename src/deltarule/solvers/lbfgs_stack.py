"""L-BFGS of several fits at once, whose gradients come side by side from one pass over the rows.

Fits that share rows, such as those of cross-validation, differ in few of them: their steps keep
pace, and one product of the rows with the weights of all of them takes a third of the time of one
for each. What is done with a fit is what `Lbfgs` does.

Shapes: m fits, d weights of each, (q, k) flattened
Source:  Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.4
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array, Mask
from deltarule.solvers.fit_metrics import FitMetrics
from deltarule.solvers.lbfgs import BENT, ENOUGH, PAIRS
from deltarule.solvers.newton import SHORTEST

Gradients = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]
"""The mean losses (a,) and their gradients (a, d), penalties included, of some of the fits at their
weights (a, d)."""

Preconditioner = Callable[[Array], Array]
"""The product of the inverse of what stands for the Hessian with gradients: (a, d) -> (a, d)."""

# Where losses are rounded, a step is enough that leaves at most this share of its slope, turned.
TURNED = 0.9
# How many pairs stand for the Hessian there, beside a metric.
SINGLE_PAIRS = 10


@dataclass(frozen=True)
class StackedPair:
    """A step of each fit and the change of its gradient: (m, d).

    scale (m,) is one over their product, 0 where a fit has no such pair.
    """

    step: Array
    change: Array
    scale: Array

    @property
    def single(self) -> "StackedPair":
        """The pairs in single precision."""
        return StackedPair(_single(self.step), _single(self.change), _single(self.scale))

    def of(self, fits: NDArray[np.intp] | Mask) -> "StackedPair":
        """The pairs of some fits."""
        return StackedPair(self.step[fits], self.change[fits], self.scale[fits])

    def with_diagonal(self, more: Array) -> "StackedPair":
        """The pairs of an objective whose Hessian has this diagonal besides: (d,)."""
        return stacked_pair(self.step, self.change + more * self.step, self.scale > 0)


def stacked_pair(step: Array, change: Array, there: Mask) -> StackedPair:
    """The pairs of these steps, of the fits that are `there`, unless they are rounding."""
    bent, most = _products(step, change), _products(change, change)
    known = there & (bent > BENT * most)
    return StackedPair(step, change, np.divide(1.0, bent, out=np.zeros_like(bent), where=known))


@dataclass(frozen=True)
class StackedFits:
    """Each fit's weights (m, d), whether it converged (m,), the last pairs of all, the passes."""

    weights: Array
    settled: Mask
    pairs: tuple[StackedPair, ...]
    steps: int


def with_ridge(objective: Gradients, diagonal: Array, held: Mask) -> Gradients:
    """The objective with a ridge of this diagonal (d,), without the weights held: (m, d)."""

    def penalised(weights: Array, fits: NDArray[np.intp]) -> tuple[Array, Array]:
        loss, gradient = objective(weights, fits)
        gradient = np.where(held[fits], 0.0, gradient + diagonal * weights)
        return loss + weights**2 @ diagonal / 2, gradient

    return penalised


@dataclass(frozen=True)
class LbfgsStack:
    """L-BFGS of all fits; those that have converged take no more part.

    A fit converges when its largest gradient is at most `tolerance` times its `steep`, which where
    NaN is that at the start; or, without, when the decrease that its step promises is at most
    `tolerance` times that of its first one.
    """

    objective: Gradients
    metric: Preconditioner | None = None
    pairs: Sequence[StackedPair] = ()
    steps: int = 300
    tolerance: float = 1e-6
    steep: Array | None = None
    rounded: bool = False
    """Whether rows are in single precision, so that gradients alone tell how good a step is."""

    def run(self, start: Array) -> StackedFits:
        """The weights at the optimum, or the best ones on the way there."""
        weights, settled = start.copy(), np.zeros(len(start), dtype=bool)
        many, given = SINGLE_PAIRS if self.rounded else PAIRS, self.pairs
        if self.rounded:
            given = [one.single for one in given]
        every, history = (deque(given, maxlen=many) for _ in range(2))
        search, small, metric = _LineSearch.at(start), np.empty(0), self.metric
        for number in range(self.steps):
            taken, pair = search.compare(
                *self.objective(search.point, search.fits), rounded=self.rounded
            )
            if number:
                pair = pair.single if self.rounded else pair
                history.append(pair)
                every.append(_spread(pair, search.fits, len(start)))
            self._turn(search, taken, history, metric)
            sizes = self._sizes(search)
            if not number:
                small = self.tolerance * self._references(sizes)
            done = taken & (sizes <= small[search.fits])
            weights[search.fits] = np.where(done[:, None], search.point, search.base)
            settled[search.fits] = done
            if done.all():
                break
            if done.any():
                search = search.of(~done)
                history = deque((one.of(~done) for one in history), maxlen=many)
                metric = metric.among(~done) if isinstance(metric, FitMetrics) else metric
        return StackedFits(weights, settled, tuple(every), number + 1)

    def _turn(
        self,
        search: "_LineSearch",
        taken: Mask,
        pairs: Sequence[StackedPair],
        metric: Preconditioner | None,
    ) -> None:
        """New directions, as rounded as the gradients are."""
        gradient = _single(search.gradient) if self.rounded else search.gradient
        search.turn(taken, directions(gradient, pairs, metric))

    def _sizes(self, search: "_LineSearch") -> Array:
        """What convergence is judged by: the largest gradient, or the decrease that is promised."""
        if self.steep is None:
            return search.promised
        largest: Array = np.abs(search.gradient).max(axis=1, initial=0.0)
        return largest

    def _references(self, first: Array) -> Array:
        """What those are relative to, from the first ones."""
        return first if self.steep is None else np.where(np.isnan(self.steep), first, self.steep)


@dataclass
class _LineSearch:
    """Backtracking of each fit: its base, the loss and gradient there, its direction and share.

    `promised` is the directional derivative at the base, negated.
    """

    fits: NDArray[np.intp]
    base: Array
    loss: Array
    gradient: Array
    direction: Array
    share: Array
    promised: Array

    @classmethod
    def at(cls, start: Array) -> "_LineSearch":
        """Before the first step: any loss is lower."""
        none, m = np.zeros_like(start), len(start)
        return cls(np.arange(m), start, np.full(m, np.inf), none, none, np.ones(m), np.zeros(m))

    @property
    def point(self) -> Array:
        """The weights that are tried."""
        return self.base - self.share[:, None] * self.direction

    def compare(self, loss: Array, gradient: Array, *, rounded: bool) -> tuple[Mask, StackedPair]:
        """Which fits take the point that was tried as their base, and the pairs of these steps.

        A step that did not lower the loss is shortened. Of a convex loss its slope says as much.
        """
        with np.errstate(invalid="ignore"):
            # Written as "not below" so that a loss that is not a number counts as raised.
            enough = self.loss - ENOUGH * self.share * self.promised + 1e-12 * np.abs(self.loss)
            taken: Mask = (loss <= enough) | np.isinf(self.loss)
            if rounded:
                taken = taken | (_products(gradient, self.direction) >= -TURNED * self.promised)
        step = _kept(taken, -self.share[:, None] * self.direction, 0.0)
        change = _kept(taken, gradient - self.gradient, 0.0)
        shorter = _shorter(loss - self.loss, self.promised, self.share)
        self.base = _kept(taken, self.point, self.base)
        self.gradient = _kept(taken, gradient, self.gradient)
        self.loss = np.where(taken, loss, self.loss)
        self.share = np.where(taken, 1.0, shorter)
        return taken, stacked_pair(step, change, taken)

    def turn(self, taken: Mask, direction: Array) -> None:
        """A new direction of the fits that took a step."""
        self.direction = _kept(taken, direction, self.direction)
        self.promised = np.where(taken, _products(self.gradient, self.direction), self.promised)

    def of(self, going: Mask) -> "_LineSearch":
        """That of some fits."""
        return _LineSearch(
            fits=self.fits[going],
            base=self.base[going],
            loss=self.loss[going],
            gradient=self.gradient[going],
            direction=self.direction[going],
            share=self.share[going],
            promised=self.promised[going],
        )


def directions(
    gradient: Array, pairs: Sequence[StackedPair], metric: Preconditioner | None
) -> Array:
    """H @ gradient of each fit by the two-loop recursion: (m, d).

    A fit without a pair has the gradient in the metric's stead, not longer than 1.
    """

    def measured(direction: Array) -> Array:
        # Weights that are frozen have no gradient, and no direction.
        return direction if metric is None else np.where(gradient == 0, 0.0, metric(direction))

    direction, shares = gradient.copy(), deque[Array]()
    scale = np.ones(len(gradient), dtype=gradient.dtype)
    if metric is None:
        scale = 1 / np.maximum(1.0, np.linalg.norm(gradient, axis=1))
    for pair in reversed(pairs):
        share = pair.scale * _products(pair.step, direction)
        shares.appendleft(share)
        direction -= share[:, None] * pair.change
    if pairs:
        last = _last(pairs)
        bent = last.scale * _products(last.change, measured(last.change))
        scale = np.divide(1.0, bent, out=scale, where=bent > 0)
    direction = measured(direction) * scale[:, None]
    for pair, share in zip(pairs, shares, strict=True):
        direction += (share - pair.scale * _products(pair.change, direction))[:, None] * pair.step
    return direction


def _last(pairs: Sequence[StackedPair]) -> StackedPair:
    """Each fit's last pair."""
    last = pairs[-1]
    for pair in reversed(pairs):
        lacking = last.scale == 0
        if not lacking.any():
            break
        last = StackedPair(
            _kept(lacking, pair.step, last.step),
            _kept(lacking, pair.change, last.change),
            np.where(lacking, pair.scale, last.scale),
        )
    return last


def _shorter(rise: Array, promised: Array, share: Array) -> Array:
    """As `Taken.shorter`: the minimiser of the parabola through both losses and the slope."""
    with np.errstate(all="ignore"):
        least = promised * share**2 / (2 * (rise + promised * share))
    least = np.where(np.isfinite(rise) & np.isfinite(least), least, 0.0)
    return np.minimum(np.maximum(least, share * SHORTEST), share / 2)


def _spread(pair: StackedPair, fits: NDArray[np.intp], many: int) -> StackedPair:
    """The pairs of some fits as those of all."""
    if len(fits) == many:
        return pair
    step, change = (np.zeros((many, pair.step.shape[1]), pair.step.dtype) for _ in range(2))
    scale = np.zeros(many, pair.scale.dtype)
    step[fits], change[fits], scale[fits] = pair.step, pair.change, pair.scale
    return StackedPair(step, change, scale)


def _single(array: Array) -> Array:
    """An array in single precision, which stands in for one in double."""
    return cast(Array, array.astype(np.float32))


def _products(one: Array, other: Array) -> Array:
    """The inner product of each fit: (m,)."""
    found: Array = np.matmul(one[:, None, :], other[:, :, None])[:, 0, 0]
    return found


def _kept(which: Mask, one: Array, other: Array | float) -> Array:
    """`one` of these fits, `other` of the rest."""
    if which.all():
        return one
    return np.where(which[:, None], one, other)
