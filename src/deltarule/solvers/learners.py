"""Registry of all learners by name."""

from collections.abc import Mapping

from deltarule.rule.learn import Adam, Descent, Learner, Momentum, Nesterov
from deltarule.solvers.newton import Newton

LEARNERS: Mapping[str, type[Learner]] = {
    kind.name: kind for kind in (Descent, Momentum, Nesterov, Adam, Newton)
}
