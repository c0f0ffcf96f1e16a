"""Active-set solver for a quadratic with an L1 penalty and box constraints.

    w @ C @ w / 2 - s @ w + sum(bound * abs(w)),  low <= w <= high

Each weight is either at a breakpoint (0 where it is penalised, or an end of its range) or free on
an interval between two of them, where the objective is smooth. Active-set method: solve for free
weights, stop at the first breakpoint reached, free the weights whose one-sided derivative says that
leaving lowers the objective, repeat. The value falls and active sets are finite: it terminates.
Shapes: m weights; C (m, m), everything else (m,).
Source: Nocedal & Wright 2006, section 16.5, extended to breakpoints inside a range
"""

from dataclasses import replace

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array, Mask

EPS = float(np.finfo(np.float64).eps)
# At most so many iterations per weight, and as many more. Some ten suffice from a near start.
ROUNDS = 20
# Below this share of a weight's Hessian left unexplained by the others: use an eigendecomposition.
INDEPENDENT = 1e-8


@dataclass(frozen=True)
class BoxQuadratic:
    """The problem: Hessian C, linear term s, L1 strengths and ranges."""

    hessian: Array
    slope: Array
    bound: Array
    low: Array
    high: Array

    def least(self, start: Array) -> Array:
        """The minimiser, to rounding; where it is not unique, one near the start.

        >>> one = np.ones(1)
        >>> quadratic = BoxQuadratic(np.eye(1), 3 * one, one, -np.inf * one, np.inf * one)
        >>> quadratic.least(0 * one)
        array([2.])
        """
        # Weights with a zero Hessian diagonal matter only through their bound.
        known = np.diag(self.hessian) > 0
        start = np.clip(np.where(known | (self.bound == 0), start, 0.0), self.low, self.high)
        # Scale by powers of two, so that ends of ranges are preserved exactly.
        unit = np.exp2(np.round(np.log2(np.where(known, np.diag(self.hessian), 1.0)) / 2))
        scaled = BoxQuadratic(
            self.hessian / unit[:, None] / unit,
            np.where(known, self.slope / unit, 0.0),
            self.bound / unit,
            self.low * unit,
            self.high * unit,
        )
        weight = _Rest.at(scaled, start * unit).settled()
        found: Array = np.where(known, weight / unit, start)
        return found

    def value(self, weight: Array) -> float:
        """The objective: quadratic and L1 penalty, at weights within their ranges."""
        smooth = weight @ (self.hessian @ weight / 2 - self.slope)
        return float(smooth + self.bound @ np.abs(weight))


