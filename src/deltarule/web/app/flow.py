"""The next step as one row sees it: sentences, and numbers that follow from each other.

inputs * weights -> prediction -> delta -> weight_delta -> weight
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array
from deltarule.rule.train import Step
from deltarule.trace import sentences as words
from deltarule.trace.row_trace import RowTrace
from deltarule.views.format import number as told
from deltarule.web.row_view import labels, labels_of_row
from deltarule.web.session import Session
from deltarule.web.status import error_of

if TYPE_CHECKING:
    from deltarule.web.app.payload import Open

# Terms of the sum that are written out; the others are counted.
WRITTEN_OUT = 2
# The digits of sentences whose numbers are means over rows.
FEWER_DIGITS = 6
# What makes a prediction of a score, by the link's name.
CURVES = {"log": "exp", "logit": "sigmoid", "softmax": "softmax"}
# What a row has one of for each output.
OF_OUTPUTS = ("targets", "score", "prediction", "delta", "slope")
T = TypeVar("T", bound=np.generic)


def next_step(page: "Open", place: int, output: int, weight: str) -> dict[str, Any]:
    """The next step for a drawn row and an output: sentences, and the numbers of one weight."""
    session, at = page.session, page.session.at
    one = slice(output, output + 1)
    row = _row(page, place, one)
    seen = rows_of_step(page, place)
    comparison = at.seen or at.now
    task = session.problem
    step = Step(
        at.number + 1,
        _of_output(at.weights, one),
        replace(comparison, weight_delta=_of_output(comparison.weight_delta, one)),
        _of_output(at.next, one),
        None,
        getattr(session.walk.learner, "alpha", None),
    )
    frozen = None if task.frozen is None else _of_output(task.frozen, one)
    said = words.step_sentences(
        step,
        row,
        inputs=labels_of_row(session.read, page.drawn, place),
        outputs=session.read.schema.outputs[one],
        alone=seen.alone,
        together=seen.words,
        standard=task.standard if standardised(session) else None,
        frozen=frozen,
        error_of=error_of(session) or ("the row" if task.loss.kind == "classes" else ""),
        digits=words.DIGITS if seen.alone and not standardised(session) else FEWER_DIGITS,
    )
    return {
        "spelled": [*said.predict, *said.compare, *said.learn],
        "flow": _flow(page, step, row, weight, session.read.schema.outputs[output], seen),
        "next": {
            "number": step.number,
            "row": row.number,
            "gaps": page.drawn.gaps_of(place),
            "rows": seen.words,
            "alone": seen.alone,
            "within": seen.within,
            "standardised": standardised(session),
        },
    }


def standardised(session: Session) -> bool:
    """Whether steps are taken on standardised inputs."""
    return session.choices.standardise or session.choices.second_order


@dataclass(frozen=True)
class SeenRows:
    """The rows that the next step is on: in words, whether one alone, whether a row is `within`."""

    words: str
    alone: bool
    within: bool


def rows_of_step(page: "Open", place: int) -> SeenRows:
    """The rows of the next step, beside a drawn row."""
    session = page.session
    if session.problem.batches is None:
        count = session.read.examples
        return SeenRows(f"all {count:,} rows", count == 1, within=True)
    batch = numbers_of_batch(session)
    within = bool(np.isin(page.drawn.numbers[place], batch))
    if len(batch) == 1:
        return SeenRows(f"row {int(batch[0]):,}", within, within)
    return SeenRows(f"the batch's {len(batch):,} rows", alone=False, within=within)


def numbers_of_batch(session: Session) -> NDArray[np.intp]:
    """The numbers in the table, from 1, of the rows of the next step's batch."""
    batches = session.problem.batches
    assert batches is not None, "steps see some rows"
    every = session.table.every if session.sampled else 1
    numbers: NDArray[np.intp] = batches.at(session.at.number + 1).rows * every + 1
    return numbers


def row_in_view(page: "Open", chosen: int) -> int:
    """The drawn row whose numbers are shown: the chosen one, or one of the next step's batch."""
    drawn = _drawn_of_batch(page)
    return chosen if drawn is None or chosen in drawn or not len(drawn) else int(drawn[0])


def rows_to_choose(page: "Open", shown: int) -> list[int]:
    """The drawn rows that can be looked at: those of the next step's batch, where it has some."""
    drawn = _drawn_of_batch(page)
    if drawn is None or not len(drawn):
        return [*range(len(page.drawn.numbers))] if drawn is None else [shown]
    return [int(place) for place in drawn]


