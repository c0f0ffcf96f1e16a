"""Session: one table, its settings, and the current step of learning.

Squared loss learns from the moments of all rows. Other losses, and minibatches, learn from the
rows in memory: all of a table that is not too long, else as many, evenly spread, as a step can
process without a visible wait. The page says which.

Sessions are few, expire when unused, and are never written to disk.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_urlsafe
from time import monotonic
from typing import Generic, TypeVar, cast

import numpy as np

from deltarule.errors import LearningError
from deltarule.fit.default_learner import suited_learner, suited_to_batches
from deltarule.fit.fit_step import FitStep, StepsTaken
from deltarule.fit.iterate import learner_of
from deltarule.fit.problem import FitProblem
from deltarule.fit.run import Run
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.rule.learn import Descent, Learner
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step, Stop
from deltarule.solvers.lbfgs import Recent
from deltarule.solvers.learners import LEARNERS, has_alpha
from deltarule.solvers.plateau import ScheduledLearner, scheduled
from deltarule.tables.one_read import Read
from deltarule.web.tables import Table
from deltarule.web.timeline import LARGEST, PathPoint, Position, Timeline, alphas_at

# The time limit of a request for a step; where it takes longer, the page asks again.
SECONDS = 0.012
# More weights cannot be watched, and a step would take too long.
MOST_WEIGHTS = 1_000
MOST_SESSIONS = 8
IDLE_SECONDS = 45 * 60
LEDGER_STEPS = 10_000


@dataclass(frozen=True)
class Choices:
    """The settings of a page. `start` may name weights; `alpha` None is the fastest one."""

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
    """The minibatch size; None for all rows."""

    @property
    def squared(self) -> bool:
        """Whether the loss has a closed form, so that moments determine every step."""
        return closed_form(self.loss)

    @property
    def second_order(self) -> bool:
        """Whether the learner has no alpha."""
        return self.learner in LEARNERS and not has_alpha(self.learner)

    @property
    def needs_rows(self) -> bool:
        """Whether steps need rows rather than moments."""
        return not self.squared or self.batch is not None

    @property
    def settings(self) -> Settings:
        """The `Settings` for learning. An alpha that is still to be chosen is 1."""
        own_units = not self.standardise and not self.second_order
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
        """Whether both read the same columns, so that a read can be reused."""
        same_rows = self.needs_rows == other.needs_rows
        return same_rows and self.settings.request == other.settings.request


def suggested(table: Table) -> Choices:
    """What a table begins with where a user has chosen nothing: all inputs, on equal scales."""
    predict, using = table.suggested()
    return Choices(predict, using, loss=table.loss_of(predict), standardise=True)


@dataclass(frozen=True)
class Mark:
    """A state that a session can return to: its choices, its start by hand, its step."""

    choices: Choices
    by_hand: Weights | None
    number: int
    kept: tuple[PathPoint, ...]


class Session:
    """A page's table and its current step. One request at a time has it."""

    def __init__(self, table: Table, choices: Choices) -> None:
        self.table = table
        self.lock = threading.Lock()
        self.run: Run
        self.walk: Timeline
        self.at: Position
        self.by_hand: Weights | None = None
        self.kept: tuple[PathPoint, ...] = ()
        """The path that was left when a weight was set by hand."""
        self._twin: Session | None = None
        self.choices = choices
        self._begin(choices, None)

    @property
    def sampled(self) -> bool:
        """Whether learning uses a sample of the table's rows."""
        return self.choices.needs_rows and not self.table.whole

    def change(self, choices: Choices) -> None:
        """Restart with other choices; invalid ones leave the session unchanged.

        Errors:  TableError and its kinds, LearningError
        """
        same = choices.same_columns(self.choices)
        self._begin(choices, self.run if same else None)
        self.kept = ()

    @property
    def mark(self) -> Mark:
        """The current state, to return to."""
        return Mark(self.choices, self.by_hand, self.at.number, self.kept)

    def restore(self, mark: Mark) -> None:
        """Return to a state, or as near to its step as the time allows."""
        same = mark.choices.same_columns(self.choices)
        self._begin(mark.choices, self.run if same else None, mark.by_hand)
        self.kept = mark.kept
        self.go(mark.number)

    def beside(self, alpha: float) -> "Session":
        """The same run with another alpha, at the same step or as near as the time allows."""
        twin = self._twin
        if twin is None or twin.run is not self.run or twin.choices.alpha != alpha:
            twin = copy.copy(self)
            twin.choices = replace(self.choices, alpha=alpha)
            twin.walk = Timeline(self.problem, _at(self.walk.learner, alpha))
            self._twin = twin
        twin.go(self.at.number, seconds=SECONDS / 2)
        return twin

    def hand(self, place: int | None, output: int, weight: float) -> None:
        """Start a branch: from the current weights with one of them set by the user.

        The path until then is kept beside it. `place` is the index of the weight's input, None for
        the intercept.
        Errors:  LearningError for a weight that does not exist
        """
        put = {name: array.copy() for name, array in self.at.weights.items()}
        where = "weight" if place is not None else "intercept"
        try:
            put[where][(output,) if place is None else (place, output)] = weight
        except (KeyError, IndexError):
            raise LearningError("there is no such weight") from None
        # alpha stays the same: only the starting point changes.
        choices = replace(self.choices, alpha=getattr(self.walk.learner, "alpha", None))
        # While a weight is dragged on, the path that was left stays the same.
        dragged = self.by_hand is not None and self.at.number == 0
        kept = self.kept if dragged or len(self.walk.path) < 2 else tuple(self.walk.path)
        self._begin(choices, self.run, put)
        self.kept = kept

    @np.errstate(all="ignore")  # overflow is refused below
    def _begin(self, choices: Choices, run: Run | None, start: Weights | None = None) -> None:
        _check(choices)
        settings = choices.settings
        if run is None:
            some = choices.needs_rows and not self.table.whole
            source = self.table.few() if some else self.table.source
            # Before reading, as the Gram matrix of so many columns would take long.
            _check_size(self.table.inputs(choices.using) * len(choices.predict))
            run = Run.of(source, settings)
            _check_size(len(run.read.schema.inputs) * len(run.read.schema.outputs))
        else:
            run = run.again(settings)
        if start is not None:
            run = run.starting_at(start)
        problem = problem_of(run)
        walk = Timeline(problem, _learner(choices, problem))
        if not walk.at_start.loss < LARGEST:
            raise LearningError("there the error is beyond all numbers: begin nearer to 0")
        # All or nothing: any of these may raise.
        at = walk.to(0)
        self.run, self.walk, self.at = run, walk, at
        self.choices, self.by_hand = choices, start

    def go(self, number: int, *, seconds: float = SECONDS) -> Position:
        """Go to a step, or as near to it as the time allows."""
        self.at = self.walk.to(number, seconds=seconds)
        return self.at

    @property
    def read(self) -> Read:
        """The read of the table."""
        return self.run.read

    @property
    def problem(self) -> FitProblem:
        """What the steps are taken on."""
        return self.walk.problem

    def error(self, loss: float) -> float:
        """The error that is shown of a loss: the mean squared error of squared loss."""
        return self.problem.loss.error_scale * loss

    @property
    def best(self) -> Weights | None:
        """The weights with the least squared error; None for other losses."""
        return self.problem.best

    def model(self) -> Model:
        """The model with the current weights, evaluated as any other.

        Errors:  DivergedError, and LearningError before the first step
        """
        taken = self.at.taken
        if taken is None:
            raise LearningError("nothing was learnt yet: take a step, then save the model")
        number = self.at.number
        run = self.run.again(replace(self.choices.settings, steps=number, epochs=number))
        if self.by_hand is not None:
            run = run.starting_at(self.by_hand)
        problem, learner = problem_of(run), self.walk.learner
        words = f"stopped by hand after {number:,} {'step' if number == 1 else 'steps'}"
        stop = Stop("steps", words)
        step = FitStep(taken.taken, problem, learner, problem.losses, stopped=stop)
        return run.model(StepsTaken(step, (), Recent()))

    def ledger(self) -> Iterator[Step]:
        """The steps up to the current one, capped for a ledger."""
        return self.walk.steps(min(self.at.number, LEDGER_STEPS))


