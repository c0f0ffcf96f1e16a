"""Settings of learning: all of them in one place, each with its text, validated once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from deltarule.argument_values import real, whole
from deltarule.dataclass import dataclass
from deltarule.engines.registry import check_engine_name
from deltarule.errors import LearningError
from deltarule.fit.setting_kinds import alike
from deltarule.fit.setting_values import (
    Names,
    closed_form,
    either,
    ends_of,
    names_in,
    with_alpha,
    words_in,
)
from deltarule.losses.loss import Kind
from deltarule.losses.registry import loss_named
from deltarule.rule.learn import Descent
from deltarule.solvers.learners import LEARNERS, has_alpha
from deltarule.solvers.newton import Newton
from deltarule.solvers.proximal import PROXIMAL
from deltarule.tables.expressions.expression import quoted
from deltarule.tables.one_read import Progress
from deltarule.tables.request import Request, Takes
from deltarule.tables.terms import date_parts

Strength = float | Literal["auto"]
Batch = int | Literal["all"]
OnStep = Callable[[Mapping[str, Any]], object]
Freeze = str | Sequence[str] | Mapping[str, float | None]

CLUSTERED = ("cluster", "CR0", "CR1")
ERRORS = ("classical", "robust", "HC0", "HC1", "HC2", "HC3", *CLUSTERED)
FOLDS, MOST_FOLDS = 5, 255
MOST_STEPS = 10_000
MOST_ROWS = 100
MOST_KEPT = 1_000_000


EXACT = "exact"
"""Closed-form weights, which no learner takes steps to."""

TAKES: Mapping[Kind, Takes] = {"yes_no": "either", "classes": "classes"}
"""What a target's values may be, by its loss's kind; numbers for the others."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is to be learnt, and how.

    Errors:  LearningError for what cannot be learnt with

    >>> Settings(predict="gross", alpha=1e-11).chosen
    'descent'
    """

    predict: Names
    """Columns to predict, or SQL expressions over them: log(price)."""
    using: Names | None = None
    """Columns to predict from, or SQL expressions over them: log(budget), year - 1970,
    budget:genre, poly(x, 3). Default: all that can be used."""
    without: Names = ()
    """Columns not to predict from; all others that can be used are."""
    where: str | None = None
    """Only rows that meet a condition in SQL: "year > 2000 and genre <> 'Drama'"."""
    loss: Names = "auto"
    """What a wrong row counts for, one for all targets or one each: squared (amounts), logistic
    (yes/no), softmax (classes), poisson (counts), gamma or tweedie(1.5) (positive amounts), huber
    (outliers), absolute (median), quantile(0.9) (bound). Default: auto, which is squared, logistic
    or softmax, by the target's values."""
    ridge: Strength | Mapping[str | None, Strength] = "auto"
    """Penalty on large weights, NUMBER / 2 * sum(w ** 2) beside the mean loss, w the weights of
    standardised inputs; or by column. 0: never. Default: auto, only if held-out rows are predicted
    better by a standard error. In Python: by column as {"genre": 10, None: "auto"}, in which None
    stands for all others."""
    lasso: Strength | Mapping[str | None, Strength] = 0.0
    """Penalty that leaves weights at 0, NUMBER * sum(|w|) beside the mean loss; auto and by column
    as for `ridge`. With a ridge it is the elastic net. Default: 0."""
    positive: Names = ()
    """Weights that may not be below 0."""
    between: Mapping[str, tuple[float | None, float | None]] | None = None
    """The range of a weight, in the column's own units. In Python: {"budget": (0, 3)}; None is no
    end."""
    intercept: bool = True
    """Whether predictions may start from other than 0. Default: they may."""
    missing: str = "fill"
    """Missing inputs: fill them with the mean, or drop their rows. Default: fill."""
    missing_words: Names = ()
    """Words that stand for missing in every column. By themselves blank cells are missing in all
    columns, NA and the like only in those of numbers, dates and yes/no. The model keeps the words.
    In Python: a list, or text with commas such as "TBD,-999"."""
    weight: str | None = None
    """A column that counts rows. With logistic loss: trials, the target their share of
    successes. Whole numbers count copies, each held out by itself unless `id` or `group` keeps
    them together."""
    half_life: float | None = None
    """After so many more rows a row counts half, by their order, and the last one whole: for what
    drifts. Default: all rows count alike."""
    window: int | None = None
    """Only so many rows count, the last ones. Default: all rows count."""
    offset: str | None = None
    """A column, or an SQL expression such as log(exposure), that is added to every score as it is:
    its weight is 1, and is not learnt."""
    exposure: str | None = None
    """A column of how much each row was exposed to, for losses that learn a log: short for the
    offset log(exposure)."""
    errors: str = "classical"
    """Standard errors: classical; robust or HC0 to HC3 where residuals vary in size
    (heteroscedasticity); cluster, CR0 or CR1 where those of a `cluster` are correlated. Others than
    classical take one more pass over the rows, and no ridge is tried. Default: classical."""
    cluster: str | None = None
    """A column, or an SQL expression, whose values say which rows belong together, such as a
    customer's, for standard errors by cluster. Default with cluster errors: the `group`."""
    folds: int | None = None
    """Parts to hold out in turn for the error on held-out rows (cross-validation). Default: 5."""
    id: str | None = None
    """A column, or an SQL expression, that says who or what a row is of: the part that a row is
    held out with depends on it alone, wherever the row stands. It is no input. Default: the row's
    number."""
    group: str | None = None
    """Hold out whole groups, such as customers: a column, or an SQL expression, of which no two
    parts share a value."""
    time: str | None = None
    """Hold out forward in time, by a column or an SQL expression: each part is a period, predicted
    from the earlier ones only."""
    hold_out: Any = field(default=None, repr=False, compare=False)
    """A table of rows that were set aside: the error on held-out rows is of these. Nothing is
    learnt from it, and `where` holds for it too."""
    reference: Mapping[str, str] | None = None
    """The level that others are measured from, by column. Default: the most frequent."""
    dates: Names | None = None
    """What of a date becomes an input: days (elapsed), year, quarter, month, week, day, weekday,
    hour. Default: days,month,weekday,hour."""
    levels: int | None = None
    """How many levels of a category have a weight of their own. Default: 100,000 where the weights
    are solved exactly, or by newton of yes/no and counts; else 1,024."""
    learner: str | None = None
    """exact, descent, momentum, nesterov, adam, newton or lbfgs. Default: exact, or newton where
    the loss has no closed form, lbfgs of many classes; descent with `alpha` or `batch`."""
    alpha: float | None = None
    """The learning rate: steps on the inputs as they stand. Default: the fastest one on
    standardised inputs."""
    start: float | Mapping[str, float] = 0.0
    """What weights start at, all of them or by name. Default: 0."""
    steps: int | None = None
    """The most steps to take. Default: 10,000; with `batch`, `epochs` decides."""
    batch: Batch = "all"
    """How many rows a step sees: 1 is one row at a time, and an epoch is one round over all rows.
    Default: all."""
    epochs: int = 100
    """The most rounds over all rows, where a step sees a `batch`. Default: 100."""
    shuffle: bool = True
    """Whether each epoch has its rows in an order of its own, or in the table's. Default: of its
    own."""
    seed: int = 0
    """What the orders are drawn from. Default: 0."""
    tolerance: float = 1e-8
    """Stop when every weight_delta is this small beside the largest at the start. Default: 1e-8."""
    freeze: Freeze = ()
    """Weights that keep their start, or the value given here."""
    trace_rows: Sequence[int] = ()
    """Rows of the table, counted from 1, that each step is shown for: what it predicted for them,
    how wrong that was, and which way they pull."""
    keep_summary: bool = False
    """Whether the model keeps the sums of its rows, for `save(summary=...)` and `merge`. Under
    squared loss they give the model again, also together with those of other tables."""
    keep_sample: int | None = None
    """How many rows to keep with the model, drawn evenly, so that others can be learnt with them
    later, whatever the loss; 0 keeps the settings alone."""
    engine: str | None = None
    """Who goes over the rows: local, this machine, or another engine where the rows are. Default:
    chosen by the table, and said where it is another."""
    query_timeout: float | None = None
    """With the engine database: the seconds that a query may take. Default: as long as it takes."""
    progress: Progress | None = field(default=None, repr=False, compare=False)
    """Called with the rows read so far and, where known, the rows there are."""
    on_step: OnStep | None = field(default=None, repr=False, compare=False)
    """Called with each step as a trace's line has it: a dict of step, prediction, delta, error,
    alpha and, by name, each weight and its weight_delta."""

    def __post_init__(self) -> None:
        for name, kept in alike(vars(self)).items():
            object.__setattr__(self, name, kept)
        self._check_table()
        self._check_learner()
        self._check_penalties()
        if self.errors not in ERRORS:
            raise LearningError(f"errors is {self.errors!r}: choose {either(ERRORS)}")
        if self.errors in CLUSTERED and self.clusters is None:
            raise LearningError(
                f"errors is {self.errors!r}: say which rows belong together with cluster, as "
                "--cluster user"
            )
        if self.cluster is not None and self.kind_of_errors not in CLUSTERED:
            raise LearningError(
                f"errors is {self.errors!r}, which knows no clusters: choose {either(CLUSTERED)}"
            )
        starts = self.start.items() if isinstance(self.start, Mapping) else [("start", self.start)]
        values = [(name, value) for name, value in self.frozen.items() if value is not None]
        for name, value in [*starts, *values]:
            real(name, value)
        if self.steps is not None:
            whole("steps", self.steps, least=1)
        if not 0 <= real("tolerance", self.tolerance) < 1:
            raise LearningError(f"tolerance is {self.tolerance:g}: it must be 0 or more, below 1")

    def _check_table(self) -> None:
        if not self.targets:
            raise LearningError("name at least one column to predict")
        if self.using is not None and not self.using:
            raise LearningError("name at least one column to use, or leave using out to use all")
        if self.using is not None and names_in(self.without):
            raise LearningError("using says what to predict from, without what not: give one")
        if self.missing not in ("fill", "drop"):
            raise LearningError(f"missing is '{self.missing}': choose fill or drop")
        if self.folds is not None and whole("folds", self.folds, least=2) > MOST_FOLDS:
            raise LearningError(f"folds is {self.folds}: choose from 2 to {MOST_FOLDS}")
        if sum(by is not None for by in (self.id, self.group, self.time)) > 1:
            raise LearningError(
                "rows are held out by id, by group or forward in time: leave out all but one"
            )
        if self.offset is not None and self.exposure is not None:
            raise LearningError("exposure is short for an offset: leave one out")
        for loss in self.losses if self.exposure is not None else ():
            if loss == "auto" or not loss_named(loss).link.multiplicative:
                raise LearningError(
                    f"exposure is for losses that learn a log, such as poisson, and this is {loss}"
                )
        if self.added is not None and "classes" in self.kinds:
            raise LearningError("softmax takes no offset: added to every class it changes nothing")
        if self.levels is not None:
            whole("levels", self.levels, least=1)
        if self.half_life is not None and not real("half_life", self.half_life) > 0:
            raise LearningError(f"half_life is {self.half_life:g}: it must be above 0")
        if self.window is not None:
            whole("window", self.window, least=1)
        if self.keep_sample is not None:
            if whole("keep_sample", self.keep_sample, least=0) > MOST_KEPT:
                raise LearningError(f"keep_sample is {self.keep_sample}: {MOST_KEPT:,} at most")
            if self.keep_summary:
                raise LearningError("sums are kept, or a sample of rows: leave one out")
        words_in(self.missing_words)
        date_parts(self.dates)
        if self.engine is not None:
            check_engine_name(self.engine)
        if self.query_timeout is not None:
            if self.engine != "database":
                raise LearningError("query_timeout goes with the engine database")
            if not real("query_timeout", self.query_timeout) > 0:
                raise LearningError(f"query_timeout is {self.query_timeout:g}: it must be above 0")

    def _check_penalties(self) -> None:
        for name in ("ridge", "lasso"):
            strengths = {name: self.rest(name)}
            strengths |= {
                f"{name} of {column}": own for column, own in self.strengths(name).items()
            }
            for of, strength in strengths.items():
                if strength == "auto" and of == name:
                    continue
                if real(of, strength) < 0:
                    least = "auto, or 0 or more" if of == name else "0 or more"
                    raise LearningError(f"{of} is {strength:g}: it must be {least}")
        for column, ends in self.ranges.items():
            low, high = ends_of(column, ends)
            if low is not None and high is not None and low > high:
                raise LearningError(f"between {low:g} and {high:g} there is no weight for {column}")
        if self.kinked and not self.exact and self.chosen not in PROXIMAL:
            raise LearningError(
                f"{self.chosen} does not meet a lasso, positive or between: choose "
                f"{either(list(PROXIMAL))}"
            )

    def _check_learner(self) -> None:
        for loss in self.losses:
            if loss != "auto":
                loss_named(loss)
        learners = [EXACT, *LEARNERS]
        if self.learner is not None and self.learner not in learners:
            choose = f"choose {either(learners)}"
            raise LearningError(f"there is no learner '{self.learner}': {choose}")
        others = [loss for loss in self.losses if loss != "auto" and not closed_form(loss)]
        if self.learner == EXACT and others:
            raise LearningError(f"{others[0]} loss has no exact solution: choose {Newton.name}")
        if self.alpha is not None:
            if not real("alpha", self.alpha) > 0:
                raise LearningError(f"alpha is {self.alpha:g}: it must be above 0")
            if self.exact or self.second_order:
                raise LearningError(f"{self.learner} takes no alpha: choose {either(with_alpha())}")
        self._check_batch()
        self._check_rows()

    def _check_rows(self) -> None:
        for number in self.trace_rows:
            whole("a row to trace", number, least=1)
        if len(set(self.trace_rows)) > MOST_ROWS:
            raise LearningError(f"trace_rows names {len(self.trace_rows)}: {MOST_ROWS} at most")

    def _check_batch(self) -> None:
        whole("epochs", self.epochs, least=1)
        whole("seed", self.seed, least=0)
        if self.batch == "all":
            return
        whole("batch", self.batch, least=1)
        if self.exact or self.second_order:
            raise LearningError(
                f"{self.learner} needs all rows at each step: leave out batch, or choose "
                f"{either(with_alpha())}"
            )

    @property
    def most_steps(self) -> int:
        """The limit on full-batch steps."""
        return MOST_STEPS if self.steps is None else self.steps

    @property
    def targets(self) -> list[str]:
        """The target columns, as a list."""
        return names_in(self.predict)

    @property
    def losses(self) -> list[str]:
        """The loss of each target.

        Errors:  LearningError where there is neither one for all nor one for each
        """
        losses = names_in(self.loss)
        if len(losses) not in (1, len(self.targets)):
            raise LearningError(
                f"{len(losses)} losses are given for {len(self.targets)} targets: give one for "
                "all, or one each"
            )
        return losses * len(self.targets) if len(losses) == 1 else losses

    @property
    def positives(self) -> list[str]:
        """The weights constrained to be non-negative, as a list."""
        return names_in(self.positive)

    @property
    def frozen(self) -> Mapping[str, float | None]:
        """The frozen weights, and their values where given."""
        if isinstance(self.freeze, Mapping):
            return self.freeze
        return dict.fromkeys(names_in(self.freeze))

    @property
    def ranges(self) -> Mapping[str, tuple[float | None, float | None]]:
        """The ranges of weights; empty where there are none."""
        return self.between or {}

    def rest(self, name: str) -> Strength:
        """The ridge or lasso strength of all columns that have none of their own."""
        return 0.0 if name == "ridge" and self.tries_no_ridge else self._rest(name)

    def _rest(self, name: str) -> Strength:
        given = getattr(self, name)
        usual: Strength = "auto" if name == "ridge" else 0.0
        rest: Strength = given.get(None, usual) if isinstance(given, Mapping) else given
        return rest

    @property
    def tries_no_ridge(self) -> bool:
        """Whether standard errors were requested, which are unknown beside a chosen ridge."""
        return self.kind_of_errors != "classical" and self._rest("ridge") == "auto"

    def strengths(self, name: str) -> Mapping[str, float]:
        """The ridge or lasso strengths of single columns."""
        given = getattr(self, name)
        return (
            {c: s for c, s in given.items() if c is not None} if isinstance(given, Mapping) else {}
        )

    @property
    def kinked(self) -> bool:
        """Whether a lasso or ranges may be in use, which need a proximal learner."""
        lasso = self.rest("lasso") != 0 or any(self.strengths("lasso").values())
        return lasso or bool(self.positives or self.between)

    @property
    def held(self) -> bool:
        """Whether there are penalties or ranges beyond one ridge strength for all."""
        return self.kinked or bool(self.strengths("ridge") or self.strengths("lasso"))

    @property
    def added(self) -> str | None:
        """What is added to every score: the offset, or the log of the exposure."""
        return self.offset if self.exposure is None else f"log({quoted(self.exposure)})"

    @property
    def kind_of_errors(self) -> str:
        """The kind of standard errors: cluster-robust where a cluster column is named."""
        return "cluster" if self.cluster and self.errors == "classical" else self.errors

    @property
    def clusters(self) -> str | None:
        """The cluster column, for standard errors."""
        return self.group if self.cluster is None else self.cluster

    @property
    def chosen(self) -> str:
        """The learner: the one named, or the default for the loss and alpha."""
        if self.learner:
            return self.learner
        if self.alpha is not None or self.batch != "all":
            return Descent.name
        amounts = all(loss == "auto" or closed_form(loss) for loss in self.losses)
        return EXACT if amounts else Newton.name

    @property
    def exact(self) -> bool:
        """Whether the weights are solved for in closed form."""
        return self.chosen == EXACT

    @property
    def second_order(self) -> bool:
        """Whether the learner has no alpha, but the inverse Hessian, or what stands for it."""
        return not self.exact and not has_alpha(self.chosen)

    @property
    def needs_hessian(self) -> bool:
        """Whether the learner takes Newton steps."""
        return not self.exact and LEARNERS[self.chosen].needs_hessian

    @property
    def kinds(self) -> list[Kind | None]:
        """What the targets are, by their losses; None where the values decide."""
        return [None if loss == "auto" else loss_named(loss).kind for loss in self.losses]

    @property
    def request(self) -> Request:
        """The part of the settings that reading the table needs."""
        return Request(
            predict=self.targets,
            using=None if self.using is None else names_in(self.using),
            without=names_in(self.without),
            takes={
                target: "either" if kind is None else TAKES.get(kind, "numbers")
                for target, kind in zip(self.targets, self.kinds, strict=True)
            },
            row_weight=self.weight,
            half_life=self.half_life,
            copies=None if self.half_life is None else False,
            trials=self.kinds == ["yes_no"],
            drop_missing=self.missing == "drop",
            intercept=self.intercept,
            keep_constant=not self.intercept or self.alpha is not None,
            folds=FOLDS if self.folds is None else int(self.folds),
            id=self.id,
            group=self.group,
            cluster=self.clusters if self.kind_of_errors in CLUSTERED else None,
            time=self.time,
            offset=self.added,
            exposure=self.exposure,
            shifted=self._shifted(),
            reference=dict(self.reference or {}),
            dates=date_parts(self.dates),
            levels=None if self.levels is None else int(self.levels),
            eliminates=self._eliminates,
            missing_words=words_in(self.missing_words),
        )

    @property
    def _eliminates(self) -> bool:
        """Whether the weights are solved without a matrix of all inputs."""
        newton = self.needs_hessian and all(kind in ("yes_no", "count") for kind in self.kinds)
        classical = self.kind_of_errors == "classical"
        return (self.exact or newton) and not self.held and classical

    def _shifted(self) -> bool | None:
        """Whether the offset is subtracted from targets; None where it depends on values."""
        if "auto" in self.losses:
            return None
        additive = {loss_named(loss).link.additive for loss in self.losses}
        if len(additive) > 1 and self.offset is not None:
            raise LearningError(
                "an offset is added to scores, and these losses make predictions of them in "
                "different ways: predict the targets one by one"
            )
        return additive.pop()