def _drawn_of_batch(page: "Open") -> NDArray[np.intp] | None:
    """The places of the drawn rows that the next step's batch has; None without batches."""
    if page.session.problem.batches is None:
        return None
    return np.flatnonzero(np.isin(page.drawn.numbers, numbers_of_batch(page.session)))


def _row(page: "Open", place: int, one: slice) -> RowTrace:
    problem, drawn = page.session.problem, page.drawn
    row = RowTrace.of(
        problem.model,
        problem.loss,
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


def _of_output(arrays: Mapping[str, NDArray[T]], one: slice) -> dict[str, NDArray[T]]:
    return {name: array[..., one] for name, array in arrays.items()}


def _flow(
    page: "Open", step: Step, row: RowTrace, weight: str, target: str, seen: SeenRows
) -> dict[str, Any]:
    """The numbers of one weight, as people read them."""
    session = page.session
    inputs = labels(session.read)
    place = inputs.index(weight) if weight in inputs else len(inputs)
    before, after = stack(step.before)[:, 0], stack(step.weights)[:, 0]
    slope, delta = float(row.slope[0]), float(row.delta[0])
    score, prediction = float(row.score[0]), float(row.prediction[0])
    intercept = "intercept" in step.before
    shown = _largest(row, before, place)
    input_ = None if place == len(inputs) else float(_in_units(session, row)[place])
    own = stack(row.weight_delta)[place, 0] if input_ is None else slope * input_
    mean = float(stack(step.comparison.weight_delta)[place, 0])
    return {
        "row": row.number,
        "terms": [[told(float(before[n])), told(float(row.inputs[n])), inputs[n]] for n in shown],
        "more": len(inputs) - len(shown),
        "intercept": told(float(before[-1])) if intercept else None,
        "score": None if score == prediction else [CURVES.get(row.link, "link"), told(score)],
        "prediction": told(prediction),
        "target": [target, told(float(row.targets[0]))],
        "delta": told(delta),
        # What the loss counts it as, where that is not the difference itself.
        "slope": None if np.isclose(slope, delta, rtol=1e-9, atol=0) else told(slope),
        "of": weight,
        "input": None if input_ is None else told(input_),
        "weight_delta": told(float(own)),
        "mean": None if seen.alone else told(words.shown_mean(mean, float(own))),
        "ridge": bool(session.choices.ridge),
        "before": told(float(before[place])),
        "weight": told(float(after[place])),
        "led": _led(session, step, place, float(own) if seen.alone else mean),
    }


def _in_units(session: Session, row: RowTrace) -> Array:
    """The row's inputs in the units of the steps."""
    if not standardised(session):
        return row.inputs
    inputs: Array = session.problem.standard.inputs(row.inputs[None])[0]
    return inputs


def _led(session: Session, step: Step, place: int, weight_delta: float) -> dict[str, Any]:
    """What takes the weight from before to after.

    It is alpha * weight_delta, over the input's spread where inputs are standardised; else the
    learner has its own way, or the weight is frozen, or follows what the others take.
    """
    task = session.problem
    before, after = (float(stack(weights)[place, 0]) for weights in (step.before, step.weights))
    if task.frozen is not None and bool(stack(task.frozen)[place, 0]):
        return {"by": "frozen"}
    spread = 1.0
    if standardised(session) and place < len(task.standard.spread):
        spread = float(task.standard.spread[place])
    alpha = step.alpha or 0.0
    plain = alpha * weight_delta / spread
    if step.alpha and np.isclose(before - after, plain, rtol=1e-6, atol=1e-9 * abs(before)):
        over = told(spread) if standardised(session) and spread != 1.0 else None
        return {"by": "alpha", "alpha": told(alpha), "spread": over}
    if standardised(session) and place == len(task.standard.spread):
        return {"by": "others"}
    return {"by": "learner"}


def _largest(row: RowTrace, weights: Array, place: int) -> list[int]:
    """The inputs that count most for the row, the one in view among them."""
    size = np.abs(row.inputs * weights[: len(row.inputs)])
    order = [int(n) for n in np.argsort(-size, kind="stable") if n != place]
    seen = [place] if place < len(row.inputs) else []
    return sorted([*seen, *order][:WRITTEN_OUT])
