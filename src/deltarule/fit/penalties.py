"""Penalties as they were asked for: the strength and the range of each input, in which units.

    minimised: mean loss + sum(ridge * w ** 2) / 2 + sum(lasso * abs(w)),  low <= weight <= high

w are the weights of standardised inputs, so that a strength means the same for all of them; ranges
are for the weights that people see, in the columns' own units. The intercept has neither.

Shapes: p inputs, k outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deltarule.errors import LearningError
from deltarule.fit.settings import Settings, Strength
from deltarule.rule.learn import Descent, Learner
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.constraints import Constraints
from deltarule.solvers.newton import Newton
from deltarule.solvers.penalty import Lasso, Ridge
from deltarule.solvers.plateau import ReduceOnPlateau
from deltarule.solvers.proximal import ProximalDescent, ProximalNewton
from deltarule.views.format import number

# There and back through units of spread 1 takes a rounding or two.
ROUNDING = 1e-15

Names = Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Choice:
    """The strengths of the inputs that have none of their own."""

    ridge: float = 0.0
    lasso: float = 0.0


@dataclass(frozen=True)
class Strengths:
    """A penalty's strengths: `own` (p,), NaN for inputs that have what the `rest` have.

    `said` are the strengths of single columns in words.
    """

    rest: Strength
    own: Array
    said: Sequence[str] = ()

    @classmethod
    def of(cls, name: str, inputs: Names, settings: Settings) -> "Strengths":
        """What settings ask of these inputs under this penalty's name."""
        own, said = np.full(len(inputs), np.nan), []
        for column, strength in settings.strengths(name).items():
            own[at_name(column, inputs)] = strength
            said.append(f"{number(strength)} for {column}")
        return cls(settings.rest(name), own, said)

    @property
    def auto(self) -> bool:
        """Whether held-out rows are to choose it."""
        return self.rest == "auto" and bool(np.isnan(self.own).any())

    def given(self) -> float:
        """The strength of the rest, none where it is yet to be chosen."""
        return 0.0 if self.rest == "auto" else float(self.rest)

    def each(self, rest: float) -> Array:
        """Every input's strength."""
        return np.where(np.isnan(self.own), rest, self.own)


