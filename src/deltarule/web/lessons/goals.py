"""Goals of lessons: conditions on a session, and how far each is from being met, in words.

Arrived means that the largest weight_delta is a hundredth of what it was at the start and, where
the least error is known, that a hundredth of the way down to it is left.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Weights
from deltarule.views.format import number as told
from deltarule.web.row_view import Unseen, ViewData
from deltarule.web.session import Session
from deltarule.web.status import status

ARRIVED = 0.01
# From so many times as much on, a share above is told as times.
TIMES = 9.0


@dataclass(frozen=True)
class Standing:
    """Where learning stands: the session, its drawn rows, and held-out rows, if any."""

    session: Session
    drawn: ViewData
    unseen: Unseen | None


@dataclass(frozen=True)
class Condition:
    """A condition, and where learning stands beside it, in words; None where that says nothing."""

    holds: Callable[[Standing], bool]
    says: Callable[[Standing], str] | None = None


@dataclass(frozen=True)
class Goal:
    """What is to be reached, in words; a hint; the conditions, all of which must hold.

    Where it `rests`, passing by does not count: they must hold where learning is stopped.
    """

    words: str
    hint: str
    conditions: tuple[Condition, ...]
    rests: bool = False

    @np.errstate(all="ignore")  # numbers that overflow are part of some lessons
    def met(self, standing: Standing) -> bool:
        """Whether all conditions hold."""
        return all(one.holds(standing) for one in self.conditions)

    @np.errstate(all="ignore")
    def says(self, standing: Standing) -> str:
        """Where learning stands beside the goal."""
        return ", ".join(one.says(standing) for one in self.conditions if one.says is not None)


def at_most(steps: int) -> Condition:
    """In no more than so many steps, and not before the first."""
    return Condition(
        lambda at: 1 <= at.session.at.number <= steps, lambda at: _steps(at.session.at.number)
    )


def at_least(steps: int) -> Condition:
    """After so many steps or more."""
    return Condition(
        lambda at: at.session.at.number >= steps, lambda at: _steps(at.session.at.number)
    )


def _steps(number: int) -> str:
    return f"{number:,} {'step' if number == 1 else 'steps'}"


def _largest(weights: Weights) -> float:
    return max(float(np.max(np.abs(array), initial=0.0)) for array in weights.values())


def weight_delta_left(session: Session) -> float:
    """The largest weight_delta as a share of what it was at the start."""
    first = _largest(session.walk.at_start.weight_delta)
    return _largest(session.at.now.weight_delta) / first if first else 0.0


def error_left(session: Session) -> float | None:
    """The share of the way down to the least error that is left; None where that is unknown."""
    best = session.best
    if best is None:
        return None
    task = session.problem
    least = task.objective(task.standard.into(best)).average().loss
    way = session.walk.at_start.loss - least
    return max(session.at.now.loss - least, 0.0) / way if way > 0 else 0.0


def _arrived(at: Standing) -> bool:
    rest = error_left(at.session)
    return weight_delta_left(at.session) <= ARRIVED and (rest is None or rest <= ARRIVED)


def _left(at: Standing) -> str:
    rest = max(weight_delta_left(at.session), error_left(at.session) or 0.0)
    return f"{_share(rest)} of the way left" if rest <= 1 else "further away than at the start"


def _share(part: float) -> str:
    return f"{part:,.0%}" if part >= 0.1 else f"{part:.1%}" if part >= 0.001 else "less than 0.1%"


ARRIVES = Condition(_arrived, _left)
"""Learning has arrived: a hundredth of the way is left."""

RISES = Condition(lambda at: status(at.session).kind in ("diverging", "over"))
"""The error rises, because alpha is too large."""

STANDARDISED = Condition(lambda at: at.session.choices.standardise)
"""Steps are taken on standardised inputs."""


def near_floor(share: float) -> Condition:
    """So small a share of the way down to the least error is left."""
    return Condition(
        lambda at: (error_left(at.session) or 0.0) <= share,
        lambda at: f"{_share(error_left(at.session) or 0.0)} of the way down left",
    )


def error_above_least(share: float) -> Condition:
    """The error is no more than this share above the least there is."""
    return Condition(
        lambda at: _above_least(at) <= share,
        lambda at: f"error {_beside_least(_above_least(at))} the least",
    )


def _beside_least(above: float) -> str:
    return f"{_share(above)} above" if above < TIMES else f"{above + 1:,.0f} times"


def _above_least(at: Standing) -> float:
    task, best = at.session.problem, at.session.best
    if best is None:
        return np.inf
    least = task.objective(task.standard.into(best)).average().loss
    return max(at.session.at.now.loss / least - 1, 0.0) if least > 0 else np.inf


def delta_below(size: float) -> Condition:
    """The delta of the first drawn row is smaller than this, either way."""
    return Condition(lambda at: abs(_delta(at)) < size, lambda at: f"delta {told(_delta(at))}")


def _delta(at: Standing) -> float:
    task = at.session.problem
    scores = task.model.predict(at.session.at.weights, at.drawn.inputs[:1])
    return float((task.loss.link.inverse(scores) - at.drawn.targets[:1])[0, 0])


def rmse_below(size: float) -> Condition:
    """The root mean squared error is smaller than this."""
    return Condition(lambda at: _typical(at) < size, lambda at: f"RMSE {told(_typical(at))}")


def _typical(at: Standing) -> float:
    return float(np.sqrt(at.session.error(at.session.at.now.loss)))


def inputs_at_most(count: int) -> Condition:
    """Predicted from no more than so many inputs."""
    return Condition(lambda at: len(at.session.read.schema.inputs) <= count)


def batch_of(size: int) -> Condition:
    """Each step sees so many rows."""
    return Condition(lambda at: at.session.choices.batch == size)


def free(name: str) -> Condition:
    """The weight of this input is not frozen."""
    return Condition(lambda at: name not in at.session.choices.freeze)


def unseen_rmse_below(size: float) -> Condition:
    """The root mean squared error on the lesson's held-out rows is smaller than this."""
    return Condition(lambda at: _unseen(at) < size, lambda at: f"held-out RMSE {told(_unseen(at))}")


def _unseen(at: Standing) -> float:
    """Infinite where the lesson has no such rows."""
    if at.unseen is None:
        return np.inf
    return float(np.sqrt(at.unseen.error(at.session, at.session.at.weights)))


def wrong_at_most(count: int) -> Condition:
    """No more than so many drawn rows are taken for another class."""
    return Condition(lambda at: _wrong(at) <= count, lambda at: f"{_wrong(at)} hollow marks")


def _wrong(at: Standing) -> int:
    model = at.session.problem.model
    scores = model.predict(at.session.at.weights, at.drawn.inputs)
    return int((scores.argmax(axis=1) != at.drawn.targets.argmax(axis=1)).sum())
