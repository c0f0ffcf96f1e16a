"""A session: one table, what is to be learnt from it, and where learning stands.

Squared loss learns from the moments of all rows. Other losses, and learners that take some rows at
a time, learn from the rows that are held: all of a table that is not too long, else as many, evenly
spread, as a step can read without a visible wait. The page says which.

Sessions are few, they end when nobody asks for a while, and nothing of them is ever written down.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_urlsafe
from time import monotonic
from typing import Generic, TypeVar, cast

import numpy as np

from deltarule.errors import LearningError
from deltarule.fit import Run
from deltarule.fit.default_learner import found, found_for_batches
from deltarule.fit.iterate import Iteration
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.rule.learn import Learner
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step, Stop
from deltarule.solvers.learners import LEARNERS
from deltarule.solvers.plateau import ScheduledLearner, scheduled
from deltarule.tables.one_read import Read
from deltarule.web.tables import Table
from deltarule.web.timeline import LARGEST, Position, Timeline, alphas_at

# A step is answered within this time; where it takes longer, the page asks again.
SECONDS = 0.012
# More weights cannot be watched, and a step would take longer than one waits.
MOST_WEIGHTS = 1_000
MOST_SESSIONS = 8
IDLE_SECONDS = 45 * 60
LEDGER_STEPS = 10_000


@dataclass(frozen=True)
class Choices:
    """What a page asks for. `start` may name weights; `alpha` None is the fastest one."""

    predict: tuple[str, ...]
    using: tuple[str, ...] | None = None
    loss: str = "squared"
    learner: str = "descent"
    alpha: float | None = None
    standardise: bool = False
    ridge: float = 0.0
    intercept: bool = True
    start: float | Mapping[str, float] = 0.0
    freeze: tuple[str, ...] = ()
    batch: int | None = None
    """Rows that a step sees; None for all."""

    @property
    def needs_rows(self) -> bool:
        """Whether steps are taken on rows, and moments will not do."""
        return self.loss != "squared" or self.batch is not None

    @property
    def settings(self) -> Settings:
        """The same for learning. An alpha that is still to be found stands as 1."""
        own_units = not self.standardise and self.learner != "newton"
        return Settings(
            predict=self.predict,
            using=self.using,
            loss=self.loss,
            learner=self.learner,
            alpha=(self.alpha or 1.0) if own_units else None,
            ridge=self.ridge,
            intercept=self.intercept,
            start=self.start,
            freeze=self.freeze,
            batch="all" if self.batch is None else self.batch,
            tolerance=0.0,
        )

    def same_columns(self, other: "Choices") -> bool:
        """Whether what one of them read serves the other."""
        same_rows = self.needs_rows == other.needs_rows
        return same_rows and self.settings.asked == other.settings.asked


class Session:
    """A page's table and where learning stands. One request at a time has it."""

    def __init__(self, table: Table, choices: Choices) -> None:
        self.table = table
        self.lock = threading.Lock()
        self.run: Run
        self.walk: Timeline
        self.at: Position
        self.by_hand: Weights | None = None
        self.choices = choices
        self._begin(choices, None)

    @property
    def sampled(self) -> bool:
        """Whether learning is from the rows held, of a table that has more."""
        return self.choices.needs_rows and not self.table.whole

    def change(self, choices: Choices) -> None:
        """Begin anew with other choices; those that cannot be leave all as it was.

        Errors:  TableError and its kinds, LearningError
        """
        same = choices.same_columns(self.choices)
        self._begin(choices, self.run if same else None)

    def hand(self, place: int | None, output: int, weight: float) -> None:
        """Begin anew from where learning stands, with one weight put elsewhere by hand.

        `place` is the input whose weight it is, None for the intercept.
        Errors:  LearningError for a weight that is not there
        """
        put = {name: array.copy() for name, array in self.at.weights.items()}
        where = "weight" if place is not None else "intercept"
        try:
            put[where][(output,) if place is None else (place, output)] = weight
        except (KeyError, IndexError):
            raise LearningError("there is no such weight") from None
        # Where a hand puts it, it stays the same alpha: only the place to begin is another.
        choices = replace(self.choices, alpha=getattr(self.walk.learner, "alpha", None))
        self._begin(choices, self.run, put)

    @np.errstate(all="ignore")  # what overflows is refused below
    def _begin(self, choices: Choices, run: Run | None, start: Weights | None = None) -> None:
        _check(choices)
        settings = choices.settings
        if run is None:
            some = choices.needs_rows and not self.table.whole
            source = self.table.few() if some else self.table.source
            # Before reading, for sums of products of so many columns would take long.
            _check_size(self.table.inputs(choices.using) * len(choices.predict))
            run = Run(source, settings)
            _check_size(len(run.read.schema.inputs) * len(run.read.schema.outputs))
        else:
            run = run.again(settings)
        if start is not None:
            run.start_at(start)
        stepwise = _stepwise(run)
        walk = Timeline(stepwise, _learner(choices, stepwise))
        if not walk.at_start.loss < LARGEST:
            raise LearningError("there the error is beyond all numbers: begin nearer to 0")
        # All of it, or nothing where one of these failed.
        at = walk.to(0)
        self.run, self.walk, self.at = run, walk, at
        self.choices, self.by_hand = choices, start

    def go(self, number: int, *, seconds: float = SECONDS) -> Position:
        """To a step, or as near to it as there is time for."""
        self.at = self.walk.to(number, seconds=seconds)
        return self.at

    @property
    def read(self) -> Read:
        """What was read of the table."""
        return self.run.read

    @property
    def stepwise(self) -> Iteration:
        """The steps of the run."""
        return self.walk.stepwise

    @property
    def best(self) -> Weights | None:
        """The weights with the least squared error; None for other losses."""
        return self.stepwise.best

    def model(self) -> Model:
        """The model with the weights as they stand, judged as any other.

        Errors:  DivergedError, and LearningError before the first step
        """
        last = self.at.last
        if last is None:
            raise LearningError("nothing was learnt yet: take a step, then save the model")
        number = self.at.number
        run = self.run.again(replace(self.choices.settings, steps=number, epochs=number))
        if self.by_hand is not None:
            run.start_at(self.by_hand)
        stepwise = _stepwise(run)
        stepwise.learner = self.walk.learner
        words = f"stopped by hand after {number:,} {'step' if number == 1 else 'steps'}"
        stepwise.last = replace(last, stopped=Stop("steps", words))
        return run.model()

    def ledger(self) -> Iterator[Step]:
        """The steps up to here, no more than fit a ledger."""
        return self.walk.steps(min(self.at.number, LEDGER_STEPS))


