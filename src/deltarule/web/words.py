"""How learning goes, in words: its state, what alpha does, a row's next step spelled out."""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Array, Weights
from deltarule.summary import number as told
from deltarule.web.session import Session
from deltarule.web.view import Drawn, labels, loss_of

SETTLED = 1e-12
# With more of the way still to go than this, it has not settled.
CRAWLING = 1e-6
# Inputs of a row whose arithmetic is written out; the others are summed.
WRITTEN_OUT = 4
# Losses whose weight_delta is delta * input to the letter.
CANONICAL = ("squared", "logistic", "poisson", "softmax")


@dataclass(frozen=True)
class Status:
    """How learning goes: start, learning, settled, diverging or over, and in words."""

    kind: str
    words: str


def status(session: Session) -> Status:
    """How learning goes at this step."""
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
    if session.stepwise.batches is not None:
        return Status("learning", _of_batches(session))
    fell = f"from {_error(session, at.last.comparison.loss)} to {_error(session, at.now.loss)}"
    return Status("learning", f"The error went {fell} in the last step.")


def _of_batches(session: Session) -> str:
    """Where steps see some rows: which round over all of them it is, and the error on all."""
    last, batches = session.at.last, session.stepwise.batches
    assert last is not None, "there was a step"
    assert batches is not None, "steps see some rows"
    size = "one row" if batches.size == 1 else f"{batches.size:,} rows"
    return (
        f"Epoch {last.epoch:,}: the last step saw {size} of {session.read.examples:,}. "
        f"The error on all of them is {_error(session, session.at.now.loss)}."
    )


def _at_rest(session: Session) -> Status:
    """Settled, or crawling: what the steepest input had to learn is learnt, the rest is not."""
    stepwise, best, now = session.stepwise, session.best, session.at.now.loss
    if best is not None:
        least = stepwise.objective(stepwise.standard.into(best)).average().loss
        if now - least > CRAWLING * (session.walk.at_start.loss - least) > 0:
            reached = f"{_error(session, least)} could be reached"
            words = f"Crawling: the error is {_error(session, now)}, and {reached}. "
            steep = _to_blame(session)
            return Status(
                "crawling", words + f"What is left hardly moves with an alpha that {steep} allows."
            )
    return Status("settled", "Settled: there is nothing left to learn from these rows.")


def _error(session: Session, loss: float) -> str:
    return told(2 * loss if session.choices.loss == "squared" else loss)


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
    """The input whose size makes the error steepest."""
    stepwise = session.stepwise
    diagonal = stepwise.problem.curvature()[0].diagonal()
    names = [*labels(session.read), "the intercept"]
    return names[int(np.argmax(diagonal))]


@dataclass(frozen=True)
class Alphas:
    """alpha as it is, from which on it explodes, and what is fastest; None where unknown."""

    alpha: float | None
    limit: float | None
    fastest: float | None


def alphas(session: Session) -> Alphas:
    """What the slider of alpha shows."""
    walk = session.walk
    alpha = getattr(walk.learner, "alpha", None)
    fastest = None
    if walk.alphas is not None and walk.falls and math.isfinite(walk.alphas.fastest):
        fastest = walk.alphas.fastest
    return Alphas(alpha, walk.limit, fastest)


def spelled(session: Session, drawn: Drawn, output: int, place: int) -> list[str]:
    """The next step as one row sees it: predict, compare, learn, in words and numbers."""
    stepwise, at = session.stepwise, session.at
    target = session.read.schema.outputs[output]
    x, actual = drawn.inputs[place], float(drawn.targets[place, output])
    with np.errstate(all="ignore"):
        scores = stepwise.model.predict(at.weights, x[None, :])
        prediction = float(stepwise.loss.mean(scores)[0, output])
    sum_ = _sum(session, x, output, float(scores[0, output]))
    link = loss_of(session, output).says
    predicted = f"{target} is predicted as {sum_}"
    if link != "{}":
        predicted = f"the score is {sum_}, and {target} is predicted as {told(prediction)}"
    delta = prediction - actual
    size = "too high" if delta > 0 else "too low" if delta < 0 else "exactly right"
    compared = f"delta = {told(prediction)} - {told(actual)} = {told(delta)}: {size}"
    return [predicted, compared, *_learnt(session, output, x, delta)]


def _sum(session: Session, x: Array, output: int, score: float) -> str:
    """Weights times inputs, the largest of them, and what they come to."""
    weight = session.at.weights["weight"][:, output]
    start = session.at.weights.get("intercept")
    largest = np.argsort(-np.abs(x * weight), kind="stable")[:WRITTEN_OUT]
    shown = [int(at) for at in sorted(largest) if x[at] != 0]
    terms = [f"{told(float(weight[at]))} * {told(float(x[at]))}" for at in shown]
    if start is not None:
        terms.insert(0, told(float(start[output])))
    rest = float(x @ weight) - sum(float(x[at] * weight[at]) for at in shown)
    if np.count_nonzero(x) > len(shown):
        terms.append(f"{told(rest)} from the others")
    return f"{' + '.join(terms) or '0'} = {told(score)}".replace("+ -", "- ")


def _learnt(session: Session, output: int, x: Array, delta: float) -> list[str]:
    """What the row, and all rows together, ask of the weight that the next step moves most."""
    at, walk, stepwise = session.at, session.walk, session.stepwise
    names = labels(session.read)
    before, after = at.weights["weight"][:, output], at.next["weight"][:, output]
    if all(_frozen(session, place, output) for place in range(len(names))):
        return ["every weight is frozen, so nothing is learnt"]
    place = int(np.argmax(np.abs((after - before) * stepwise.problem.spread)))
    said = []
    if loss_of(session, output).name in CANONICAL:
        own = f"{told(delta)} * {told(float(x[place]))} = {told(delta * float(x[place]))}"
        said.append(f"weight_delta of {names[place]} = delta * input = {own}")
    alpha, rows = getattr(walk.learner, "alpha", None), session.read.examples
    by = f"averaged over all {rows:,} rows" if rows > 1 else ""
    if stepwise.batches is not None:
        batches = stepwise.batches.size
        by = f"the next step sees {'one row' if batches == 1 else f'{batches:,} rows'}"
        by += ", perhaps not this one"
    # In other units than the inputs' own, alpha and weight_delta are not what a person multiplies.
    if walk.learner.name == "descent" and alpha is not None and not session.choices.standardise:
        average = told(float((at.seen or at.now).weight_delta["weight"][place, output]))
        by = (f"{by}: {average}; " if by else "") + f"times alpha {told(alpha)}"
    moved = float(after[place] - before[place])
    way = "stays" if moved == 0 else f"goes {'up' if moved > 0 else 'down'} by {told(abs(moved))}"
    ends = (
        "" if moved == 0 else f", from {told(float(before[place]))} to {told(float(after[place]))}"
    )
    words = f"the weight of {names[place]} {way}{ends}"
    return [*said, f"{by}, {words}" if by else words]


def _frozen(session: Session, place: int, output: int) -> bool:
    frozen = session.stepwise.frozen
    return frozen is not None and bool(frozen["weight"][place, output])
