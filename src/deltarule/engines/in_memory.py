"""The objective over rows held as arrays."""

from dataclasses import dataclass
from functools import reduce
from operator import add

from deltarule.rule.compare import Comparison, Loss, compare
from deltarule.rule.predict import Array, Inputs, Model, Weights


@dataclass(frozen=True)
class Rows:
    """The objective over rows in memory, evaluated in blocks that stay in the cache.

    Arguments are as in `compare`.
    """

    model: Model
    loss: Loss
    inputs: Inputs
    targets: Array
    row_weights: Array | None = None
    offsets: Array | None = None
    at_once: int = 8192
    has_hessian: bool = True

    def __call__(self, weights: Weights, *, hessian: bool = False) -> Comparison:
        def part(start: int) -> Comparison:
            rows = slice(start, start + self.at_once)
            compared = compare(
                self.model,
                self.loss,
                weights=weights,
                inputs=self.inputs[rows],
                targets=self.targets[rows],
                row_weights=None if self.row_weights is None else self.row_weights[rows],
                offsets=None if self.offsets is None else self.offsets[rows],
            )
            return compared.sum(hessian=hessian)

        return reduce(add, map(part, range(0, len(self.inputs), self.at_once)))
