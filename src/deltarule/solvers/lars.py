"""LARS: the lasso path from knot to knot, from the correlation matrix of the inputs.

With C the correlation of p inputs and s their X'y, the KKT conditions at a strength are

        left = s - C @ w is strength * relative * sign(w)   for the active set (weights not zero)
        abs(left) <= strength * relative                    for the others

    The path is piecewise linear in the strength; at a knot an input enters the active set or leaves
    it.

Shapes: p inputs, m knots, s strengths.
Source: Osborne, Presnell & Turlach 2000; Efron, Hastie, Johnstone & Tibshirani 2004
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import LearningError
from deltarule.rule.predict import Array, Mask

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Knots:
    """One output's piecewise-linear path: the weights at its knots.

    Shapes:  strengths (m,), falling; weight (m, p), in the inputs' own units
    """

    strengths: Array
    weight: Array

    def at(self, strengths: Array) -> Array:
        """The weights at any strengths from the last knot's up, interpolated: (s,) -> (s, p)."""
        if len(self.strengths) == 1:
            return np.repeat(self.weight, len(strengths), axis=0)
        after = np.searchsorted(-self.strengths, -strengths, side="right")
        after = np.clip(after, 1, len(self.strengths) - 1)
        above, below = self.strengths[after - 1], self.strengths[after]
        share = np.clip((above - strengths) / (above - below), 0.0, 1.0)[:, None]
        weight: Array = (1 - share) * self.weight[after - 1] + share * self.weight[after]
        return weight


class LarsPath:
    """The LARS state of one output: the active set, its Cholesky factor, and the next knot.

    `on` are the a active inputs, in the order they entered, and `factor` the Cholesky factor of
    their correlation, in the upper left (a, a); `sign` is the sign constraint of a weight, 0 where
    there is none.
    """

    # Gaps that close slower than this close by rounding alone.
    STILL = 1e-13
    # Knots this close, relative to the strength, are ties.
    TIE = 1e-12
    # Collinear: the residual variance of an input given the active set, in units of rounding.
    DEPENDENT = 8
    # At one strength an input may enter or leave at most this often.
    TURNS = 8

    def __init__(self, correlation: Array, slope: Array, positive: Mask) -> None:
        p = len(slope)
        self.correlation, self.slope, self.positive = correlation, slope, positive
        self.weight = np.zeros(p)
        self.on: list[int] = []
        self.factor = np.zeros((p, p), order="F")
        self.active = np.zeros(p, dtype=bool)
        self.dependent = np.zeros(p, dtype=bool)
        self.sign = np.zeros(p)

    def free(self, inputs: NDArray[np.intp]) -> None:
        """Solve for the weights of unpenalised inputs."""
        for at in inputs:
            self._join(int(at), 0.0)
        if self.on:
            self.weight[self.on] = self._solve(self.slope[self.on])

    def top(self, relative: Array) -> float:
        """The smallest strength at which the active set is empty."""
        left = self.slope - self.correlation @ self.weight
        size = np.where(self.positive, left, np.abs(left))
        tops = np.divide(size, relative, out=np.zeros_like(size), where=relative > 0)
        return float(np.max(tops, initial=0.0))

    def down(self, relative: Array, stop: float) -> Knots:
        """The knots from where the first input enters down to `stop`, which is the last of them.

        Ties are broken by the lowest index, which prevents cycling (Murty 1974) but for rounding;
        hence the limit of TURNS.
        """
        here = self.top(relative)
        if here <= stop:
            return Knots(np.array([stop]), self.weight[None])
        floor = max(stop, self.STILL * here)
        still = self.STILL * float(np.max(relative[relative < np.inf]))
        strengths, weights = [here], [self.weight.copy()]
        turns = np.zeros(len(relative))
        for _ in range(1000 + 100 * len(relative)):
            gap, closing, side, move = self._ahead(relative, here)
            held = self.dependent | (self.positive & (side < 0)) | (turns >= self.TURNS)
            may = ~held & (closing > still) & (closing < np.inf)
            falls = np.divide(gap, closing, out=np.full(len(gap), np.inf), where=may)
            fall = max(float(np.min(falls)), 0.0)
            last = here - fall <= floor
            if last:
                fall = here - stop
            self.weight += fall * move
            # Clip sign changes that are rounding, above all for weights constrained to be positive.
            self.weight[self.sign * self.weight < 0] = 0.0
            turning = int(np.argmax(falls <= fall + self.TIE * here))
            if not last:
                self._turn(turning, side[turning])
            if fall > 0:
                here = stop if last else here - fall
                strengths.append(here)
                weights.append(self.weight.copy())
                turns[:] = 0
            turns[turning] += 1
            if last:
                return Knots(np.array(strengths), np.array(weights))
        raise LearningError(
            "the lasso path does not settle: the inputs nearly depend on each other; "
            "add a ridge, such as 1e-6"
        )

    def _ahead(self, relative: Array, here: float) -> tuple[Array, Array, Array, Array]:
        """Each input's distance to its next knot, its closing rate, the side, and the direction.

        Active inputs turn where their weight is zero, the others where `left` reaches its bound.
        Computed from the current weights, not a line's ends: those cancel where inputs are alike.
        """
        move = np.zeros(len(relative))
        left, change = self.slope, move
        if self.on:
            on = np.array(self.on)
            both = np.empty((2, len(on)))
            pull = self.sign[on] * np.where(self.sign[on] == 0, 0.0, relative[on])
            both[0] = move[on] = self._solve(pull)
            both[1] = self.weight[on]
            change, explained = both @ self.correlation[on]
            left = self.slope - explained
        side = np.where(self.active, self.sign, np.sign(left - here * change))
        gap = np.where(self.active, side * self.weight, here * relative - side * left)
        closing = np.where(self.active, -side * move, relative - side * change)
        return gap, closing, side, move

    def _turn(self, at: int, side: float) -> None:
        if self.active[at]:
            self._leave(at)
        else:
            self._join(at, side)

    def _join(self, at: int, sign: float) -> None:
        """Add an input to the active set, unless it is collinear with it."""
        size = len(self.on)
        row = self._reduce(self.correlation[self.on, at])
        by = self._reduce(row, trans=1)
        unexplained = float(self.correlation[at, at] - row @ row)
        if unexplained <= self.DEPENDENT * EPS * (1 + float(by @ by)):
            self.dependent[at] = True
            return
        self.factor[size, :size], self.factor[size, size] = row, np.sqrt(unexplained)
        self.on.append(at)
        self.active[at], self.sign[at] = True, sign

    def _leave(self, at: int) -> None:
        self.on.remove(at)
        from scipy.linalg import lapack

        square = self.correlation[np.ix_(self.on, self.on)]
        self.factor[: len(square), : len(square)], _ = lapack.dpotrf(square, lower=1)
        self.active[at], self.sign[at], self.weight[at] = False, 0.0, 0.0
        # An input collinear with the old active set may not be with the new one.
        self.dependent[:] = False

    def _reduce(self, side: Array, *, trans: int = 0) -> Array:
        """Triangular solve with the factor, or its transpose: (a,)."""
        if not len(side):
            return side
        from scipy.linalg import lapack

        # Leading columns are contiguous: nothing is copied.
        columns = self.factor[:, : len(side)]
        reduced: Array = lapack.dtrtrs(columns, side, lower=1, trans=trans)[0]
        return reduced

    def _solve(self, side: Array) -> Array:
        return self._reduce(self._reduce(side), trans=1)
