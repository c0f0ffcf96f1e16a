"""The walk from knot to knot of a lasso path, on the inputs' correlation alone.

With C the correlation of p inputs and s their slope, the best weights at a strength are those where

    left = s - C @ w is strength * relative * sign(w)   for inputs whose weight is not zero
    abs(left) <= strength * relative                    for the others

As the strength falls, weights move on straight lines; at a knot an input joins those that have a
weight, or leaves them.

Shapes: p inputs, m knots, s strengths.
Source: Osborne, Presnell & Turlach 2000; Efron, Hastie, Johnstone & Tibshirani 2004
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from deltarule.errors import LearningError
from deltarule.rule.predict import Array, Mask

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Knots:
    """Where one output's weights turn: between its knots they move on straight lines.

    Shapes:  strengths (m,), falling; weight (m, p), in the inputs' own units
    """

    strengths: Array
    weight: Array

    def at(self, strengths: Array) -> Array:
        """The weights at any strengths from the last knot's up: (s,) -> (s, p)."""
        if len(self.strengths) == 1:
            return np.repeat(self.weight, len(strengths), axis=0)
        after = np.searchsorted(-self.strengths, -strengths, side="right")
        after = np.clip(after, 1, len(self.strengths) - 1)
        above, below = self.strengths[after - 1], self.strengths[after]
        share = np.clip((above - strengths) / (above - below), 0.0, 1.0)[:, None]
        weight: Array = (1 - share) * self.weight[after - 1] + share * self.weight[after]
        return weight


class LarsPath:
    """One output's weights as the strength falls: the active set, and the way to the next knot.

    `on` are the a inputs that have a weight, in the order they joined, and `factor` the Cholesky
    factor of their correlation, in the upper left (a, a); `sign` is the side of zero that a weight
    must stay on, 0 where either will do.
    """

    # Gaps that close slower than this close by rounding alone.
    STILL = 1e-13
    # Inputs that turn this near to each other, relative to the strength, turn together.
    TIE = 1e-12
    # An input with less than this that others do not explain, in roundings, is dependent on them.
    DEPENDENT = 8
    # At one strength an input joins or leaves at most so often.
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
        """Solve for the weights of inputs that nothing holds."""
        for at in inputs:
            self._join(int(at), 0.0)
        if self.on:
            self.weight[self.on] = self._solve(self.slope[self.on])

    def top(self, relative: Array) -> float:
        """The least strength that lets no input join."""
        left = self.slope - self.correlation @ self.weight
        size = np.where(self.positive, left, np.abs(left))
        tops = np.divide(size, relative, out=np.zeros_like(size), where=relative > 0)
        return float(np.max(tops, initial=0.0))

    def down(self, relative: Array, stop: float) -> Knots:
        """The knots from where the first input joins down to `stop`, which is the last of them.

        Where several inputs turn at one strength the first of them goes first: that ends, whatever
        the ties (Murty 1974), unless rounding decides; so they may only do it TURNS times.
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
            # Rounding takes no weight across zero, least of all one that must be positive.
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
        """How far each input is from turning, how fast that closes, on which side, and the move.

        Active ones turn where their weight is zero, the others where `left` reaches its bound. The
        weights are where they are, not a line's ends: those would cancel where inputs are alike.
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
        """Add an input to the active ones, unless it depends on them."""
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
        square = self.correlation[np.ix_(self.on, self.on)]
        self.factor[: len(square), : len(square)], _ = linalg.lapack.dpotrf(square, lower=1)
        self.active[at], self.sign[at], self.weight[at] = False, 0.0, 0.0
        # What depended on it may not depend on the others.
        self.dependent[:] = False

    def _reduce(self, side: Array, *, trans: int = 0) -> Array:
        """The factor's inverse, or its transpose's, times this: (a,)."""
        if not len(side):
            return side
        # Leading columns are one piece of memory: nothing is copied.
        columns = self.factor[:, : len(side)]
        reduced: Array = linalg.lapack.dtrtrs(columns, side, lower=1, trans=trans)[0]
        return reduced

    def _solve(self, side: Array) -> Array:
        return self._reduce(self._reduce(side), trans=1)
