"""Learning-rate analysis: which alpha converges, which is fastest, how many steps, and why.

Shapes: p inputs, k outputs, q = p + intercept, of which some may be frozen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.errors import DivergedError, LearningError
from deltarule.fit.keyword_settings import taking_settings
from deltarule.fit.problem import FitProblem
from deltarule.fit.run import Run
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.moments.moments import LeastSquares
from deltarule.moments.stacked import stack
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.convergence_rate import ConvergenceRate
from deltarule.solvers.least_squares import triangle_of
from deltarule.solvers.newton import Newton
from deltarule.views import html
from deltarule.views.format import number, screen_width

NEAR, NEARER = 0.01, 1e-6
COLUMNS_SHOWN = 3


@dataclass(frozen=True)
class StepsNeeded:
    """The steps at an alpha until 1%, and until a millionth, of the excess loss is left.

    None where it never gets there.
    """

    alpha: float
    near: int | None
    nearer: int | None

    @classmethod
    def of(cls, pace: ConvergenceRate, alpha: float) -> "StepsNeeded":
        """The counts at this alpha."""
        return cls(alpha, pace.steps(alpha, NEAR), pace.steps(alpha, NEARER))

    @property
    def words(self) -> str:
        """The counts in words."""
        if self.near is None:
            return "it would take more steps than anyone can count"
        end = "a millionth after too many to count"
        if self.nearer is not None:
            end = f"a millionth after {_steps(self.nearer)}"
        return f"1% of the error to unlearn is left after {_steps(self.near)}, {end}"


@dataclass(frozen=True)
class LearningRateRange:
    """The range of alpha that converges, in some units of the inputs.

    `fastest` is optimal in the worst case, and so for the last digits; `soonest` needs the fewest
    steps from this start until 1% is left.

    `steepest` are the columns of the eigenvector that sets the limit, `flattest` those of the one
    learnt last, with their shares, the largest first.
    """

    limit: float
    fastest: StepsNeeded
    soonest: StepsNeeded
    condition: float
    steepest: tuple[tuple[str, float], ...]
    flattest: tuple[tuple[str, float], ...]
    pace: ConvergenceRate

    @classmethod
    def of(cls, pace: ConvergenceRate, names: list[str]) -> "LearningRateRange":
        """From the Hessian's spectrum."""
        alphas = pace.alphas
        condition = alphas.largest / alphas.smallest if alphas.smallest > 0 else 1.0
        return cls(
            limit=alphas.limit,
            fastest=StepsNeeded.of(pace, alphas.fastest if np.isfinite(alphas.fastest) else 1.0),
            soonest=StepsNeeded.of(pace, pace.soonest(NEAR)),
            condition=condition,
            steepest=_makers(pace, names, 0),
            flattest=_makers(pace, names, -1),
            pace=pace,
        )

    def curve(self, points: int = 200) -> tuple[list[float], list[int | None]]:
        """The steps until 1% is left, over alpha from far below the limit to it."""
        alphas = (self.limit * np.geomspace(1e-4, 0.9999, points)).tolist()
        return alphas, [self.pace.steps(alpha, NEAR) for alpha in alphas]


def _makers(
    pace: ConvergenceRate, names: list[str], direction: int
) -> tuple[tuple[str, float], ...]:
    if not pace.values.size:
        return ()
    shares = pace.weights[:, direction] ** 2
    order = np.argsort(-shares, kind="stable")[:COLUMNS_SHOWN]
    return tuple((names[at], float(shares[at])) for at in order if shares[at] > 0.005)