def _check(choices: Choices) -> None:
    """Errors: LearningError for choices that steps do not support."""
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


def problem_of(run: Run) -> FitProblem:
    """What a page's run takes its steps on."""
    assert run.problem is not None, "a page's learners take steps"
    return run.problem


def _learner(choices: Choices, problem: FitProblem) -> Learner:
    """The chosen learner, with the chosen alpha or one that converges."""
    learner = learner_of(problem)
    if choices.alpha is not None:
        return _at(learner, choices.alpha)
    if choices.standardise or choices.second_order:
        return learner
    with np.errstate(all="ignore"):
        start = problem.objective(problem.first(), hessian=True).average()
    batches = problem.batches
    if batches is not None:
        return suited_to_batches(problem.settings, start, problem.rowwise(), size=batches.size)
    learner = suited_learner(problem.settings, start)
    alphas = alphas_at(problem, problem.first())
    if not choices.squared or choices.learner != Descent.name or alphas is None:
        return learner
    # Half the limit minimizes along the steepest direction in one step. The fastest alpha overall
    # may oscillate along it, which is confusing at first.
    return _at(learner, alphas.limit / 2 if np.isfinite(alphas.limit) else 1.0)


def _at(learner: Learner, alpha: float) -> Learner:
    """The learner with this alpha, if it has any."""
    return (
        scheduled(cast(ScheduledLearner, learner), alpha) if hasattr(learner, "alpha") else learner
    )


T = TypeVar("T")


@dataclass
class Sessions(Generic[T]):
    """A store of sessions by name; the least recently used are evicted."""

    most: int = MOST_SESSIONS
    idle: float = IDLE_SECONDS
    clock: Callable[[], float] = monotonic
    _held: "OrderedDict[str, tuple[float, T]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, session: T) -> str:
        """Add a session; returns its unguessable name."""
        name = token_urlsafe(12)
        with self._lock:
            self._expire()
            self._held[name] = (self.clock(), session)
            while len(self._held) > self.most:
                self._held.popitem(last=False)
        return name

    def get(self, name: str) -> T | None:
        """The session of this name, if it has not expired."""
        with self._lock:
            self._expire()
            if name not in self._held:
                return None
            _, session = self._held.pop(name)
            self._held[name] = (self.clock(), session)
            return session

    def drop(self, name: str) -> None:
        """End the session of this name, if there is one."""
        with self._lock:
            self._held.pop(name, None)

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
