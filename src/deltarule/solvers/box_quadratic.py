"""The exact minimum of a quadratic whose weights have a kink at zero, and ranges to keep.

    w @ C @ w / 2 - s @ w + sum(bound * abs(w)),  low <= w <= high

Each weight either rests at a break, which is 0 where it has a bound or an end of its range, or lies
on a stretch between two of them, where all is smooth. So: solve for those on stretches, stop where
one meets a break, let go of those that a move away from their break would bring lower, and again
until there are none. The value falls with each round and the ways to rest are finite: it ends.

Shapes: m weights; C (m, m), everything else (m,).
Source: Nocedal & Wright 2006, section 16.5, for breaks that are not ends only
"""

from dataclasses import dataclass, replace

import numpy as np

from deltarule.rule.predict import Array, Mask

EPS = float(np.finfo(np.float64).eps)
# Rounds for each weight, and as many more. Some ten do in all where the start is near.
ROUNDS = 20
# Where the others leave less than this of a weight's curvature unexplained, look at them all.
INDEPENDENT = 1e-8


@dataclass(frozen=True)
class BoxQuadratic:
    """What is to be made least: curvature C, slope s, and what holds each weight."""

    hessian: Array
    slope: Array
    bound: Array
    low: Array
    high: Array

    def least(self, start: Array) -> Array:
        """The best weights, to rounding; of those that are as good, some near to the start.

        >>> one = np.ones(1)
        >>> quadratic = BoxQuadratic(np.eye(1), 3 * one, one, -np.inf * one, np.inf * one)
        >>> quadratic.least(0 * one)
        array([2.])
        """
        # Weights without curvature make no difference, but for their bound.
        known = np.diag(self.hessian) > 0
        start = np.clip(np.where(known | (self.bound == 0), start, 0.0), self.low, self.high)
        # Powers of two, so that ends of ranges stay as they are to the last bit.
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
        """The quadratic and the bounds, at weights within their ranges."""
        smooth = weight @ (self.hessian @ weight / 2 - self.slope)
        return float(smooth + self.bound @ np.abs(weight))


@dataclass(frozen=True)
class _Rest:
    """Weights on their way: which are `free`, on the stretch on this `side` of zero.

    The side is 0 where a weight has no bound: its stretch is its whole range.
    """

    of: BoxQuadratic
    weight: Array
    free: Mask
    side: Array

    @classmethod
    def at(cls, of: BoxQuadratic, weight: Array) -> "_Rest":
        """All free that lie between breaks."""
        side = np.where(of.bound > 0, np.sign(weight), 0.0)
        inside = (weight > of.low) & (weight < of.high)
        return cls(of, weight, inside & ((of.bound == 0) | (side != 0)), side)

    def settled(self) -> Array:
        """The weights when nothing is left to gain, or to be told from rounding."""
        here, alone = self._solved(), False
        for _ in range(ROUNDS * (1 + len(self.weight))):
            gain, up = here._gains()
            if not gain.any():
                break
            # All at once where that works, else the one that gains most, which must.
            let = gain == gain.max() if alone else gain > 0
            if alone:
                let &= np.cumsum(let) == 1
            there = here._let_go(let, up)._solved()
            now, then = there.of.value(there.weight), here.of.value(here.weight)
            # Alone it must, though it may be by less than values can show.
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
        """How steeply the value falls as a resting weight leaves its break, and if that is up."""
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
        """These weights free, on the stretch that lies on the better side of where they rest."""
        bound, weight = self.of.bound, self.weight
        towards = np.where(up, np.where(weight >= 0, 1.0, -1.0), np.where(weight > 0, 1.0, -1.0))
        side = np.where(let, np.where(bound > 0, towards, 0.0), self.side)
        return replace(self, free=self.free | let, side=side)

    @property
    def _stretch(self) -> tuple[Array, Array]:
        """Where each free weight's stretch ends."""
        low = np.where(self.side > 0, np.maximum(self.of.low, 0.0), self.of.low)
        high = np.where(self.side < 0, np.minimum(self.of.high, 0.0), self.of.high)
        return low, high

    def _solved(self) -> "_Rest":
        """The best weights of those on stretches, where the ones that meet a break come to rest."""
        here = self
        while here.free.any():
            step, whole = here._step()
            low, high = here._stretch
            if whole:
                # Beyond breaks in one go, if that is lower; else no further than the first break.
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
        """The way to the best of the free weights, and whether it ends there.

        Where they depend on each other there may be no best: a way down without an end.
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
        # What rounding leaves of a slope where there is none is no way down.
        if np.max(np.abs(endless)) > 1e-9 * np.max(np.abs(of.slope) + of.bound):
            step[at] = endless
            return step, False
        step[at] = vectors[:, kept] @ (turned[kept] / values[kept])
        return step, True