@dataclass(frozen=True)
class LearningRateReport:
    """Learning-rate analysis of a table: in the inputs' own units, and on standardised inputs.

    `chosen` is for the given alpha; None without one, or where it diverges.
    """

    table: str
    targets: tuple[str, ...]
    loss: str
    own: LearningRateRange
    standardised: LearningRateRange
    alpha: float | None = None
    chosen: StepsNeeded | None = None

    @property
    def settles(self) -> bool | None:
        """Whether the given alpha is below the limit; None without one."""
        return None if self.alpha is None else self.alpha < self.own.limit

    def __str__(self) -> str:
        return "\n".join(
            fill(line, screen_width(), initial_indent="  " * bool(at), subsequent_indent="      ")
            for at, line in enumerate(self._lines())
        )

    def _lines(self) -> Iterator[str]:
        own, standard = self.own, self.standardised
        yield f"alpha for {', '.join(self.targets)} in {self.table}, {self.loss} loss"
        if not np.isfinite(own.limit):
            yield "nothing here has a slope: any alpha settles at once"
            return
        yield f"descent settles with any alpha below {number(own.limit)}"
        yield f"the fastest in the end is {number(own.fastest.alpha)}: {own.fastest.words}"
        if own.soonest.near != own.fastest.near:
            yield f"the soonest near is {number(own.soonest.alpha)}: {own.soonest.words}"
        if self.alpha is not None:
            said = f"with alpha {number(self.alpha)} it explodes: the error grows at every step"
            yield (
                said
                if self.chosen is None
                else f"with alpha {number(self.alpha)}: " + (self.chosen.words)
            )
        yield self._blame()
        yield (
            f"on standardised inputs the limit is {number(standard.limit)} and the fastest "
            f"{number(standard.fastest.alpha)}: {standard.fastest.words}"
        )
        if not closed_form(self.loss):
            yield "that is near the best weights: farther off, the loss is curved otherwise"

    def _blame(self) -> str:
        said = f"the scale of {_listed(self.own.steepest)} sets the limit"
        if self.own.condition < 1 + 1e-9:
            return said
        ratio = number(self.own.condition)
        flat = _listed(self.own.flattest)
        verb = "are" if " and " in flat else "is"
        return f"{said}; {flat} {verb} learnt last: the one is {ratio} times as steep as the other"

    def _repr_html_(self) -> str:
        head, *rest = self._lines()
        return html.cell(html.sentences([head]) + html.listed(rest))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "table": self.table,
            "targets": list(self.targets),
            "loss": self.loss,
            "alpha": self.alpha,
            "settles": self.settles,
            "steps": None if self.chosen is None else _needed(self.chosen),
            "own": _reach(self.own),
            "standardised": _reach(self.standardised),
        }


def _needed(needed: StepsNeeded) -> dict[str, Any]:
    return {"alpha": needed.alpha, "to_1_percent": needed.near, "to_1e-6": needed.nearer}


def _reach(reach: LearningRateRange) -> dict[str, Any]:
    return {
        "limit": reach.limit if np.isfinite(reach.limit) else None,
        "fastest": _needed(reach.fastest),
        "soonest": _needed(reach.soonest),
        "condition": reach.condition,
        "steepest": [{"column": name, "share": share} for name, share in reach.steepest],
        "flattest": [{"column": name, "share": share} for name, share in reach.flattest],
    }


def _listed(makers: tuple[tuple[str, float], ...]) -> str:
    """The columns that together make up at least half of an eigenvector."""
    named, so_far = [], 0.0
    for name, share in makers:
        named.append(name)
        so_far += share
        if so_far > 0.5:
            break
    return " and ".join(named)


def _count(steps: int) -> str:
    return f"{steps:,}" if steps < 10**9 else f"{steps:.3g}"


def _steps(steps: int) -> str:
    return "1 step" if steps == 1 else f"{_count(steps)} steps"


@taking_settings(Settings)
def alpha(table: Any, settings: Settings) -> LearningRateReport:
    """Which alpha (learning rate) converges on a table, which is fastest, steps needed, and why.

    Takes the settings of `learn`; with `alpha`, that one is analysed too. Exact under squared loss,
    from one read; under another it holds near the optimum, which is found first.

    Errors:  as `learn`; LearningError where a lasso or ranges make the objective non-smooth
    """
    if settings.kinked:
        raise LearningError(
            "alpha is explained for losses and ridges, which are smooth: leave out lasso, positive "
            "and between"
        )
    smooth = replace(settings, alpha=None, learner=None, batch="all", trace_rows=())
    run = Run.of(table, smooth, watched=True)
    problem = run.problem
    assert problem is not None, "where steps are watched, there are some"
    loss = problem.settings.losses[0]
    if not closed_form(loss):
        run = run.again(replace(smooth, learner=Newton.name))
        problem = run.problem
        assert problem is not None, "newton takes steps"
    with one_blas_thread(), np.errstate(all="ignore"):
        paces = _squared(problem) if closed_form(loss) else _other(run, problem)
        reaches = [
            LearningRateRange.of(pace, _names(run, problem, len(pace.weights))) for pace in paces
        ]
    own = reaches[0]
    needed = None
    if settings.alpha is not None and settings.alpha < own.limit:
        needed = StepsNeeded.of(own.pace, settings.alpha)
    return LearningRateReport(
        table=run.read.source.name,
        targets=tuple(settings.targets),
        loss=loss,
        own=own,
        standardised=reaches[1],
        alpha=settings.alpha,
        chosen=needed,
    )


