"""Sheet: a lesson's exercise as a table to fill in by hand, and the same filled in.

The numbers are taken from a run of the exercise, step by step, so that they are what the page and
the library compute.
"""

from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views.format import number as told
from deltarule.web.lessons.lesson import Exercise
from deltarule.web.row_view import ViewData, labels
from deltarule.web.session import Session
from deltarule.web.tables import opened


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and whether it is given or to be filled in."""

    text: str
    given: bool


@dataclass(frozen=True)
class SheetStep:
    """One step: lines of rows, then a line of each weight with its weight_delta and new value."""

    title: str
    rows: list[list[Cell]]
    weights: list[list[Cell]]


@dataclass(frozen=True)
class Sheet:
    """An exercise: what is asked, the answer, the heads of both tables, and the steps."""

    intro: str
    answer: str
    row_head: list[str]
    weight_head: list[str]
    steps: list[SheetStep]


def sheet_of(exercise: Exercise) -> Sheet:
    """The exercise, taken step by step."""
    session = Session(opened(exercise.table()), exercise.choices)
    drawn = ViewData.of(session.table, session.read)
    names, outputs = labels(session.read), session.read.schema.outputs
    several = len(outputs) > 1
    choices = exercise.choices
    scored = not choices.squared
    row_head = ["row", *names, *(["output"] if several else []), "target"]
    row_head += [*(["score"] if scored else []), "prediction", "delta"]
    row_head += [f"delta * {name}" for name in names]
    weight_head = ["weight of", "before", "weight_delta", "alpha * weight_delta", "after"]
    steps = [
        _step(session, drawn, number, scored=scored, several=several)
        for number in range(1, exercise.steps + 1)
    ]
    return Sheet(exercise.intro, exercise.answer, row_head, weight_head, steps)


def _step(
    session: Session, drawn: ViewData, number: int, *, scored: bool, several: bool
) -> SheetStep:
    last = session.go(number, seconds=np.inf).last
    assert last is not None, "an exercise's steps are few and finite"
    task = session.problem
    names, outputs = labels(session.read), session.read.schema.outputs
    seen = np.arange(len(drawn.inputs)) if last.saw is None else last.saw
    inputs, targets = drawn.inputs[seen], drawn.targets[seen]
    scores = task.model.predict(last.before, inputs)
    predictions = task.loss.link.inverse(scores)
    deltas = predictions - targets
    rows = [
        [
            _given(str(int(drawn.numbers[seen[at]]))),
            *(_given(told(float(value))) for value in inputs[at]),
            *([_given(output)] if several else []),
            _given(told(float(targets[at, k]))),
            *([_blank(scores[at, k])] if scored else []),
            _blank(predictions[at, k]),
            _blank(deltas[at, k]),
            *(_blank(deltas[at, k] * value) for value in inputs[at]),
        ]
        for at in range(len(inputs))
        for k, output in enumerate(outputs)
    ]
    weights = [
        _weight_line(
            f"{name} ({output})" if several else name,
            [last.before["weight"][at, k], last.weights["weight"][at, k]],
            float((deltas[:, k] * inputs[:, at]).mean()),
            float(session.choices.alpha or 0.0),
            first=number == 1,
            frozen=name in session.choices.freeze,
        )
        for k, output in enumerate(outputs)
        for at, name in enumerate(names)
    ]
    return SheetStep(f"Step {number}", rows, weights)


def _weight_line(
    name: str, moved: list[Array], weight_delta: float, alpha: float, *, first: bool, frozen: bool
) -> list[Cell]:
    before, after = (float(value) for value in moved)
    start = _given(told(before)) if first else _blank(before)
    if frozen:
        still = [_given("frozen"), _given("0")]
        return [_given(name), _given(told(before)), *still, _given(told(after))]
    return [_given(name), start, _blank(weight_delta), _blank(alpha * weight_delta), _blank(after)]


def _given(text: str) -> Cell:
    return Cell(text, given=True)


def _blank(value: float) -> Cell:
    """A cell to fill in: five digits, and no rounding errors of the machine."""
    rounded = float(f"{round(float(value), 10) + 0.0:.5g}")
    small = 0 < abs(rounded) < 1e-4
    return Cell(f"{rounded:.10f}".rstrip("0") if small else told(rounded), given=False)
