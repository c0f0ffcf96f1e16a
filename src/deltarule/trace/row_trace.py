"""Row trace: one row of a step, with its score, prediction, delta and gradient.

Shapes: p inputs, k outputs.
"""

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.loss import Loss
from deltarule.rule.predict import Array, Linear, Weights


@dataclass(frozen=True)
class RowTrace:
    """A row before a step, in the units of its columns. `number` is counted from 1.

    `slope` is the derivative of the loss in the score, often delta itself. `error` is what
    `error_name` says, summed over the outputs: delta ** 2 for squared loss, else the log loss, say.

    Shapes:  inputs (p,); targets, score, prediction, delta, slope (k,); weight_delta as the weights
    """

    number: int
    inputs: Array
    targets: Array
    score: Array
    prediction: Array
    delta: Array
    slope: Array
    error: float
    weight_delta: Weights
    offset: float = 0.0
    error_name: str = "squared error"
    link: str = "identity"

    @classmethod
    def of(
        cls,
        model: Linear,
        loss: Loss,
        *,
        weights: Weights,
        inputs: Array,
        targets: Array,
        number: int,
        offset: float = 0.0,
    ) -> "RowTrace":
        """The trace of a row at these weights.

        Shapes:  inputs (p,), targets (k,)

        >>> from deltarule.losses.glm import Squared
        >>> film = RowTrace.of(
        ...     Linear(intercept=False), Squared(), weights={"weight": np.array([[2.5]])},
        ...     inputs=np.array([200_000.0]), targets=np.array([99_750_000.0]), number=1,
        ... )
        >>> film.delta.item(), film.error
        (-99250000.0, 9850562500000000.0)
        """
        row, wanted = inputs[None], targets[None]
        # Diverged weights overflow, which is to be shown.
        with np.errstate(all="ignore"):
            score = model.predict(weights, row) + offset
            prediction = loss.link.inverse(score)
            slope = loss.delta(score, wanted)
            return cls(
                number=number,
                inputs=inputs,
                targets=targets,
                score=score[0],
                prediction=prediction[0],
                delta=(prediction - wanted)[0],
                slope=slope[0],
                error=loss.error_scale * float(loss.value(score, wanted)[0]),
                weight_delta=model.weight_delta(weights, row, slope),
                offset=offset,
                error_name=loss.error_name,
                link=loss.link.name,
            )
