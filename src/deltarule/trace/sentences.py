"""Sentences that describe a step on one row: its prediction, comparison and weight update.

The terminal and the page say it with the same sentences.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Mask
from deltarule.rule.train import Step
from deltarule.trace.row_trace import RowTrace

TERMS_SHOWN = 4
OUTPUTS_SHOWN = 3
DIGITS = 10
# The rounding of a mean, relative to the parts that cancel in it.
ROUNDING = 1e-12
# What makes a prediction of a score, by the link's name.
CURVES = {
    "log": "exp(score)",
    "logit": "1 / (1 + exp(-score))",
    "softmax": "its share of the exp(score) of all classes",
}


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


def plain(value: float, digits: int = DIGITS) -> str:
    """A number with its significant digits, without rounding noise.

    >>> plain(319.56000000000006), plain(-99_550_000.0), plain(1e-11), plain(-1.991e13)
    ('319.56', '-99,550,000', '1e-11', '-19,910,000,000,000')
    """
    size = abs(value)
    if not np.isfinite(value):
        return str(value)
    if size and not 1e-4 <= size < 1e15:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    if size >= 10**digits:
        return f"{value:,.0f}"
    after = digits - 1 - (int(np.floor(np.log10(size))) if size else 0)
    text = f"{round(value, after) + 0.0:,.{after}f}"  # + 0.0 makes a -0 plain
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown_mean(mean: float, one: float) -> float:
    """A mean of rows beside the part of one of them: 0 where it is the rounding of larger parts."""
    return 0.0 if abs(mean) < ROUNDING * abs(one) else mean


def step_sentences(
    step: Step,
    row: RowTrace,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    alone: bool,
    together: str = "all rows",
    standard: Standardization | None = None,
    frozen: Mapping[str, Mask] | None = None,
    error_of: str = "",
    digits: int = DIGITS,
) -> StepSentences:
    """The sentences for a row of a step.

    `inputs` and `outputs` are their names. `alone` says that the step is on this row only,
    `together` which rows it is on where they are several. `standard` is given where steps are taken
    on standardized inputs: the row's gradient is then that of them, and alpha does not apply to the
    weights shown. `error_of` says what the row's error is of, where that is more than one output.
    """
    shown = range(min(len(outputs), OUTPUTS_SHOWN))
    more = _more(len(outputs) - OUTPUTS_SHOWN, "output")
    told = _Told(step, row, inputs, outputs, alone, together, standard, frozen, error_of, digits)
    # Diverged weights overflow, which is to be shown.
    with np.errstate(all="ignore"):
        return StepSentences(
            predict=(*(told.predicted(at) for at in shown), *more),
            compare=(*(told.compared(at) for at in shown), *more),
            learn=(*(sentence for at in shown for sentence in told.learnt(at)), *more),
        )


def _more(count: int, what: str) -> list[str]:
    return [] if count <= 0 else [f"and {count:,} more {what}{'' if count == 1 else 's'}"]


@dataclass(frozen=True)
class _Told:
    """What `step_sentences` tells, output by output: `at` is the output's index."""

    step: Step
    row: RowTrace
    inputs: Sequence[str]
    outputs: Sequence[str]
    alone: bool
    together: str
    standard: Standardization | None
    frozen: Mapping[str, Mask] | None
    error_of: str
    digits: int

    def _plain(self, value: float) -> str:
        return plain(value, self.digits)

    def predicted(self, at: int) -> str:
        row, inputs, plain = self.row, self.inputs, self._plain
        weight = self.step.before["weight"][:, at]
        order = np.argsort(-np.abs(row.inputs * weight), kind="stable")
        terms = [
            f"{inputs[one]} {plain(row.inputs[one])} * weight {plain(weight[one])}"
            for one in sorted(order[:TERMS_SHOWN])
        ]
        rest = order[TERMS_SHOWN:]
        if rest.size:
            left = plain(float(row.inputs[rest] @ weight[rest]))
            terms.append(f"{left} from {len(rest):,} more")
        if "intercept" in self.step.before:
            terms.append(f"intercept {plain(float(self.step.before['intercept'][at]))}")
        if row.offset:
            terms.append(f"offset {plain(row.offset)}")
        name = f"{self.outputs[at]}: " if len(self.outputs) > 1 else ""
        score, prediction = float(row.score[at]), float(row.prediction[at])
        if score == prediction:
            return f"{name}{' + '.join(terms)} = {plain(prediction)}"
        return (
            f"{name}{' + '.join(terms)} = {plain(score)}, the score; "
            f"{CURVES.get(row.link, 'the link of it')} = {plain(prediction)}"
        )

    def compared(self, at: int) -> str:
        row, plain = self.row, self._plain
        prediction, target, delta = (
            float(part[at]) for part in (row.prediction, row.targets, row.delta)
        )
        said = (
            f"predicted {plain(prediction)}, {self.outputs[at]} is {plain(target)}: "
            f"delta {plain(delta)}"
        )
        if len(self.outputs) == 1:
            error = " of ".join(filter(None, (row.error_name, self.error_of)))
            said += f", {error} {plain(row.error)}"
        slope = float(row.slope[at])
        # A difference within the prediction's rounding is not mentioned.
        if not np.isclose(slope, delta, rtol=1e-9, atol=0) and np.isfinite([slope, delta]).all():
            said += f"; the loss counts it as {plain(slope)}"
        return said

    def learnt(self, at: int) -> list[str]:
        pull = self._pull(at)
        order = np.argsort(-np.abs(pull), kind="stable")[:TERMS_SHOWN]
        lines = [self._updated(at, one, float(pull[one])) for one in sorted(order)]
        return [*lines, *_more(len(pull) - len(order), "weight")]

    def _pull(self, at: int) -> Array:
        """The row's own gradient, in the units of the steps."""
        pull: Array = stack(self.row.weight_delta)[:, at]
        if self.standard is None:
            return pull
        inputs = self.standard.inputs(self.row.inputs[None])[0]
        return np.append(self.row.slope[at] * inputs, pull[len(inputs) :])

    def _updated(self, at: int, one: int, pull: float) -> str:
        before = float(stack(self.step.before)[one, at])
        after = float(stack(self.step.weights)[one, at])
        if self.frozen is not None and bool(stack(self.frozen)[one, at]):
            name = self.inputs[one] if one < len(self.inputs) else "the intercept"
            return f"the weight of {name} is frozen: it stays at {self._plain(after)}"
        if self.standard is not None:
            return self._standardized(at, one, pull, before, after)
        return self._moved(at, one) + self._pulled(pull, before, after)

    def _moved(self, at: int, one: int) -> str:
        row, plain = self.row, self._plain
        to = f"{self.outputs[at]}, " if len(self.outputs) > 1 else ""
        slope, pull = plain(float(row.slope[at])), stack(row.weight_delta)[one, at]
        if one == len(row.inputs):
            return f"{to}delta {slope} is the weight_delta of the intercept"
        moved = f"{self.inputs[one]} {plain(row.inputs[one])} is {plain(float(pull))}"
        return f"{to}delta {slope} times {moved}"

    def _standardized(self, at: int, one: int, pull: float, before: float, after: float) -> str:
        """The update of one weight by standardized inputs: the row's part, and the mean."""
        assert self.standard is not None, "inputs are standardized"
        plain = self._plain
        to = f"{self.outputs[at]}, " if len(self.outputs) > 1 else ""
        slope = plain(float(self.row.slope[at]))
        mean = plain(shown_mean(float(stack(self.step.comparison.weight_delta)[one, at]), pull))
        rows = "" if self.alone else f", mean of {self.together} {mean}"
        if one == len(self.row.inputs):
            # Inputs are measured from their means, which own units put into the intercept.
            moved = _led(before, after, plain)
            return f"{to}intercept: delta {slope}{rows}; with the others {moved}"
        input_ = plain(float(self.standard.inputs(self.row.inputs[None])[0, one]))
        share = f"delta {slope} * standardised {input_} is {plain(pull)}"
        return f"{to}{self.inputs[one]}: {share}{rows}; weight {_led(before, after, plain)}"

    def _pulled(self, pull: float, before: float, after: float) -> str:
        """The weight update in words. A difference within rounding is not mentioned."""
        plain = self._plain
        if self.step.alpha is None:
            return f"; {_went(before, after, plain)}"
        own = self.step.alpha * pull
        said = f", times alpha {plain(self.step.alpha)} is {plain(own)}"
        way = "up" if own < 0 else "down"
        if not self.alone:
            asks = f"pulls the weight {way} by {plain(abs(own))}"
            asks = "asks for no change" if own == 0 else asks
            return f"{said}: it {asks}; {self.together} together: {_went(before, after, plain)}"
        # A learner with momentum moves by more than this step's gradient.
        if np.isclose(before - after, own, rtol=1e-6, atol=1e-9 * abs(before)):
            if own == 0:
                return f"{said}: the weight stays at {plain(after)}"
            return (
                f"{said}: the weight goes {way} by {plain(abs(own))}, "
                f"from {plain(before)} to {plain(after)}"
            )
        return f"{said}; the learner makes more of it: {_went(before, after, plain)}"


def _went(before: float, after: float, plain: Callable[[float], str] = plain) -> str:
    if before == after:
        return f"the weight stays at {plain(after)}"
    way = "up" if after > before else "down"
    by = plain(float(abs(after - before)))
    return f"the weight goes {way} by {by}, from {plain(before)} to {plain(after)}"


def _led(before: float, after: float, plain: Callable[[float], str]) -> str:
    if plain(before) == plain(after):
        return f"stays at {plain(after)}"
    return f"from {plain(before)} {'up' if after > before else 'down'} to {plain(after)}"


def weight_names(inputs: Sequence[tuple[str, str | None]]) -> list[str]:
    """The names of the inputs of a schema: the column, or column=level."""
    return [column if level is None else f"{column}={level}" for column, level in inputs]
