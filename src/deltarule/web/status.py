"""Status of learning in words: its state at a step, and the effect of alpha."""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Weights
from deltarule.views.format import number as told
from deltarule.web.row_view import labels
from deltarule.web.session import Session

SETTLED = 1e-12
# With a larger relative distance to the optimum it has not converged.
CRAWLING = 1e-6
ONE_ROW = "size of delta"
"""The RMSE of a single row."""


@dataclass(frozen=True)
class Status:
    """The state of learning: start, learning, settled, diverging or over, and in words."""

    kind: str
    words: str


def status(session: Session) -> Status:
    """The status at the current step."""
    at, walk = session.at, session.walk
    if at.last is None:
        return Status("start", "Nothing is learnt yet. Take a step.")
    start = abs(walk.at_start.loss)
    rose = at.now.loss > at.last.comparison.loss * (1 + 1e-9) + 1e-12 * start
    above = walk.limit is not None and getattr(walk.learner, "alpha", 0.0) > walk.limit
    far = at.now.loss > 10 * start
    if (rose and walk.falls) or (above and far):
        words = "Diverging: the error goes up, because alpha is too large. "
        words += _what_settles(session)
        if walk.ends_after(at.number):
            return Status("over", words + " The next step leads beyond all numbers.")
        return Status("diverging", words)
    size, first = _size(at.now.weight_delta), _size(walk.at_start.weight_delta)
    if size <= SETTLED * first:
        return _at_rest(session)
    if session.problem.batches is not None:
        return Status("learning", _of_batches(session))
    name, was = error_name(session), _error(session, at.last.comparison.loss)
    now = _error(session, at.now.loss)
    if was == now:
        return Status("learning", f"The {name} is {now}: the last step moved it by less than that.")
    return Status("learning", f"The {name} went from {was} to {now} in the last step.")


def _of_batches(session: Session) -> str:
    """The status of minibatch learning: the epoch, and the error on all rows."""
    last, batches = session.at.last, session.problem.batches
    assert last is not None, "there was a step"
    assert batches is not None, "steps see some rows"
    size = "one row" if batches.size == 1 else f"{batches.size:,} rows"
    return (
        f"Epoch {last.epoch:,}: the last step saw {size} of {session.read.examples:,}. "
        f"The {error_name(session)} on all of them is {_error(session, session.at.now.loss)}."
    )


def _at_rest(session: Session) -> Status:
    """Converged, or crawling: only the steepest direction has converged (ill-conditioned)."""
    problem, best, now = session.problem, session.best, session.at.now.loss
    if best is not None:
        least = problem.objective(problem.standard.into(best)).average().loss
        if now - least > CRAWLING * (session.walk.at_start.loss - least) > 0:
            reached = f"{_error(session, least)} could be reached"
            words = (
                f"Crawling: the {error_name(session)} is {_error(session, now)}, and {reached}. "
            )
            steep = _to_blame(session)
            return Status(
                "crawling", words + f"What is left hardly moves with an alpha that {steep} allows."
            )
    return Status("settled", "Settled: there is nothing left to learn from these rows.")


def error_name(session: Session) -> str:
    """What the error of a sentence is."""
    penalty = ", with penalty," if session.choices.ridge else ""
    return " of ".join(filter(None, (error_word(session), error_of(session)))) + penalty


def error_word(session: Session) -> str:
    """What the error is called: of squared loss its root, in the target's own units."""
    if not session.choices.squared:
        mean = "" if session.read.examples == 1 else "mean "
        return f"{mean}{session.problem.loss.error_name}"
    return ONE_ROW if session.read.examples == 1 else "RMSE"


def error_of(session: Session) -> str:
    """The targets that share the error, in words; empty for a single one."""
    targets = len(session.read.schema.targets)
    return "" if targets < 2 else "both targets" if targets == 2 else f"all {targets} targets"


def _error(session: Session, loss: float) -> str:
    error = session.error(loss)
    return told(math.sqrt(max(error, 0.0)) if session.choices.squared else error)


def _size(weight_delta: Weights) -> float:
    return max((float(np.max(np.abs(g), initial=0.0)) for g in weight_delta.values()), default=0.0)


def _what_settles(session: Session) -> str:
    walk = session.walk
    if walk.limit is None:
        return "Take a smaller one."
    words = f"Below {told(walk.limit)} it settles"
    if walk.falls and walk.alphas is not None:
        words += f"; {told(walk.alphas.fastest)} is fastest"
    if not session.choices.standardise:
        words += f". The scale of {_to_blame(session)} sets that limit"
    return words + "."


def _to_blame(session: Session) -> str:
    """The input whose scale makes the error steepest."""
    problem = session.problem
    diagonal = problem.problem.hessian()[0].diagonal()
    names = [*labels(session.read), "the intercept"]
    return names[int(np.argmax(diagonal))]


@dataclass(frozen=True)
class AlphaStatus:
    """The current alpha, its limit before divergence, and the fastest; None where unknown."""

    alpha: float | None
    limit: float | None
    fastest: float | None


def alpha_status(session: Session) -> AlphaStatus:
    """The status of alpha, for its slider."""
    walk = session.walk
    alpha = getattr(walk.learner, "alpha", None)
    fastest = None
    if walk.alphas is not None and walk.falls and math.isfinite(walk.alphas.fastest):
        fastest = walk.alphas.fastest
    return AlphaStatus(alpha, walk.limit, fastest)