@dataclass(frozen=True)
class _Rest:
    """State of the active-set method: which weights are `free`, on which `side` of zero.

    The side is 0 where a weight is not penalised: its interval is its whole range.
    """

    of: BoxQuadratic
    weight: Array
    free: Mask
    side: Array

    @classmethod
    def at(cls, of: BoxQuadratic, weight: Array) -> "_Rest":
        """The state in which all weights between breakpoints are free."""
        side = np.where(of.bound > 0, np.sign(weight), 0.0)
        inside = (weight > of.low) & (weight < of.high)
        return cls(of, weight, inside & ((of.bound == 0) | (side != 0)), side)

    def settled(self) -> Array:
        """The weights when no step lowers the objective by more than rounding."""
        here, alone = self._solved(), False
        for _ in range(ROUNDS * (1 + len(self.weight))):
            gain, up = here._gains()
            if not gain.any():
                break
            # Free all candidates at once where that works, else the one with the steepest descent.
            let = gain == gain.max() if alone else gain > 0
            if alone:
                let &= np.cumsum(let) == 1
            there = here._let_go(let, up)._solved()
            now, then = there.of.value(there.weight), here.of.value(here.weight)
            # A single weight must move, though the gain may be below rounding.
            if now < then or (alone and now <= then + 8 * EPS * abs(then) and there._is_not(here)):
                here, alone = there, False
            elif alone:
                break
            else:
                alone = True
        return here.weight

    def _is_not(self, other: "_Rest") -> bool:
        return not np.array_equal(self.weight, other.weight)

    def _gains(self) -> tuple[Array, Mask]:
        """The rate of descent as a weight leaves its breakpoint, and whether upwards."""
        of, weight = self.of, self.weight
        left = of.slope - of.hessian @ weight
        size = np.abs(of.slope) + np.abs(of.hessian) @ np.abs(weight) + of.bound
        rounding = 4 * EPS * (1 + len(weight)) * size
        upwards = left - np.where(weight >= 0, of.bound, -of.bound)
        downwards = np.where(weight > 0, of.bound, -of.bound) - left
        upwards = np.where((weight < of.high) & (upwards > rounding), upwards, 0.0)
        downwards = np.where((weight > of.low) & (downwards > rounding), downwards, 0.0)
        gain = np.where(self.free, 0.0, np.maximum(upwards, downwards))
        return gain, upwards > 0

    def _let_go(self, let: Mask, up: Mask) -> "_Rest":
        """These weights freed, on the interval on the descending side of their breakpoint."""
        bound, weight = self.of.bound, self.weight
        towards = np.where(up, np.where(weight >= 0, 1.0, -1.0), np.where(weight > 0, 1.0, -1.0))
        side = np.where(let, np.where(bound > 0, towards, 0.0), self.side)
        return replace(self, free=self.free | let, side=side)

    @property
    def _stretch(self) -> tuple[Array, Array]:
        """The ends of each free weight's interval."""
        low = np.where(self.side > 0, np.maximum(self.of.low, 0.0), self.of.low)
        high = np.where(self.side < 0, np.minimum(self.of.high, 0.0), self.of.high)
        return low, high

    def _solved(self) -> "_Rest":
        """The minimiser over the free weights; those that reach a breakpoint become fixed."""
        here = self
        while here.free.any():
            step, whole = here._step()
            low, high = here._stretch
            if whole:
                # Cross breakpoints in one step if that is lower; else stop at the first one.
                moved = here.weight + step
                clipped = np.where(here.free, np.clip(moved, low, high), moved)
                within = bool(np.all(clipped == moved))
                if within or here.of.value(clipped) < here.of.value(here.weight):
                    here = here._moved(clipped, low, high)
                    if within:
                        return here
                    continue
            room = np.divide(
                np.where(step > 0, high, low) - here.weight,
                step,
                out=np.full(len(step), np.inf),
                where=here.free & (step != 0),
            )
            share = float(np.min(room, initial=np.inf))
            if not np.isfinite(share):
                return here
            moved = here.weight + share * step
            met = here.free & (room <= share)
            moved = np.where(met, np.where(step > 0, high, low), moved)
            here = here._moved(np.clip(moved, low, high), low, high, met)
        return here

    def _moved(self, weight: Array, low: Array, high: Array, met: Mask | None = None) -> "_Rest":
        weight = np.where(self.free, weight, self.weight)
        at_break = (weight <= low) | (weight >= high) if met is None else met
        return replace(self, weight=weight, free=self.free & ~at_break)

    def _step(self) -> tuple[Array, bool]:
        """The step to the minimiser of the free weights, and whether there is one.

        Where the Hessian is singular there may be none: then a direction of unbounded descent.
        """
        of, at = self.of, np.flatnonzero(self.free)
        pull = (of.slope - of.hessian @ self.weight - self.side * of.bound)[at]
        square = of.hessian[np.ix_(at, at)]
        step = np.zeros(len(of.slope))
        try:
            root = np.linalg.cholesky(square)
        except np.linalg.LinAlgError:
            root = np.zeros((1, 1))
        if np.min(np.diag(root)) ** 2 > INDEPENDENT:
            step[at] = np.linalg.solve(square, pull)
            return step, True
        values, vectors = np.linalg.eigh(square)
        kept = values > values[-1] * len(at) * 64 * EPS
        turned = vectors.T @ pull
        endless = vectors[:, ~kept] @ turned[~kept]
        # A gradient that is only rounding gives no direction of descent.
        if np.max(np.abs(endless)) > 1e-9 * np.max(np.abs(of.slope) + of.bound):
            step[at] = endless
            return step, False
        step[at] = vectors[:, kept] @ (turned[kept] / values[kept])
        return step, True
