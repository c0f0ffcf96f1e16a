"""learn(): table -> schema -> moments or rows -> learner -> model. The only place that chooses.

squared loss, no learner named   solved exactly from the moments of one read
a learner, on squared loss       steps on the moments, or on the rows where they are few
logistic, poisson                Newton steps on the rows: in memory, or by further reads
an explicit alpha                plain descent on the inputs as they stand
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.learning.exact import exact
from deltarule.learning.outcome import Outcome, record
from deltarule.learning.settings import Freeze, How, Ridge, frozen_by, whole
from deltarule.learning.sparse import sparse
from deltarule.learning.stepwise import Stepwise
from deltarule.model import Model
from deltarule.moments.problem import Problem
from deltarule.rule.predict import Mask, Weights
from deltarule.rule.train import Step
from deltarule.tables.frames import open_table
from deltarule.tables.plan import MOST_LEVELS, Asked
from deltarule.tables.reading import KEPT_CELLS, Progress, Read, read
from deltarule.tables.terms import date_parts

# Up to so many rows, steps are taken on the rows themselves: every number is the one that a person
# works out by hand. Beyond, the moments give the same to rounding, at the same cost for any rows.
ROWS_BY_HAND = 1000
MOST_FOLDS = 255


class Run:
    """One run of learning: iterate over it for the steps, then ask for its model.

    Reading happens when it is made.
    """

    def __init__(
        self, table: Any, asked: Asked, how: How, *, progress: Progress | None = None
    ) -> None:
        source, _ = open_table(table)
        few = 0 if how.chosen == "exact" else ROWS_BY_HAND
        keep = KEPT_CELLS if how.loss != "squared" else few * 64
        self.how = how
        self.read: Read = read(source, asked, progress=progress, keep=keep)
        self.start, self.frozen = _start(self.read, how)
        self._stepwise = None
        if how.chosen != "exact":
            self._stepwise = Stepwise(self.read, how, self.start, self.frozen, ROWS_BY_HAND)

    def __iter__(self) -> Iterator[Step]:
        return iter(()) if self._stepwise is None else self._stepwise.steps()

    def model(self) -> Model:
        """The model, after whatever steps are still to take."""
        # On matrices of this size a second BLAS thread gains little, and loses much where the
        # machine is busy: a factor of 1,110 inputs takes 15 ms with one; with two 11, or 320.
        # What overflows in the columns' own units is told as unknown, or refused below.
        with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
            try:
                return Model(record(self.read, self._outcome(), self.how.loss))
            except ValueError as error:
                # pydantic refuses such a figure, scipy such a matrix; any other is a bug.
                if not isinstance(error, ValidationError) and "infs or NaNs" not in str(error):
                    raise
                raise ValueRefusedError(
                    f"{self.read.source.name}: its numbers are so large or so small that the "
                    "result is not finite: give its columns in other units"
                ) from error

    def _outcome(self) -> Outcome:
        if self._stepwise is None:
            p, k = len(self.read.schema.inputs), len(self.read.schema.targets)
            intercept = self.read.plan.asked.intercept
            asked = Problem(range(p), range(p, p + k), intercept, self.start, self.frozen)
            if self.how.sparse:
                return sparse(self.read, self.how, asked, _positive(self.read, self.how))
            return exact(self.read, self.how.ridge, asked)
        return self._stepwise.outcome()


def _start(found: Read, how: How) -> tuple[Weights, Mapping[str, Mask] | None]:
    """Where learning starts, and which weights stay there."""
    schema = found.schema
    k = len(schema.targets)
    inputs = schema.inputs
    named = how.start if isinstance(how.start, Mapping) else {}
    base = 0.0 if isinstance(how.start, Mapping) else float(how.start)
    weight = np.full((len(inputs), k), base)
    start: dict[str, Any] = {"weight": weight}
    if found.plan.asked.intercept:
        start["intercept"] = np.zeros(k)
    frozen = {name: np.zeros(array.shape, dtype=bool) for name, array in start.items()}
    for name, value in [*named.items(), *how.freeze.items()]:
        where, at = _named(name, inputs, intercept="intercept" in start)
        if value is not None:
            start[where][at] = value
        if name in how.freeze:
            frozen[where][at] = True
    return start, frozen if how.freeze else None


def _positive(found: Read, how: How) -> Mask | None:
    """The inputs whose weights may not be below 0: (p,)."""
    if not how.positive:
        return None
    positive = np.zeros(len(found.schema.inputs), dtype=bool)
    for name in how.positive:
        _, at = _named(name, found.schema.inputs, intercept=False)
        positive[at] = True
    return positive


def _named(
    name: str, inputs: Sequence[tuple[str, str | None]], *, intercept: bool
) -> tuple[str, Any]:
    """Where a weight stands that is called by its column, or column=level, or intercept."""
    if name == "intercept" and intercept:
        return "intercept", slice(None)
    at = [i for i, (column, level) in enumerate(inputs) if name in (column, f"{column}={level}")]
    if not at:
        names = dict.fromkeys(column for column, _ in inputs)
        raise LearningError(
            f"there is no weight called '{name}': there is {', '.join(list(names)[:8])}"
        )
    return "weight", at


def learn(
    table: Any,
    *,
    predict: str | Sequence[str],
    using: str | Sequence[str] | None = None,
    loss: str = "squared",
    ridge: Ridge = "auto",
    lasso: Ridge = 0.0,
    positive: str | Sequence[str] = (),
    intercept: bool = True,
    missing: Literal["fill", "drop"] = "fill",
    weight: str | None = None,
    folds: int = 5,
    reference: Mapping[str, str] | None = None,
    dates: str | Sequence[str] | None = None,
    levels: int = MOST_LEVELS,
    learner: str | None = None,
    alpha: float | None = None,
    start: float | Mapping[str, float] = 0.0,
    steps: int = 10_000,
    tolerance: float = 1e-8,
    freeze: Freeze = (),
    progress: Progress | None = None,
) -> Model:
    """The model that predicts some columns of a table from others.

    `table` is a path to a file, a database's address, a dataframe, a dict of columns or a list of
    dicts. `using` names columns, or SQL expressions over them such as "log(budget)"; without it
    every usable column is an input. `dates` are the parts of dates that become inputs, `levels` how
    many levels of a category have a weight of their own. Squared loss is solved exactly unless a
    learner (descent, momentum, newton) or an alpha is given; `start`, `steps`, `tolerance` and
    `freeze` are for those, though freezing works for all.

    Errors:  TableError and its kinds for a table that cannot be used; LearningError for settings
    """
    wanted = asked(
        predict=predict,
        using=using,
        intercept=intercept,
        missing=missing,
        weight=weight,
        folds=folds,
        reference=reference,
        dates=dates,
        levels=levels,
        alpha=alpha,
    )
    how = How(
        *(loss, ridge, learner, alpha, start, steps, tolerance, frozen_by(freeze)),
        lasso=lasso,
        positive=[positive] if isinstance(positive, str) else positive,
    )
    return Run(table, wanted, how, progress=progress).model()


def steps(
    table: Any,
    *,
    predict: str | Sequence[str],
    using: str | Sequence[str] | None = None,
    loss: str = "squared",
    ridge: Ridge = "auto",
    lasso: Ridge = 0.0,
    positive: str | Sequence[str] = (),
    intercept: bool = True,
    missing: Literal["fill", "drop"] = "fill",
    weight: str | None = None,
    folds: int = 5,
    reference: Mapping[str, str] | None = None,
    dates: str | Sequence[str] | None = None,
    levels: int = MOST_LEVELS,
    learner: str | None = None,
    alpha: float | None = None,
    start: float | Mapping[str, float] = 0.0,
    steps: int = 10_000,
    tolerance: float = 1e-8,
    freeze: Freeze = (),
    progress: Progress | None = None,
) -> Iterator[Step]:
    """The steps of learning, one after the other: what was predicted, compared and learnt.

    With `alpha`, plain descent on the inputs as they stand from `start`; without, descent on
    standardised inputs with the fastest alpha. Weights are in the inputs' own units either way.

    Errors:  as `learn`
    """
    wanted = asked(
        predict=predict,
        using=using,
        intercept=intercept,
        missing=missing,
        weight=weight,
        folds=folds,
        reference=reference,
        dates=dates,
        levels=levels,
        alpha=alpha,
    )
    how = How(
        *(loss, ridge, learner, alpha, start, steps, tolerance, frozen_by(freeze)),
        lasso=lasso,
        positive=[positive] if isinstance(positive, str) else positive,
    )
    if how.chosen == "exact":
        how = replace(how, learner="descent")
    yield from Run(table, wanted, how, progress=progress)


def asked(
    *,
    predict: str | Sequence[str],
    using: str | Sequence[str] | None = None,
    intercept: bool = True,
    missing: str = "fill",
    weight: str | None = None,
    folds: int = 5,
    reference: Mapping[str, str] | None = None,
    dates: str | Sequence[str] | None = None,
    levels: int = MOST_LEVELS,
    alpha: float | None = None,
) -> Asked:
    """What is to be learnt, checked.

    Errors:  LearningError
    """
    if missing not in ("fill", "drop"):
        raise LearningError(f"missing is '{missing}': choose fill or drop")
    if whole("folds", folds, least=2) > MOST_FOLDS:
        raise LearningError(f"folds is {folds}: choose from 2 to {MOST_FOLDS}")
    targets = [predict] if isinstance(predict, str) else list(predict)
    if not targets:
        raise LearningError("name at least one column to predict")
    if using is not None and not using:
        raise LearningError("name at least one column to use, or leave using out to use all")
    return Asked(
        predict=targets,
        using=[using] if isinstance(using, str) else using and list(using),
        row_weight=weight,
        drop_missing=missing == "drop",
        intercept=intercept,
        keep_constant=not intercept or alpha is not None,
        folds=folds,
        reference=dict(reference or {}),
        dates=date_parts(dates),
        levels=whole("levels", levels, least=1),
    )
