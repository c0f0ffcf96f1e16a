"""Sentences that describe a step on one row: its prediction, comparison and weight update.

The terminal and the page say it with the same sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.moments.stacked import stack
from deltarule.rule.train import Step
from deltarule.trace.row_trace import RowTrace

TERMS_SHOWN = 4
OUTPUTS_SHOWN = 3
DIGITS = 10


@dataclass(frozen=True)
class StepSentences:
    """The sentences of a step: prediction, comparison, weight update."""

    predict: tuple[str, ...]
    compare: tuple[str, ...]
    learn: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """All sentences, a line each."""
        return [
            f"{head:>9}  {line}"
            for head, part in (
                ("predict", self.predict),
                ("compare", self.compare),
                ("learn", self.learn),
            )
            for head, line in zip([head, *[""] * len(part)], part, strict=False)
        ]


def plain(value: float) -> str:
    """A number with its significant digits, without rounding noise.

    >>> plain(319.56000000000006), plain(-99_550_000.0), plain(1e-11), plain(-1.991e13)
    ('319.56', '-99,550,000', '1e-11', '-19,910,000,000,000')
    """
    size = abs(value)
    if not np.isfinite(value):
        return str(value)
    if size and not 1e-4 <= size < 1e15:
        mantissa, _, power = f"{value:.{DIGITS - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    if size >= 10**DIGITS:
        return f"{value:,.0f}"
    after = DIGITS - 1 - (int(np.floor(np.log10(size))) if size else 0)
    text = f"{round(value, after) + 0.0:,.{after}f}"  # + 0.0 makes a -0 plain
    return text.rstrip("0").rstrip(".") if "." in text else text


def step_sentences(
    step: Step,
    row: RowTrace,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    alone: bool,
    own_units: bool = True,
) -> StepSentences:
    """The sentences for a row of a step.

    `inputs` and `outputs` are their names. `alone` says that the step is on this row only;
    `own_units` is False where steps are taken on standardized inputs, so that alpha does not apply
    to the weights shown.
    """
    shown = range(min(len(outputs), OUTPUTS_SHOWN))
    more = _more(len(outputs) - OUTPUTS_SHOWN, "output")
    # Diverged weights overflow, which is to be shown.
    with np.errstate(all="ignore"):
        learnt = [
            sentence
            for at in shown
            for sentence in _learnt(step, row, inputs, outputs, at, alone, own_units)
        ]
        return StepSentences(
            predict=(*(_predicted(step, row, inputs, outputs, at) for at in shown), *more),
            compare=(*(_compared(row, outputs, at) for at in shown), *more),
            learn=(*learnt, *more),
        )


def _more(count: int, what: str) -> list[str]:
    return [] if count <= 0 else [f"and {count:,} more {what}{'' if count == 1 else 's'}"]


def _predicted(
    step: Step, row: RowTrace, inputs: Sequence[str], outputs: Sequence[str], at: int
) -> str:
    weight = step.before["weight"][:, at]
    order = np.argsort(-np.abs(row.inputs * weight), kind="stable")
    terms = [
        f"{inputs[one]} {plain(row.inputs[one])} * weight {plain(weight[one])}"
        for one in sorted(order[:TERMS_SHOWN])
    ]
    rest = order[TERMS_SHOWN:]
    if rest.size:
        left = plain(float(row.inputs[rest] @ weight[rest]))
        terms.append(f"{left} from {len(rest):,} more")
    if "intercept" in step.before:
        terms.append(f"intercept {plain(float(step.before['intercept'][at]))}")
    if row.offset:
        terms.append(f"offset {plain(row.offset)}")
    name = f"{outputs[at]}: " if len(outputs) > 1 else ""
    score, prediction = float(row.score[at]), float(row.prediction[at])
    if score == prediction:
        return f"{name}{' + '.join(terms)} = {plain(prediction)}"
    return (
        f"{name}{' + '.join(terms)} = {plain(score)}, the score; "
        f"the link makes it {plain(prediction)}"
    )


def _compared(row: RowTrace, outputs: Sequence[str], at: int) -> str:
    prediction, target, delta = (
        float(part[at]) for part in (row.prediction, row.targets, row.delta)
    )
    said = f"predicted {plain(prediction)}, {outputs[at]} is {plain(target)}: delta {plain(delta)}"
    if len(outputs) == 1:
        said += f", error {plain(row.error)}"
    slope = float(row.slope[at])
    # A difference within the prediction's rounding is not mentioned.
    if not np.isclose(slope, delta, rtol=1e-9, atol=0) and np.isfinite([slope, delta]).all():
        said += f"; the loss counts it as {plain(slope)}"
    return said


def _learnt(
    step: Step,
    row: RowTrace,
    inputs: Sequence[str],
    outputs: Sequence[str],
    at: int,
    alone: bool,
    own_units: bool,
) -> list[str]:
    pull = stack(row.weight_delta)[:, at]
    before, after = stack(step.before)[:, at], stack(step.weights)[:, at]
    order = np.argsort(-np.abs(pull), kind="stable")[:TERMS_SHOWN]
    names = [*inputs, *(["the intercept"] if "intercept" in step.before else [])]
    alpha = step.alpha if own_units else None
    lines = [
        _moved(names[one], outputs[at] if len(outputs) > 1 else None, row, at, one)
        + _pulled(float(pull[one]), float(before[one]), float(after[one]), alpha, alone)
        for one in sorted(order)
    ]
    return [*lines, *_more(len(names) - len(order), "weight")]


def _moved(name: str, output: str | None, row: RowTrace, at: int, one: int) -> str:
    to = f"{output}, " if output else ""
    pull = stack(row.weight_delta)[one, at]
    slope = plain(float(row.slope[at]))
    if one == len(row.inputs):
        return f"{to}delta {slope} is the weight_delta of the intercept"
    return f"{to}delta {slope} times {name} {plain(row.inputs[one])} is {plain(float(pull))}"


def _pulled(pull: float, before: float, after: float, alpha: float | None, alone: bool) -> str:
    """The weight update in words. A difference within rounding is not mentioned."""
    if alpha is None:
        return f"; {_went(before, after)}"
    own = alpha * pull
    said = f", times alpha {plain(alpha)} is {plain(own)}"
    if not alone:
        way = "up" if own < 0 else "down"
        asks = "asks for no change" if own == 0 else f"pulls the weight {way} by {plain(abs(own))}"
        return f"{said}: it {asks}; all rows together: {_went(before, after)}"
    # A learner with momentum moves by more than this step's gradient.
    if np.isclose(before - after, own, rtol=1e-6, atol=1e-9 * abs(before)):
        if own == 0:
            return f"{said}: the weight stays at {plain(after)}"
        way = "up" if own < 0 else "down"
        return (
            f"{said}: the weight goes {way} by {plain(abs(own))}, "
            f"from {plain(before)} to {plain(after)}"
        )
    return f"{said}; the learner makes more of it: {_went(before, after)}"


def _went(before: float, after: float) -> str:
    if before == after:
        return f"the weight stays at {plain(after)}"
    way = "up" if after > before else "down"
    by = plain(float(abs(after - before)))
    return f"the weight goes {way} by {by}, from {plain(before)} to {plain(after)}"


def weight_names(inputs: Sequence[tuple[str, str | None]]) -> list[str]:
    """The names of the inputs of a schema: the column, or column=level."""
    return [column if level is None else f"{column}={level}" for column, level in inputs]
