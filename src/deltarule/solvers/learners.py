"""Registry of the learners that can be chosen by name, each with its default alpha."""

from collections.abc import Mapping
from dataclasses import fields
from typing import ClassVar, Protocol, Self

from deltarule.rule.compare import Comparison
from deltarule.rule.learn import AlphaRange, Descent, Learner
from deltarule.solvers.first_order import Adam, Momentum, Nesterov
from deltarule.solvers.lbfgs import Lbfgs
from deltarule.solvers.newton import Newton


class DefaultLearner(Learner, Protocol):
    """A learner that knows which alpha suits a problem."""

    settles: ClassVar[bool]
    """True when a constant alpha converges where the Hessian is constant."""

    @classmethod
    def suited(cls, alphas: AlphaRange, start: Comparison) -> Self:
        """The learner with its default alpha, from the curvature at the start.

        `alphas` is the range for descent; its smallest eigenvalue is NaN where steps are of
        minibatches. `start` is the average over the rows, Hessian included.
        """
        ...


LEARNERS: Mapping[str, type[DefaultLearner]] = {
    kind.name: kind for kind in (Descent, Momentum, Nesterov, Adam, Newton, Lbfgs)
}


def has_alpha(name: str) -> bool:
    """Whether the learner of this name has a learning rate, or finds its steps' lengths itself."""
    return any(one.name == "alpha" for one in fields(LEARNERS[name]))  # type: ignore[arg-type]
