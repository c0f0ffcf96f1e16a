"""What a page shows of a session: plain numbers and words, of one step.

Shapes: m rows drawn, p inputs, k outputs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deltarule.errors import DeltaruleError
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.summary import number as told
from deltarule.tables.reading import Read
from deltarule.tables.schema import MISSING
from deltarule.web.session import Session
from deltarule.web.tables import Table
from deltarule.web.walk import Stand

MOST_DRAWN = 240
MOST_LISTED = 60
GRID = 121
SETTLED = 1e-12
# With more of the way still to go than this, it has not settled.
CRAWLING = 1e-6
# Inputs of a row whose arithmetic is written out; the others are summed.
WRITTEN_OUT = 4
# Losses whose weight_delta is delta * input to the letter.
CANONICAL = ("squared", "logistic", "poisson", "softmax")


@dataclass(frozen=True)
class Drawn:
    """The rows that are drawn, of all that are held: inputs (m, p), targets (m, k), rows' numbers.

    Where all inputs come from one column of numbers, `across` is its name, `x` (m,) its values, and
    `grid` values along it with what they are as inputs, so that a line can be drawn.
    """

    inputs: Array
    targets: Array
    numbers: Array
    across: str | None
    x: Array
    grid: Array
    grid_inputs: Array

    @classmethod
    def of(cls, table: Table, read: Read, *, most: int = MOST_DRAWN) -> "Drawn":
        """Those of a table, as a run reads its columns."""
        schema = read.schema
        # Rows without a target are left out, so some more are looked at than are drawn.
        step = max(table.held.height // (2 * most), 1)
        frame = table.held.gather_every(step)
        every = table.every * step
        inputs, targets = _encoded(read, frame)
        known = np.flatnonzero(~np.isnan(targets).any(axis=1))
        at = known[np.unique(np.linspace(0, len(known) - 1, most).astype(int))]
        across = _across(schema.needs, frame, [c.kind for c in schema.columns])
        x, grid, grid_inputs = at.astype(float), np.zeros(0), np.zeros((0, inputs.shape[1]))
        if across is not None:
            x = frame[across].cast(pl.Float64, strict=False).to_numpy()[at]
            span = _wide(x, zero=not read.plan.asked.intercept)
            grid = np.linspace(span[0], span[1], GRID)
            try:
                line = schema.view(pl.DataFrame({across: grid}), name=table.name)
                grid_inputs, _ = schema.encode(line, name=table.name)
            except DeltaruleError:
                # log(0) and its like: there is no line to draw through all of them.
                grid = np.zeros(0)
        numbers = at * float(every) + 1
        return cls(inputs[at], targets[at], numbers, across, x, grid, grid_inputs)


def _encoded(read: Read, frame: pl.DataFrame) -> tuple[Array, Array]:
    viewed = read.schema.view(frame, name=read.source.name, targets=True)
    inputs, _ = read.schema.encode(viewed, name=read.source.name)
    return inputs, read.schema.outcomes(viewed, name=read.source.name)


@dataclass(frozen=True)
class Unseen:
    """Rows that are never learnt from: inputs (m, p), targets (m, k), perhaps x (m,)."""

    inputs: Array
    targets: Array
    x: Array | None

    @classmethod
    def of(cls, frame: pl.DataFrame, read: Read, across: str | None) -> "Unseen":
        """Those of a frame, as a run reads its columns."""
        inputs, targets = _encoded(read, frame)
        return cls(inputs, targets, None if across is None else frame[across].to_numpy())

    def error(self, session: Session, weights: Weights) -> float:
        """Their error under these weights, counted as that of the rows learnt from."""
        stepwise = session.run.stepwise
        assert stepwise is not None, "a page's learners take steps"
        with np.errstate(all="ignore"):
            scores = stepwise.model.predict(weights, self.inputs)
            return 2 * float(stepwise.loss.value(scores, self.targets).mean())


def _across(needs: Sequence[str], frame: pl.DataFrame, kinds: Sequence[str]) -> str | None:
    """The one column of numbers that all inputs come from, if there is one."""
    if len(needs) != 1 or set(kinds) - {"number"} or not frame[needs[0]].dtype.is_numeric():
        return None
    return needs[0]


def _wide(values: Array, *, zero: bool) -> tuple[float, float]:
    """From the least to the largest, and a little further."""
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * 0.08 or abs(high) * 0.25 or 1.0
    return (low if zero and low == 0 else low - room), (high if zero and high == 0 else high + room)


@dataclass(frozen=True)
class Line:
    """A weight in the table of weights."""

    label: str
    output: int
    input: int | None
    """None for the intercept."""
    weight: float
    change: float | None
    frozen: bool


def lines(session: Session) -> list[Line]:
    """The weights, each with what the last step changed, the outputs one after the other."""
    at, stepwise = session.at, session.run.stepwise
    assert stepwise is not None, "a page's learners take steps"
    names = labels(session.run.read)
    found = []
    for output in range(len(session.run.read.schema.targets)):
        for place, name in enumerate(names):
            found.append(_line(name, output, place, at, stepwise.frozen))
        if "intercept" in at.weights:
            found.append(_line("intercept", output, None, at, stepwise.frozen))
    return found


def _line(
    name: str, output: int, place: int | None, at: Stand, frozen: Mapping[str, Mask] | None
) -> Line:
    kind = "intercept" if place is None else "weight"
    index = (output,) if place is None else (place, output)
    weight = float(at.weights[kind][index])
    change = None if at.last is None else weight - float(at.last.before[kind][index])
    held = frozen is not None and bool(frozen[kind][index])
    return Line(name, output, place, weight, change, held)


def labels(read: Read) -> list[str]:
    """What each input is called."""
    return [name if level is None else _level(name, level) for name, level in read.schema.inputs]


def _level(name: str, level: str) -> str:
    return f"{name} is missing" if level == MISSING else f"{name} is {level}"


@dataclass(frozen=True)
class Status:
    """How learning goes: start, learning, settled, diverging or over, and in words."""

    kind: str
    words: str


def status(session: Session) -> Status:
    """How learning goes at this step."""
    at, walk = session.at, session.walk
    limit = _limit(session)
    if at.last is None:
        return Status("start", "Nothing is learnt yet. Take a step.")
    rose = at.now.loss > at.last.comparison.loss * (1 + 1e-9) + 1e-12 * walk.at_start.loss
    above = limit is not None and getattr(walk.learner, "alpha", 0.0) > limit
    far = at.now.loss > 10 * walk.at_start.loss
    if (rose and walk.learner.always_falls) or (above and far):
        words = "Diverging: the error goes up, because alpha is too large. "
        words += _what_settles(session)
        if walk.ends_after(at.number):
            return Status("over", words + " The next step leads beyond all numbers.")
        return Status("diverging", words)
    size, first = _size(at.now.weight_delta), _size(walk.at_start.weight_delta)
    if size <= SETTLED * first:
        return _at_rest(session)
    fell = f"from {_error(at.last.comparison.loss)} to {_error(at.now.loss)}"
    return Status("learning", f"The error went {fell} in the last step.")


def _at_rest(session: Session) -> Status:
    """Settled, or crawling: what the steepest input had to learn is learnt, the rest is not."""
    stepwise, best, now = session.run.stepwise, session.best, session.at.now.loss
    if stepwise is not None and best is not None:
        least = stepwise.objective(stepwise.standard.into(best)).average().loss
        if now - least > CRAWLING * (session.walk.at_start.loss - least) > 0:
            words = f"Crawling: the error is {_error(now)}, and {_error(least)} could be reached. "
            steep = _to_blame(session)
            return Status(
                "crawling", words + f"What is left hardly moves with an alpha that {steep} allows."
            )
    return Status("settled", "Settled: there is nothing left to learn from these rows.")


def _error(loss: float) -> str:
    return told(2 * loss)


def _size(weight_delta: Weights) -> float:
    return max((float(np.max(np.abs(g), initial=0.0)) for g in weight_delta.values()), default=0.0)


def _limit(session: Session) -> float | None:
    alphas = session.walk.alphas
    if alphas is None:
        return None
    limit = session.walk.learner.limit(alphas)
    return limit if math.isfinite(limit) else None


def _what_settles(session: Session) -> str:
    limit, walk = _limit(session), session.walk
    if limit is None:
        return "Take a smaller one."
    words = f"Below {told(limit)} it settles"
    if walk.learner.always_falls and walk.alphas is not None:
        words += f"; {told(walk.alphas.fastest)} is fastest"
    if not session.choices.standardise:
        words += f". The scale of {_to_blame(session)} sets that limit"
    return words + "."


def _to_blame(session: Session) -> str:
    """The input whose size makes the error steepest."""
    stepwise = session.run.stepwise
    assert stepwise is not None, "a page's learners take steps"
    diagonal = stepwise.problem.curvature()[0].diagonal()
    names = [*labels(session.run.read), "the intercept"]
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
    if walk.alphas is not None and walk.learner.always_falls and math.isfinite(walk.alphas.fastest):
        fastest = walk.alphas.fastest
    return Alphas(alpha, _limit(session), fastest)


@dataclass(frozen=True)
class Rows:
    """The drawn rows of one output: what is predicted of each, and along the line."""

    predictions: Array
    targets: Array
    deltas: Array
    line: Array


def rows(session: Session, drawn: Drawn, output: int) -> Rows:
    """What the present weights make of the drawn rows."""
    stepwise = session.run.stepwise
    assert stepwise is not None, "a page's learners take steps"
    weights, loss = session.at.weights, stepwise.loss
    with np.errstate(all="ignore"):
        predictions = loss.mean(stepwise.model.predict(weights, drawn.inputs))[:, output]
        line = (
            loss.mean(stepwise.model.predict(weights, drawn.grid_inputs))[:, output]
            if drawn.grid.size
            else drawn.grid
        )
    targets = drawn.targets[:, output]
    return Rows(predictions, targets, predictions - targets, line)


def spelled(session: Session, drawn: Drawn, output: int, place: int) -> list[str]:
    """The next step as one row sees it: predict, compare, learn, in words and numbers."""
    stepwise, at = session.run.stepwise, session.at
    assert stepwise is not None, "a page's learners take steps"
    target = session.run.read.schema.targets[output].name
    x, actual = drawn.inputs[place], float(drawn.targets[place, output])
    with np.errstate(all="ignore"):
        scores = stepwise.model.predict(at.weights, x[None, :])
        prediction = float(stepwise.loss.mean(scores)[0, output])
    sum_ = _sum(session, x, output, float(scores[0, output]))
    link = stepwise.losses[output].says
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
    at, walk, stepwise = session.at, session.walk, session.run.stepwise
    assert stepwise is not None, "a page's learners take steps"
    names = labels(session.run.read)
    before, after = at.weights["weight"][:, output], at.next["weight"][:, output]
    if all(_frozen(session, place, output) for place in range(len(names))):
        return ["every weight is frozen, so nothing is learnt"]
    place = int(np.argmax(np.abs((after - before) * stepwise.problem.spread)))
    said = []
    if stepwise.losses[output].name in CANONICAL:
        own = f"{told(delta)} * {told(float(x[place]))} = {told(delta * float(x[place]))}"
        said.append(f"weight_delta of {names[place]} = delta * input = {own}")
    alpha, rows = getattr(walk.learner, "alpha", None), session.run.read.examples
    by = f"averaged over all {rows:,} rows" if rows > 1 else ""
    # In other units than the inputs' own, alpha and weight_delta are not what a person multiplies.
    if walk.learner.name == "descent" and alpha is not None and not session.choices.standardise:
        average = told(float(at.now.weight_delta["weight"][place, output]))
        by = (
            f"{by} it is {average}; times alpha {told(alpha)}"
            if by
            else f"times alpha {told(alpha)}"
        )
    moved = float(after[place] - before[place])
    way = "stays" if moved == 0 else f"goes {'up' if moved > 0 else 'down'} by {told(abs(moved))}"
    ends = (
        "" if moved == 0 else f", from {told(float(before[place]))} to {told(float(after[place]))}"
    )
    words = f"the weight of {names[place]} {way}{ends}"
    return [*said, f"{by}, {words}" if by else words]


def _frozen(session: Session, place: int, output: int) -> bool:
    stepwise = session.run.stepwise
    return (
        stepwise is not None
        and stepwise.frozen is not None
        and bool(stepwise.frozen["weight"][place, output])
    )