def _check(choices: Choices) -> None:
    """Errors: LearningError for what steps cannot be taken with."""
    if choices.learner not in LEARNERS:
        raise LearningError(f"'{choices.learner}' takes no steps: choose {', '.join(LEARNERS)}")
    if choices.alpha is not None and not choices.alpha > 0:
        raise LearningError(f"alpha is {choices.alpha:g}: it must be above 0")


def _check_size(weights: int) -> None:
    """Errors: LearningError for more weights than a page shows."""
    if weights > MOST_WEIGHTS:
        raise LearningError(
            f"these columns would have {weights:,} weights, and a page shows {MOST_WEIGHTS:,}: "
            "choose fewer columns"
        )


def _stepwise(run: Run) -> Iteration:
    assert run.stepwise is not None, "a page's learners take steps"
    return run.stepwise


def _learner(choices: Choices, stepwise: Iteration) -> Learner:
    """The learner asked for, with the alpha asked for or one that settles."""
    learner = stepwise.learner
    if choices.alpha is not None:
        return _at(learner, choices.alpha)
    if choices.standardise or choices.learner == "newton":
        return learner
    with np.errstate(all="ignore"):
        start = stepwise.task.objective(stepwise.task.first(), hessian=True).average()
    batches = stepwise.task.batches
    if batches is not None:
        return found_for_batches(
            stepwise.task.settings, start, stepwise.task.rowwise(), size=batches.size
        )
    learner = found(stepwise.task.settings, start)
    alphas = alphas_at(stepwise, stepwise.task.first())
    if choices.loss != "squared" or choices.learner != "descent" or alphas is None:
        return learner
    # Half the limit meets the steepest direction in one step. What is fastest for all of them may
    # throw that one to and fro, which is no picture to begin with.
    return _at(learner, alphas.limit / 2 if np.isfinite(alphas.limit) else 1.0)


def _at(learner: Learner, alpha: float) -> Learner:
    """The learner with this alpha, if it has any."""
    return (
        scheduled(cast(ScheduledLearner, learner), alpha) if hasattr(learner, "alpha") else learner
    )


T = TypeVar("T")


@dataclass
class Sessions(Generic[T]):
    """The sessions there are, by their names; the ones longest unused give way."""

    most: int = MOST_SESSIONS
    idle: float = IDLE_SECONDS
    clock: Callable[[], float] = monotonic
    _held: "OrderedDict[str, tuple[float, T]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, session: T) -> str:
        """Keep a session, and give it a name that nobody can guess."""
        name = token_urlsafe(12)
        with self._lock:
            self._expire()
            self._held[name] = (self.clock(), session)
            while len(self._held) > self.most:
                self._held.popitem(last=False)
        return name

    def get(self, name: str) -> T | None:
        """The session of this name, if it is still there."""
        with self._lock:
            self._expire()
            if name not in self._held:
                return None
            _, session = self._held.pop(name)
            self._held[name] = (self.clock(), session)
            return session

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._held)

    def _expire(self) -> None:
        while self._held:
            name, (used, _) = next(iter(self._held.items()))
            if self.clock() - used <= self.idle:
                return
            del self._held[name]
