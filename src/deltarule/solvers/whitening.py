"""Whitening: coordinates for a second read in which nearly collinear inputs are orthogonal.

    z = (x - centre) @ turn, and in place of the targets the residuals of the first weights

In these coordinates the sums keep the digits that the first read's squares lost: Cholesky-QR
twice (Yamamoto et al. 2015), with eigenvectors in place of the triangle because they do not
break down where inputs are exactly dependent.

Rows of deficient rank get the minimum-norm weights of standardised inputs, as in `solve`, whatever
the first weights were: a fold's weights may not depend on its held-out rows.

Shapes: p inputs, k outputs, r directions kept, d constant in the rows at hand.
"""

from collections.abc import Sequence

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.moments.one_hot import dense
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.krylov import EPS
from deltarule.solvers.least_squares import solve, with_intercept

# Below this share of a column's variance over all rows, what is left in some of them is rounding
# of products, which is far above that of the values: the column is constant there.
CONSTANT = 1e-10


@dataclass(frozen=True)
class Whitening:
    """The whitening transform computed from the first read.

    Shapes:  centre, unit (p,); turn (p, p); floor (p,): what each z was divided by, squared
    """

    centre: Array
    unit: Array
    turn: Array
    floor: Array
    first: Weights
    noise: float

    @classmethod
    def of(cls, problem: LeastSquares, first: Weights) -> "Whitening":
        """From the first read's problem and its solution."""
        spread = problem.spread
        scale = np.where(spread > 0, spread, 1.0)
        unit = scale / problem.scale
        values, vectors = np.linalg.eigh(dense(problem.gram) / np.outer(unit, unit) / problem.rows)
        floor = np.maximum(values, len(values) * 4 * EPS * max(float(values[-1]), EPS))
        middle = problem.mean * problem.scale
        return cls(
            centre=middle if problem.intercept else np.zeros_like(middle),
            unit=scale,
            turn=vectors / scale[:, None] / np.sqrt(floor),
            floor=floor,
            first=first,
            # A direction below the rounding of the values themselves is dropped.
            noise=4 * EPS * len(values) * float(np.max(1 + np.abs(middle) / scale, initial=1.0)),
        )

    def rows(self, inputs: Array, targets: Array) -> tuple[Array, Array]:
        """The second read's columns: z (n, p), and the residuals of the targets (n, k)."""
        z = (inputs - self.centre) @ self.turn
        left = targets - inputs @ self.first["weight"]
        return z, left - self.first["intercept"] if "intercept" in self.first else left

    def kept(self, moments: Moments, *, intercept: bool, most: float = np.inf) -> list[int]:
        """The directions that vary by more than rounding; n rows span at most `most`."""
        from scipy.linalg.lapack import dpstrf

        every = LeastSquares.of(moments, range(len(self.floor)), [], intercept=intercept)
        unit = np.sqrt(self.floor) * every.scale
        products = dense(every.gram) / every.rows * unit[:, None] * unit
        # By pivoting, as a small direction may be all but a part of a large one.
        _, pivots, rank, _ = dpstrf(products, tol=self.noise**2)
        return sorted((pivots[: int(min(most, rank))] - 1).tolist())

    def solve(
        self, moments: Moments, kept: Sequence[int], outputs: int, *, intercept: bool
    ) -> "Whitened":
        """The exact weights from the second read's moments of all rows, or of some."""
        p = len(self.floor)
        problem = LeastSquares.of(moments, kept, range(p, p + outputs), intercept=intercept)
        found = solve(problem)
        turn = self.turn[:, kept]
        dropped = np.setdiff1d(np.arange(p), kept)
        open_ways = found.null / found.unit[:, None]
        # The null space: of the directions kept, and of the inputs.
        unit = self._spread(problem, kept)[:, None]
        still = np.column_stack([turn @ open_ways, self.turn[:, dropped]]) * unit
        moved = found.weights["weight"]
        weight = self.first["weight"] + turn @ moved
        if still.size:
            length = np.linalg.norm(still, axis=0)
            still = still / length
            share = np.linalg.lstsq(still, weight * unit, rcond=None)[0]
            weight = weight - still @ share / unit
            ways = open_ways.shape[1]
            moved = moved - open_ways @ (share[:ways] / length[:ways, None])
        own: dict[str, Array] = {"weight": weight}
        inner = with_intercept(problem, moved)
        if intercept:
            shift = self.centre @ (weight - self.first["weight"])
            own["intercept"] = self.first["intercept"] + inner["intercept"] - shift
        units = turn * self.unit[:, None] / found.unit
        return Whitened(
            problem=problem,
            inner=inner,
            weights=own,
            inverse=units @ np.asarray(found.inverse) @ units.T,
            null=still * (self.unit[:, None] / unit),
            sure=found.sure,
        )

    def _spread(self, problem: LeastSquares, kept: Sequence[int]) -> Array:
        """The inputs' spreads in a problem's rows, of directions kept; 1 for constants: (p,)."""
        back = self.turn[:, kept] * self.unit[:, None] ** 2 * self.floor[kept]  # x = z @ back.T
        own = back * problem.scale
        gram = dense(problem.gram) / problem.rows
        squares = np.einsum("jr,jr->j", own @ gram, own)
        known = squares > CONSTANT * self.unit**2
        return np.where(known, np.sqrt(np.where(known, squares, 1.0)), 1.0)


@dataclass(frozen=True)
class Whitened:
    """The second read's solution: `weights` in own units, `inner` in the directions kept.

    `inverse` and `null` are as in `Solution`. `sure` is False where the weights' last digits are
    in doubt.
    """

    problem: LeastSquares
    inner: Weights
    weights: Weights
    inverse: Array
    null: Array
    sure: bool