@dataclass(frozen=True)
class Penalties:
    """All that holds weights. `said` are the ranges in words."""

    ridge: Strengths
    lasso: Strengths
    low: Array
    high: Array
    said: Sequence[str]

    @classmethod
    def of(cls, inputs: Names, settings: Settings) -> "Penalties":
        """What settings ask of these inputs.

        Errors:  LearningError for a name that is none of theirs, a range that holds no number
        """
        said = []
        low, high = np.full(len(inputs), -np.inf), np.full(len(inputs), np.inf)
        for column in settings.positives:
            low[at_name(column, inputs)] = 0.0
            said.append(f"{column} at 0 or more")
        for column, ends in settings.ranges.items():
            at = at_name(column, inputs)
            least, most = (np.nan if end is None else float(end) for end in ends)
            low[at], high[at] = np.fmax(low[at], least), np.fmin(high[at], most)
            said.append(f"{column} {_between(*ends)}")
            if (low[at] > high[at]).any():
                raise LearningError(f"no weight of {column} is both positive and {_between(*ends)}")
        return cls(
            Strengths.of("ridge", inputs, settings),
            Strengths.of("lasso", inputs, settings),
            low,
            high,
            said,
        )

    @property
    def ranged(self) -> bool:
        """Whether there are weights with a range to keep."""
        return bool(np.any((self.low > -np.inf) | (self.high < np.inf)))

    @property
    def given(self) -> Choice:
        """The strengths that were given, none where they are to be chosen."""
        return Choice(self.ridge.given(), self.lasso.given())

    @property
    def auto(self) -> bool:
        """Whether held-out rows are to choose a strength."""
        return self.ridge.auto or self.lasso.auto

    @property
    def watched(self) -> "Penalties":
        """The same for steps that are watched: they try no ridge by themselves."""
        return replace(self, ridge=replace(self.ridge, rest=self.ridge.given()))

    def any(self, choice: Choice) -> bool:
        """Whether anything holds weights."""
        strengths = self.ridge.each(choice.ridge), self.lasso.each(choice.lasso)
        return self.ranged or any(bool(np.any(one > 0)) for one in strengths)

    def hold_all(self, choice: Choice) -> bool:
        """Whether every weight is drawn to 0, so that none can grow without end."""
        ridge, lasso = self.ridge.each(choice.ridge), self.lasso.each(choice.lasso)
        return bool(np.all((ridge > 0) | (lasso > 0)))

    def holds(self, ridge: float) -> Constraints:
        """What holds weights beside the lasso of a path, for the moments."""
        own = ~np.isnan(self.lasso.own)
        return Constraints(
            ridge=self.ridge.each(ridge),
            strength_of=np.where(own, 0.0, 1.0),
            fixed=np.where(own, self.lasso.own, 0.0) if own.any() else None,
            low=self.low if self.ranged else None,
            high=self.high if self.ranged else None,
        )

    def penalty(
        self,
        choice: Choice,
        *,
        unit: Array,
        spread: Array,
        start: Weights,
        frozen: Mapping[str, Mask] | None,
    ) -> Lasso:
        """The penalty in the units that steps are taken in, where frozen weights keep their start.

        Shapes:  unit (p,): what own weights were multiplied by; spread (p,): the inputs' own
        """
        k = start["weight"].shape[1]
        ridge, lasso, low, high = (
            np.repeat(one[:, None], k, axis=1)
            for one in (
                self.ridge.each(choice.ridge) * (spread / unit) ** 2,
                self.lasso.each(choice.lasso) * (spread / unit),
                self.low * unit,
                self.high * unit,
            )
        )
        if frozen is not None:
            held = frozen["weight"]
            lasso = np.where(held, 0.0, lasso)
            low, high = (np.where(held, start["weight"], end) for end in (low, high))
        return Lasso(lasso, Ridge(ridge[:, :1]), low, high)

    def within(self, weights: Weights) -> Weights:
        """Own weights at the very ends of ranges that a change of units moved them from."""
        if not self.ranged:
            return weights
        weight = weights["weight"]
        for end in (self.low[:, None], self.high[:, None]):
            weight = np.where(np.isclose(weight, end, rtol=ROUNDING, atol=0), end, weight)
        return {**weights, "weight": weight}

    def named(self, choice: Choice) -> str:
        """The kinds of what holds the weights, where anything does: ridge, lasso and ranges."""
        kinds = {
            "ridge": bool(np.any(self.ridge.each(choice.ridge) > 0)),
            "lasso": bool(np.any(self.lasso.each(choice.lasso) > 0)),
            "ranges": self.ranged,
        }
        *most, last = [name for name, there in kinds.items() if there]
        return f"{', '.join(most)} and {last}" if most else last

    def words(self, choice: Choice, loss: str) -> str:
        """What is minimised, in full; empty where that is the loss alone."""
        if not self.any(choice):
            return ""
        parts = ["half the mean squared error" if loss == "squared" else f"mean {loss} loss"]
        more = []
        for name, form in (("ridge", "{} / 2 * sum(w ** 2)"), ("lasso", "{} * sum(|w|)")):
            strengths, rest = getattr(self, name), getattr(choice, name)
            if np.any(strengths.each(rest) > 0):
                parts.append(form.format(name if strengths.said else number(rest)))
                own = [f"{number(rest)}", *strengths.said]
                more += [f"{name} {', '.join(own)}"] if strengths.said else []
        where = ", w the weights of standardised inputs" if len(parts) > 1 else ""
        return "; ".join([" + ".join(parts) + where, *more, *self.said])


def at_name(name: str, inputs: Names) -> list[int]:
    """Where the inputs stand that are called by their column, or column=level.

    Errors:  LearningError where there are none
    """
    at = [i for i, (column, level) in enumerate(inputs) if name in (column, f"{column}={level}")]
    if not at:
        names = dict.fromkeys(column for column, _ in inputs)
        raise LearningError(
            f"there is no weight called '{name}': there is {', '.join(list(names)[:8])}"
        )
    return at


def proximal(learner: Learner, penalty: Lasso) -> Learner:
    """The learner that takes the same steps and meets a penalty with kinks and ranges.

    Errors:  LearningError for one that cannot
    """
    if isinstance(learner, ReduceOnPlateau) and isinstance(learner.learner, Descent):
        return replace(learner, learner=ProximalDescent(learner.alpha, penalty))
    if isinstance(learner, Newton):
        return ProximalNewton(penalty)
    if isinstance(learner, Descent):
        return ProximalDescent(learner.alpha, penalty)
    raise LearningError(f"{learner.name} does not meet a lasso or ranges: choose descent or newton")


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {number(low)} and {number(high)}"
    if low is not None:
        return f"at {number(low)} or more"
    return f"at {number(high)} or less" if high is not None else "anywhere"
