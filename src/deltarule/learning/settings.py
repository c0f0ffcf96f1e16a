"""How to learn: settings, checked once, whoever asked for them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal

from deltarule.errors import LearningError
from deltarule.rule.learn import LEARNERS
from deltarule.rule.losses import loss_named

Ridge = float | Literal["auto"]


Freeze = str | Iterable[str] | Mapping[str, float | None]


def frozen_by(freeze: Freeze) -> Mapping[str, float | None]:
    """Which weights are frozen, and at which value where one is given."""
    if isinstance(freeze, Mapping):
        return freeze
    return dict.fromkeys([freeze] if isinstance(freeze, str) else freeze)


@dataclass(frozen=True)
class How:
    """How to learn. `freeze` names weights that keep their start, or the value given here."""

    loss: str = "squared"
    ridge: Ridge = "auto"
    learner: str | None = None
    alpha: float | None = None
    start: float | Mapping[str, float] = 0.0
    steps: int = 10_000
    tolerance: float = 1e-8
    freeze: Mapping[str, float | None] = field(default_factory=dict)
    lasso: Ridge = 0.0
    positive: Sequence[str] = ()

    def __post_init__(self) -> None:
        loss_named(self.loss)
        learners = ["exact", *LEARNERS]
        if self.learner is not None and self.learner not in learners:
            choose = f"choose {_either(learners)}"
            raise LearningError(f"there is no learner '{self.learner}': {choose}")
        if self.learner == "exact" and self.loss != "squared":
            raise LearningError(f"{self.loss} loss has no exact solution: choose newton")
        if self.alpha is not None:
            if not real("alpha", self.alpha) > 0:
                raise LearningError(f"alpha is {self.alpha:g}: it must be above 0")
            if self.learner in ("exact", "newton"):
                raise LearningError(f"{self.learner} takes no alpha: choose descent or momentum")
        if self.ridge != "auto" and real("ridge", self.ridge) < 0:
            raise LearningError(f"ridge is {self.ridge:g}: it must be auto, or 0 or more")
        if self.lasso != "auto" and real("lasso", self.lasso) < 0:
            raise LearningError(f"lasso is {self.lasso:g}: it must be auto, or 0 or more")
        if self.sparse and self.chosen != "exact":
            raise LearningError(
                "lasso and positive are for squared loss, solved exactly: leave out loss, learner "
                "and alpha"
            )
        starts = self.start.items() if isinstance(self.start, Mapping) else [("start", self.start)]
        for name, value in [*starts, *self.freeze.items()]:
            if value is not None:
                real(name, value)
        whole("steps", self.steps, least=1)
        if not 0 <= real("tolerance", self.tolerance) < 1:
            raise LearningError(f"tolerance is {self.tolerance:g}: it must be 0 or more, below 1")

    @property
    def sparse(self) -> bool:
        """Whether weights may be held at zero, by a lasso or by the signs to keep."""
        return self.lasso != 0 or bool(self.positive)

    @property
    def chosen(self) -> str:
        """The learner: the one named, or the one that suits the loss and alpha."""
        if self.learner:
            return self.learner
        if self.alpha is not None:
            return "descent"
        return "exact" if self.loss == "squared" else "newton"


def _either(names: Iterable[str]) -> str:
    *most, last = list(names)
    return f"{', '.join(most)} or {last}"


def real(name: str, value: object) -> float:
    """A finite number.

    Errors:  LearningError for anything else
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise LearningError(f"{name} is {value!r}: it must be a finite number")
    return float(value)


def whole(name: str, value: object, *, least: int) -> int:
    """A whole number of at least so much.

    Errors:  LearningError for anything else
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise LearningError(f"{name} is {value!r}: it must be a whole number, {least} or more")
    return int(value)