def _names(run: Run, problem: FitProblem, weights: int) -> list[str]:
    """Names of the weights that are not frozen, the intercept last; by output, if coupled."""
    names = [column if level is None else f"{column}={level}" for column, level in _inputs(run)]
    moving = _moving(problem)[:, 0]
    every = [*names, *(["the intercept"] if problem.model.intercept else [])]
    free = [name for name, moves in zip(every, moving, strict=True) if moves]
    outputs = run.read.schema.outputs
    if weights == len(free):
        return free
    return [f"{name} ({output})" for output in outputs for name in free]


def _inputs(run: Run) -> list[tuple[str, str | None]]:
    return list(run.read.schema.inputs)


def _moving(problem: FitProblem) -> Mask:
    """Which weights are not frozen, the intercept last: (q, k)."""
    if problem.frozen is None:
        return np.ones(stack(problem.start).shape, dtype=bool)
    moving: Mask = ~stack({n: held.astype(float) for n, held in problem.frozen.items()}).astype(
        bool
    )
    return moving


def _squared(problem: FitProblem) -> list[ConvergenceRate]:
    """From the moments, in own units and standardised."""
    linear = problem.linear
    free = linear.free(problem.read.whole)
    assert problem.best is not None, "squared loss has best weights"
    start, best = (_free(one, ~linear.held, free) for one in (problem.start, problem.best))
    standard = Standardization.of(free)
    ridge = problem.penalties.ridge.each(problem.choice.ridge)[~linear.held]
    # The penalty is on standardised inputs; a constant input has none.
    in_standard = ridge * (free.spread / standard.spread) ** 2
    return [
        _pace(free, ridge * free.spread**2, start, best),
        _pace(standard.problem(free), in_standard, standard.into(start), standard.into(best)),
    ]


def _free(weights: Weights, kept: Mask, free: LeastSquares) -> Weights:
    """The weights that are not frozen."""
    some = {"weight": weights["weight"][kept]}
    return {**some, "intercept": weights["intercept"]} if free.intercept else some


def _pace(problem: LeastSquares, ridge: Array, start: Weights, best: Weights) -> ConvergenceRate:
    root, zeros = triangle_of(problem)
    root = root / np.sqrt(problem.rows)
    if problem.intercept:
        root = np.roll(root, -1, axis=1)
    if ridge.any():
        penalty = np.column_stack([np.diag(np.sqrt(ridge)), np.zeros((len(ridge), 1))])
        root, zeros = np.vstack([root, penalty[:, : root.shape[1]]]), 0
    return ConvergenceRate.of(root, stack(start) - stack(best), zeros=zeros)


def _other(run: Run, problem: FitProblem) -> list[ConvergenceRate]:
    """From the Hessian at the optimum, which is found first."""
    *_, last = run
    if last.stopped is None or last.stopped.reason not in ("settled", "still"):
        words = "" if last.stopped is None else f": {last.stopped.words}"
        raise DivergedError(f"the best weights were not reached, so alpha is unknown{words}")
    standard, intercept = problem.standard, problem.model.intercept
    best = standard.into(last.weights)
    hessian = problem.objective(best, hessian=True).average().hessian
    assert hessian is not None, "rows are curved"
    blocks = len(hessian)
    off = (stack(problem.first()) - stack(best)).T.reshape(blocks, -1)
    moving = _moving(problem).T.reshape(blocks, -1)
    out = standard.jacobian(intercept=intercept)
    outputs = hessian.shape[1] // len(out)
    out, back = (np.kron(np.eye(outputs), one) for one in (out, np.linalg.inv(out)))
    own, standardised = [], []
    for block, moves, free in zip(hessian, off, moving, strict=True):
        root = _root(block)
        own.append(ConvergenceRate.of((root @ back)[:, free], (out @ moves)[free, None]))
        standardised.append(ConvergenceRate.of(root[:, free], moves[free, None]))
    return [ConvergenceRate.joined(own), ConvergenceRate.joined(standardised)]


def _root(hessian: Array) -> Array:
    """A matrix with root.T @ root = hessian; directions of zero eigenvalue are left out."""
    values, vectors = np.linalg.eigh(hessian)
    kept = values > values[-1] * len(values) * np.finfo(float).eps
    root: Array = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    return root
