"""The next step as one row sees it: sentences, and numbers that follow from each other.

inputs * weights -> prediction -> delta -> weight_delta -> weight
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import Step
from deltarule.trace import sentences as words
from deltarule.trace.row_trace import RowTrace
from deltarule.views.format import number as told
from deltarule.web.row_view import labels
from deltarule.web.session import Session

if TYPE_CHECKING:
    from deltarule.web.app.payload import Open

# Terms of the sum that are written out; the others are counted.
WRITTEN_OUT = 2
# What a row has one of for each output.
OF_OUTPUTS = ("targets", "score", "prediction", "delta", "slope")


def next_step(page: "Open", place: int, output: int, weight: str) -> dict[str, Any]:
    """The next step for a drawn row and an output: sentences, and the numbers of one weight."""
    session, at = page.session, page.session.at
    one = slice(output, output + 1)
    row = _row(page, place, one)
    alpha = getattr(session.walk.learner, "alpha", None)
    step = Step(
        at.number + 1,
        _of_output(at.weights, one),
        at.seen or at.now,
        _of_output(at.next, one),
        None,
        alpha,
    )
    said = words.step_sentences(
        step,
        row,
        inputs=labels(session.read),
        outputs=session.read.schema.outputs[one],
        alone=session.read.examples == 1,
        own_units=not session.choices.standardise,
    )
    return {
        "spelled": [*said.predict, *said.compare, *said.learn],
        "flow": _flow(page, step, row, weight, session.read.schema.outputs[output]),
    }


def _row(page: "Open", place: int, one: slice) -> RowTrace:
    stepwise, drawn = page.session.stepwise, page.drawn
    row = RowTrace.of(
        stepwise.task.model,
        stepwise.task.loss,
        weights=page.session.at.weights,
        inputs=drawn.inputs[place],
        targets=drawn.targets[place],
        number=int(drawn.numbers[place]),
    )
    return replace(
        row,
        **{name: getattr(row, name)[one] for name in OF_OUTPUTS},
        weight_delta=_of_output(row.weight_delta, one),
    )


def _of_output(weights: Weights, one: slice) -> Weights:
    return {name: array[..., one] for name, array in weights.items()}


def _flow(page: "Open", step: Step, row: RowTrace, weight: str, target: str) -> dict[str, Any]:
    """The numbers of one weight, as people read them."""
    session = page.session
    inputs = labels(session.read)
    place = inputs.index(weight) if weight in inputs else len(inputs)
    before, after = stack(step.before)[:, 0], stack(step.weights)[:, 0]
    slope, delta = float(row.slope[0]), float(row.delta[0])
    score, prediction = float(row.score[0]), float(row.prediction[0])
    intercept = "intercept" in step.before
    shown = _largest(row, before, place)
    return {
        "row": row.number,
        "terms": [[told(float(before[n])), told(float(row.inputs[n])), inputs[n]] for n in shown],
        "more": len(inputs) - len(shown),
        "intercept": told(float(before[-1])) if intercept else None,
        "score": None if score == prediction else told(score),
        "prediction": told(prediction),
        "target": [target, told(float(row.targets[0]))],
        "delta": told(delta),
        # What the loss counts it as, where that is not the difference itself.
        "slope": None if np.isclose(slope, delta, rtol=1e-9, atol=0) else told(slope),
        "of": weight,
        "input": None if place == len(inputs) else told(float(row.inputs[place])),
        "weight_delta": told(float(stack(row.weight_delta)[place, 0])),
        "alpha": None if step.alpha is None or session.choices.standardise else told(step.alpha),
        "by": _led_by(session),
        "before": told(float(before[place])),
        "weight": told(float(after[place])),
    }


def _led_by(session: Session) -> str:
    """The rows that a step follows."""
    batches = session.stepwise.task.batches
    if session.read.examples == 1:
        return "this row"
    return "all rows" if batches is None else "rows of the batch"


def _largest(row: RowTrace, weights: Array, place: int) -> list[int]:
    """The inputs that count most for the row, the one in view among them."""
    size = np.abs(row.inputs * weights[: len(row.inputs)])
    order = [int(n) for n in np.argsort(-size, kind="stable") if n != place]
    seen = [place] if place < len(row.inputs) else []
    return sorted([*seen, *order][:WRITTEN_OUT])
