"""Linear problem: inputs, targets and frozen weights, applicable to any moments.

Shapes: p inputs, k outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.rule.predict import Array, Mask, Weights


@dataclass(frozen=True)
class LinearProblem:
    """The regression of `targets` on `inputs`; frozen weights keep their `start`.

    Moments may be of inputs less a `centre` (p,), None for zero.
    """

    inputs: Sequence[int]
    targets: Sequence[int]
    intercept: bool
    start: Weights
    frozen: Mapping[str, Mask] | None
    centre: Array | None = None

    def as_it_stands(self, moments: Moments) -> LeastSquares:
        """The whole problem, with inputs uncentred again."""
        problem = self.of(moments)
        if self.centre is None:
            return problem
        return replace(problem, mean=problem.mean + self.centre / problem.scale)

    def of(self, moments: Moments) -> LeastSquares:
        """The whole problem, for evaluating weights."""
        return LeastSquares.of(moments, self.inputs, self.targets, intercept=self.intercept)

    def free(self, moments: Moments) -> LeastSquares:
        """The reduced problem of the free weights."""
        problem = self.of(moments)
        if self.frozen is None:
            return problem
        return problem.held(self.held, self.start, intercept=self.intercept_held)

    @property
    def held(self) -> Mask:
        """A mask of the inputs whose weights are frozen, for all outputs."""
        if self.frozen is None:
            return np.zeros(len(self.inputs), dtype=bool)
        held: Mask = np.all(self.frozen["weight"], axis=1)
        return held

    @property
    def intercept_held(self) -> bool:
        return self.frozen is not None and bool(self.frozen.get("intercept", np.zeros(1)).all())

    def frozen_on(self, moments: Moments) -> Mapping[str, Mask] | None:
        """A mask of the frozen weights and those of inputs that are constant in these rows.

        Shapes:  as the weights, True where a weight must not move; None where all may
        """
        still = ~(self.of(moments).spread > 0)
        if not still.any():
            return self.frozen
        none: dict[str, Mask] = {"weight": np.zeros((len(self.inputs), len(self.targets)), bool)}
        if self.intercept:
            none["intercept"] = np.zeros(len(self.targets), bool)
        frozen = none if self.frozen is None else self.frozen
        return {**frozen, "weight": frozen["weight"] | still[:, None]}

    def whole(self, free: Weights) -> Weights:
        """The weights of all inputs, from those of the free ones."""
        if self.frozen is None:
            return free
        weight = self.start["weight"].copy()
        weight[~self.held] = free["weight"]
        whole: dict[str, Array] = {"weight": weight}
        if self.intercept:
            whole["intercept"] = (
                self.start["intercept"] if self.intercept_held else free["intercept"]
            )
        return whole
