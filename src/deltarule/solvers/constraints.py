"""Constraints and penalties on weights, input by input: ridge, lasso factors, ranges.

Shapes: p inputs.
"""

from collections.abc import Sequence

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.rule.predict import Array, Mask


@dataclass(frozen=True)
class Constraints:
    """Penalties and ranges beside the lasso of a path: (p,), or None where there are none.

    ridge         a number, or one for each input
    strength_of   each input's lasso relative to the path's; 0 leaves it unpenalised
    fixed         a lasso strength added to that at every point of the path, in the target's units
    low, high     the range of its weight, in own units

    An input with a fixed strength must have a `strength_of` of 0.
    """

    ridge: float | Array = 0.0
    strength_of: Array | None = None
    fixed: Array | None = None
    low: Array | None = None
    high: Array | None = None

    def only(self, free: Mask) -> "Constraints":
        """The constraints of some of the inputs."""
        each = {
            name: value if value is None or np.ndim(value) == 0 else np.asarray(value)[free]
            for name, value in vars(self).items()
        }
        return Constraints(**each)

    def of(self, inputs: int) -> tuple[Array, Array, Array, Array, Array]:
        """All five as arrays for this number of inputs.

        Errors:  LearningError for numbers that are not 0 or more, or of another length
        """

        def each(name: str, usual: float) -> Array:
            value = getattr(self, name)
            try:
                full = np.asarray(usual if value is None else value, dtype=np.float64)
            except (TypeError, ValueError):
                full = np.array(np.nan)
            if full.ndim and full.shape != (inputs,):
                raise LearningError(
                    f"{name} has {full.size} values for {inputs} inputs: give one for each"
                )
            return np.broadcast_to(full, (inputs,))

        strengths = [each("ridge", 0.0), each("strength_of", 1.0), each("fixed", 0.0)]
        for name, values in zip(("ridge", "strength_of", "fixed"), strengths, strict=True):
            numbers(name, values)
        low, high = each("low", -np.inf), each("high", np.inf)
        if not (low <= high).all():
            raise LearningError("low is above high: no weight can be in such a range")
        return strengths[0], strengths[1], strengths[2], low, high


NOTHING = Constraints()


def numbers(name: str, values: Sequence[float] | Array) -> Array:
    """Validate a list of finite numbers of 0 or more.

    Errors:  LearningError for anything else
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if found.ndim != 1 or (name == "lasso" and not found.size):
        raise LearningError(f"{name} has shape {found.shape}: give a list of numbers")
    wrong = found[~(np.isfinite(found) & (found >= 0))]
    if wrong.size:
        raise LearningError(f"{name} is {wrong[0]:g}: it must be a finite number, 0 or more")
    return found
