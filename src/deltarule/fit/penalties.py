"""Penalties from settings: the strength and the range of each input, and their units.

    minimised: mean loss + sum(ridge * w ** 2) / 2 + sum(lasso * abs(w)),  low <= weight <= high

w are the weights of standardised inputs, so that a strength means the same for all of them; ranges
are on weights in the columns' own units. The intercept has neither.

Shapes: p inputs, k outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.fit.settings import Settings, Strength
from deltarule.losses.registry import loss_named
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.constraints import Constraints
from deltarule.solvers.cv_result import DECADES, Choice, CVResult
from deltarule.solvers.penalty import Lasso, Ridge
from deltarule.views.format import number

# Converting to units of spread 1 and back takes a rounding or two.
ROUNDING = 1e-15
# Ridges combined with every strength of lasso.
BESIDE = np.array([0.0, 1e-3, 1e-2, 0.1, 1.0])

Names = Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Strengths:
    """A penalty's strengths: `own` (p,), NaN for inputs that use the default of the `rest`.

    `said` are the strengths of single columns in words.
    """

    rest: Strength
    own: Array
    said: Sequence[str] = ()

    @classmethod
    def of(cls, name: str, inputs: Names, settings: Settings) -> "Strengths":
        """The strengths that settings give these inputs for this penalty."""
        own, said = np.full(len(inputs), np.nan), []
        for column, strength in settings.strengths(name).items():
            own[at_name(column, inputs)] = strength
            said.append(f"{number(strength)} for {column}")
        return cls(settings.rest(name), own, said)

    @property
    def auto(self) -> bool:
        """Whether cross-validation is to choose it."""
        return self.rest == "auto" and bool(np.isnan(self.own).any())

    def given(self) -> float:
        """The strength of the rest, 0 where it is yet to be chosen."""
        return 0.0 if self.rest == "auto" else float(self.rest)

    def each(self, rest: float) -> Array:
        """Every input's strength, (p,)."""
        return np.where(np.isnan(self.own), rest, self.own)


@dataclass(frozen=True)
class Penalties:
    """All penalties and constraints on weights. `said` are the ranges in words."""

    ridge: Strengths
    lasso: Strengths
    low: Array
    high: Array
    said: Sequence[str]

    @classmethod
    def of(cls, inputs: Names, settings: Settings) -> "Penalties":
        """The penalties that settings give these inputs.

        Errors:  LearningError for an unknown name, or an empty range
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
        """Whether any weight has a range."""
        return bool(np.any((self.low > -np.inf) | (self.high < np.inf)))

    @property
    def given(self) -> Choice:
        """The given strengths, 0 where they are to be chosen."""
        return Choice(self.ridge.given(), self.lasso.given())

    @property
    def auto(self) -> bool:
        """Whether cross-validation is to choose a strength."""
        return self.ridge.auto or self.lasso.auto

    @property
    def ridges(self) -> Array:
        """The ridges to be tried: the one that is given, or a grid."""
        if not self.ridge.auto:
            return np.array([self.given.ridge])
        return BESIDE if self.lasso.auto else DECADES

    def candidates(self, lassos: Callable[[], Array]) -> tuple[Array, Array]:
        """The ridges and lassos to be tried together; `lassos` gives these where one is auto."""
        return self.ridges, lassos() if self.lasso.auto else np.array([self.given.lasso])

    def earned(self, tried: CVResult, what: str, mean: Array) -> list[str]:
        """A note on the penalty chosen, or that none was where a lasso was to be chosen.

        Shapes:  mean (c,), each candidate's held-out error as reported
        """
        chosen = tried.chosen()
        if chosen:
            now, first = tried.choice(chosen), tried.choice(0)
            names = [
                f"{name} {getattr(now, name):.3g}"
                for name in ("ridge", "lasso")
                if getattr(now, name) != getattr(first, name)
            ]
            whose, them = ("its", "it") if len(names) == 1 else ("their", "them")
            given = tried.stopped
            without = "without" if given is None else f"with {number(given)} already"
            return [
                f"{' and '.join(names)} earned {whose} place: {what} on held-out rows is "
                f"{number(mean[chosen])} with {them}, {number(mean[0])} {without}"
            ]
        if self.lasso.auto:
            kinds = ["lasso", *(["ridge"] if self.ridge.auto else [])]
            return [
                f"no {' or '.join(kinds)} earned its place: none is better on held-out rows by a "
                "standard error"
            ]
        return []

    @property
    def watched(self) -> "Penalties":
        """The same for watched steps, which have no automatic ridge."""
        return replace(self, ridge=replace(self.ridge, rest=self.ridge.given()))

    def any(self, choice: Choice) -> bool:
        """Whether there is any penalty or range."""
        strengths = self.ridge.each(choice.ridge), self.lasso.each(choice.lasso)
        return self.ranged or any(bool(np.any(one > 0)) for one in strengths)

    def common_ridge(self, choices: Sequence[Choice]) -> bool:
        """Whether all that these choices have is one strength of ridge for all inputs."""
        own = np.isfinite(self.ridge.own).any() or np.isfinite(self.lasso.own).any()
        return not (self.ranged or own or any(choice.lasso for choice in choices))

    def hold_all(self, choice: Choice) -> bool:
        """Whether every weight is penalised, so that none can diverge by separation."""
        ridge, lasso = self.ridge.each(choice.ridge), self.lasso.each(choice.lasso)
        return bool(np.all((ridge > 0) | (lasso > 0)))

    def holds(self, ridge: float) -> Constraints:
        """Constraints beside the lasso of a path, for solvers on moments."""
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
        """The penalty in the units of the steps; frozen weights keep their start.

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
        """Own weights clipped to their ranges, which a change of units may miss by rounding."""
        if not self.ranged:
            return weights
        weight = weights["weight"]
        for end in (self.low[:, None], self.high[:, None]):
            weight = np.where(np.isclose(weight, end, rtol=ROUNDING, atol=0), end, weight)
        return {**weights, "weight": weight}

    def named(self, choice: Choice) -> str:
        """The kinds of penalties in use: ridge, lasso and ranges."""
        kinds = {
            "ridge": bool(np.any(self.ridge.each(choice.ridge) > 0)),
            "lasso": bool(np.any(self.lasso.each(choice.lasso) > 0)),
            "ranges": self.ranged,
        }
        *most, last = [name for name, there in kinds.items() if there]
        return f"{', '.join(most)} and {last}" if most else last

    def words(self, choice: Choice, loss: str) -> str:
        """The objective in full, in words; empty where it is the loss alone."""
        if not self.any(choice):
            return ""
        parts = [
            "half the mean squared error" if loss_named(loss).closed_form else f"mean {loss} loss"
        ]
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
    """The positions of the inputs named by their column, or column=level.

    Errors:  LearningError where there are none
    """
    at = [i for i, (column, level) in enumerate(inputs) if name in (column, f"{column}={level}")]
    if not at:
        names = dict.fromkeys(column for column, _ in inputs)
        raise LearningError(
            f"there is no weight called '{name}': there is {', '.join(list(names)[:8])}"
        )
    return at


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {number(low)} and {number(high)}"
    if low is not None:
        return f"at {number(low)} or more"
    return f"at {number(high)} or less" if high is not None else "anywhere"
