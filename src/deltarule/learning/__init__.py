"""learn(): table -> schema -> moments or rows -> learner -> model. The only place that chooses.

squared loss, no learner named   solved exactly from the moments of one read
a learner, on squared loss       steps on the moments, or on the rows where they are few
logistic, poisson                Newton steps on the rows: in memory, or by further reads
an explicit alpha                plain descent on the inputs as they stand
batches                          steps on some rows at a time: in memory, or by a read an epoch
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.learning.exact import exact
from deltarule.learning.outcome import Outcome, record
from deltarule.learning.penalties import Penalties, at_name
from deltarule.learning.settings import Settings, taking_settings
from deltarule.learning.sparse import sparse
from deltarule.learning.stepwise import Stepwise
from deltarule.model import Model
from deltarule.moments.problem import Problem
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import Step
from deltarule.tables.frames import open_table
from deltarule.tables.reading import KEPT_CELLS, Read, read

# Up to so many rows, steps are taken on the rows themselves: every number is the one that a person
# works out by hand. Beyond, the moments give the same to rounding, at the same cost for any rows.
ROWS_BY_HAND = 1000


class Run:
    """One run of learning: iterate over it for the steps, then ask for its model.

    Reading happens when it is made.
    """

    def __init__(self, table: Any, settings: Settings) -> None:
        source, _ = open_table(table)
        few = 0 if settings.chosen == "exact" else ROWS_BY_HAND
        on_rows = settings.loss != "squared" or settings.batch != "all"
        keep = KEPT_CELLS if on_rows else few * 64
        newton = settings.loss != "squared" and settings.chosen == "newton"
        found = read(source, settings.asked, progress=settings.progress, keep=keep, sampled=newton)
        self._begin(found, settings)

    def again(self, settings: Settings) -> "Run":
        """Another run on what was read, with settings that ask for the same columns in it."""
        run = Run.__new__(Run)
        run._begin(self.read, settings)
        return run

    def start_at(self, weights: Weights) -> None:
        """Begin at these weights, in the inputs' own units, whatever the settings say."""
        self.start = weights
        self._prepare()

    def _begin(self, found: Read, settings: Settings) -> None:
        self.read, self.settings = found, settings
        _check_folds(found, settings)
        self.start, self.frozen = _start(found, settings)
        self._prepare()

    def _prepare(self) -> None:
        found, settings = self.read, self.settings
        self.stepwise = None
        if settings.chosen != "exact":
            self.stepwise = Stepwise(found, settings, self.start, self.frozen, ROWS_BY_HAND)

    def __iter__(self) -> Iterator[Step]:
        return iter(()) if self.stepwise is None else self.stepwise.steps()

    def model(self) -> Model:
        """The model, after whatever steps are still to take."""
        # On matrices of this size a second BLAS thread gains little, and loses much where the
        # machine is busy: a factor of 1,110 inputs takes 15 ms with one; with two 11, or 320.
        # What overflows in the columns' own units is told as unknown, or refused below.
        with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
            try:
                return Model(record(self.read, [(self.read.schema, self._outcome())]))
            except ValueError as error:
                # pydantic refuses such a figure, scipy such a matrix; any other is a bug.
                if not isinstance(error, ValidationError) and "infs or NaNs" not in str(error):
                    raise
                raise ValueRefusedError(
                    f"{self.read.source.name}: its numbers are so large or so small that the "
                    "result is not finite: give its columns in other units"
                ) from error

    def _outcome(self) -> Outcome:
        if self.stepwise is None:
            p, k = len(self.read.schema.inputs), len(self.read.schema.outputs)
            intercept = self.read.plan.asked.intercept
            asked = Problem(range(p), range(p, p + k), intercept, self.start, self.frozen)
            penalties = Penalties.of(self.read.schema.inputs, self.settings)
            if self.settings.held:
                return sparse(self.read, asked, penalties)
            return exact(self.read, asked, penalties, errors=self.settings.errors)
        return self.stepwise.outcome()


def _check_folds(found: Read, settings: Settings) -> None:
    """Errors: LearningError for more folds than there are rows."""
    rows = max(found.examples, sum(fold.rows for fold in found.folds))
    if settings.folds is not None and settings.folds > rows:
        raise LearningError(
            f"{found.source.name}: folds is {settings.folds}, but there are {rows:,.0f} rows to "
            "learn from: choose no more folds than rows"
        )


def _start(found: Read, settings: Settings) -> tuple[Weights, Mapping[str, Mask] | None]:
    """Where learning starts, and which weights stay there."""
    schema = found.schema
    k = len(schema.outputs)
    inputs = schema.inputs
    named = settings.start if isinstance(settings.start, Mapping) else {}
    base = 0.0 if isinstance(settings.start, Mapping) else float(settings.start)
    weight = np.full((len(inputs), k), base)
    start: dict[str, Any] = {"weight": weight}
    if found.plan.asked.intercept:
        start["intercept"] = np.zeros(k)
    frozen = {name: np.zeros(array.shape, dtype=bool) for name, array in start.items()}
    for name, value in [*named.items(), *settings.frozen.items()]:
        where, at = _named(name, inputs, intercept="intercept" in start)
        if value is not None:
            start[where][at] = value
        if name in settings.frozen:
            frozen[where][at] = True
    return start, frozen if settings.frozen else None


def _named(
    name: str, inputs: Sequence[tuple[str, str | None]], *, intercept: bool
) -> tuple[str, Any]:
    """Where a weight stands that is called by its column, or column=level, or intercept."""
    if name == "intercept" and intercept:
        return "intercept", slice(None)
    return "weight", at_name(name, inputs)


@taking_settings(Settings)
def learn(table: Any, settings: Settings) -> Model:
    """The model that predicts some columns of a table from others.

    `table` is a path to a file, a database's address, a dataframe, a dict of columns or a list of
    dicts. Settings are given by name, as `predict="gross"`; `Settings` says what each means.
    Squared loss is solved exactly unless a learner or an alpha is given.

    Errors:  TableError and its kinds for a table that cannot be used; LearningError for settings
    """
    return Run(table, settings).model()


@taking_settings(Settings)
def steps(table: Any, settings: Settings) -> Iterator[Step]:
    """The steps of learning, one after the other: what was predicted, compared and learnt.

    With `alpha`, plain descent on the inputs as they stand from `start`; without, descent on
    standardised inputs with the fastest alpha. Weights are in the inputs' own units either way.

    Errors:  as `learn`
    """
    if settings.chosen == "exact":
        settings = replace(settings, learner="descent")
    return iter(Run(table, settings))
