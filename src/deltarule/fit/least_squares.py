"""Least squares in closed form from the moments, with a ridge if cross-validation chooses one."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.questions import ScoreProducts, ScoreSums
from deltarule.engines.remote import EngineRows
from deltarule.fit.collinearity import collinear_columns
from deltarule.fit.outcome import Outcome
from deltarule.fit.penalties import Penalties
from deltarule.fit.row_questions import WhitenedMoments
from deltarule.fit.sandwich import (
    ScoreRows,
    errors_of,
    kind_of,
    robust_covariance,
    summed_covariance,
)
from deltarule.fit.settings import EXACT
from deltarule.losses.glm import Squared
from deltarule.model.record import MOST_COVARIANCES, FitRecord, fit_records
from deltarule.moments.cluster_sums import ClusterSums
from deltarule.moments.inference import Inverse, design, input_variance, intercept_variance
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import Standardization
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.block_elimination import MOST_DENSE
from deltarule.solvers.cv_result import Choice, CVResult
from deltarule.solvers.krylov import RESIDUAL
from deltarule.solvers.least_squares import (
    Spectrum,
    normal_equations,
    ridge_search,
    solve,
    weights_for,
)
from deltarule.solvers.whitening import Whitening
from deltarule.tables.one_read import Read

# Of a fit this close, the first read's sums leave too few digits of the error.
NEARLY_PERFECT = 1e-5
# With more inputs than this the rows are not whitened once more: a block of them has no room.
MOST_AGAIN = 2_048
ITERATED = (
    f"besides the largest category there are more than {MOST_DENSE:,} inputs: their weights were "
    f"solved by conjugate gradients to a relative residual of {RESIDUAL:.0e}, without standard "
    "errors"
)
# With more inputs than this a fold costs some 0.1 s: a few folds will do for intervals.
MANY, FEW_FOLDS = 300, 2


@dataclass(frozen=True)
class PlainLeastSquares:
    """Least squares with no penalty but one ridge for all inputs.

    `fit` is that without one, `passes` how many reads it took after the first; `errors` is the
    kind of its standard errors.
    """

    read: Read
    problem: LinearProblem
    penalties: Penalties
    errors: str
    fit: "LeastSquaresFit"
    passes: int

    @classmethod
    def of(
        cls, read: Read, problem: LinearProblem, penalties: Penalties, *, errors: str = "classical"
    ) -> "PlainLeastSquares":
        """With a second read where it would give digits that the first could not."""
        fit = LeastSquaresFit.of(problem, read.whole)
        again = fit.doubtful and penalties.ridge.rest in ("auto", 0)
        fit = fit.again(read) if again else fit
        return cls(read, problem, penalties, errors, fit, int(again))

    def candidates(self) -> CVResult:
        """Cross-validation of the ridge given, or of a grid."""
        folds, problem, splits = self.read.folds, self.problem, self.read.splits
        tried = ridge_search(folds, problem, strengths=self.penalties.ridges, splits=splits)
        if self.fit.held_out is not None and tried.ridge[0] == 0:
            tried = replace(tried, errors=np.stack([self.fit.held_out, *tried.errors[1:]]))
        return tried

    def choose(self, cv: CVResult) -> tuple[int, list[str]]:
        """By the one-standard-error rule."""
        return cv.chosen(), self.penalties.earned(cv, "the typical error", np.sqrt(cv.mean()[:, 0]))

    def solved(self, choice: Choice) -> Outcome:
        """The weights at this ridge; without one also their standard errors."""
        problem, whole, fit, kind = self.problem, self.read.whole, self.fit, self.errors
        passes, certain = self.passes, StandardErrors.unknown()
        if choice.ridge:
            fit, kind = LeastSquaresFit.of(problem, whole, ridge=choice.ridge), ""
        elif kind == "classical":
            certain = fit.certain
        else:
            kind = kind_of(kind, coupled=False)
            certain, passes = fit.robust(self.read, kind), passes + 1
        spectrum = Spectrum.of(problem.as_it_stands(whole))
        return Outcome(
            weights=fit.weights,
            loss=Squared.name,
            learner=EXACT,
            steps=0,
            passes=passes,
            stopped="solved exactly from the moments" + (" with ridge" if choice.ridge else ""),
            fit=fits(problem.of(whole), fit.squared_error, problem),
            error=certain.error,
            intercept_error=certain.intercept_error,
            covariance=certain.covariance,
            freedom=certain.freedom,
            errors=kind,
            clusters=certain.clusters,
            alphas=spectrum.alphas,
            condition=spectrum.condition,
            notes=self.fit.notes(self.read, ridge=choice.ridge),
        )

    def fold_weights(self, choice: Choice) -> Mapping[int, Weights]:
        """The weights without each fold; with many inputs those without a few."""
        if not choice.ridge and self.fit.held_out is not None:
            return self.fit.fold_weights
        weights, folds = dict[int, Weights](), self.read.folds
        judged = self.read.splits.of(folds)
        for split in judged if len(self.problem.inputs) <= MANY else judged[:FEW_FOLDS]:
            free = self.problem.free(split.training(folds))
            learnt = weights_for(free, normal_equations(free), ridge=choice.ridge)
            weights[split.test] = self.problem.whole(learnt)
        return weights


def fits(problem: LeastSquares, squared_error: Array, linear: LinearProblem) -> list[FitRecord]:
    """Each output's fit metrics on the training rows."""
    used = len(problem.mean) - int(linear.held.sum()) + problem.intercept - linear.intercept_held
    return fit_records(problem, squared_error, used)


@dataclass(frozen=True)
class StandardErrors:
    """Standard errors of least squares.

    Shapes:  error (p, k), intercept_error (k,), covariance (k, p + 1, p + 1), the intercept last;
             NaN where unknown; None where nothing is
    """

    error: Array | None
    intercept_error: Array | None
    freedom: float
    clusters: ClusterSums | None = None
    covariance: Array | None = None

    @classmethod
    def unknown(cls) -> "StandardErrors":
        return cls(None, None, np.inf)

    @classmethod
    def of(cls, problem: LinearProblem, read: Read, kind: str) -> "StandardErrors":
        """Of the exact weights of this problem."""
        fit = LeastSquaresFit.of(problem, read.whole)
        return fit.certain if kind == "classical" else fit.robust(read, kind)


@dataclass(frozen=True)
class LeastSquaresFit:
    """Exact weights in own units, after one or two reads; the rest is in standardised units.

    Shapes:  inverse (f, f), null (f, f - r) and unit (f,) of the f inputs free to learn;
             squares, squared_error (k,) in units of the targets' scale squared
    """

    problem: LinearProblem
    free: LeastSquares
    squares: Array
    weights: Weights
    inverse: Array | Inverse | None
    unit: Array
    null: Array
    squared_error: Array
    rank: int
    sure: bool
    held_out: Array | None = None
    fold_weights: Mapping[int, Weights] = field(default_factory=dict)

    @classmethod
    def of(
        cls, linear: LinearProblem, moments: Moments, *, ridge: float = 0.0
    ) -> "LeastSquaresFit":
        """The fit from the first read."""
        problem, free = linear.of(moments), linear.free(moments)
        solution = solve(free, ridge=ridge)
        return cls(
            problem=linear,
            free=free,
            squares=problem.targets,
            weights=linear.whole(solution.weights),
            inverse=solution.inverse,
            unit=solution.unit,
            null=solution.null,
            squared_error=free.squared_error(solution.weights),
            rank=solution.rank,
            sure=solution.sure,
        )

    @property
    def freedom(self) -> float:
        """Residual degrees of freedom: rows less fitted weights."""
        return float(self.free.rows - self.rank - self.free.intercept)

    @property
    def whole(self) -> bool:
        """Whether no free input depends on others."""
        return self.rank == len(self.unit)

    @property
    def doubtful(self) -> bool:
        """Whether a second read would give digits that the first could not."""
        nearly = bool((self.squared_error < NEARLY_PERFECT * self.squares).any())
        few = len(self.unit) <= MOST_AGAIN
        return (
            self.problem.frozen is None and few and (not self.sure or (nearly and self.freedom > 0))
        )

    @property
    def certain(self) -> StandardErrors:
        """Classical standard errors."""
        if self.freedom <= 0 or self.inverse is None:
            return StandardErrors.unknown()
        s = np.sqrt(self.squared_error / self.freedom) * self.free.target_scale
        error = np.full((len(self.problem.inputs), len(s)), np.nan)
        one = np.sqrt(input_variance(self.inverse, self.null)) / self.unit
        error[~self.problem.held] = np.outer(one, s)
        of_intercept = np.full(len(s), np.nan)
        if self.free.intercept and self.whole:
            mean = (self.centre + self.origin) / self.unit
            of_intercept = s * np.sqrt(intercept_variance(self.inverse, mean, self.free.rows))
        return StandardErrors(error, of_intercept, self.freedom, covariance=self._covariance(s))

    def robust(self, read: Read, kind: str) -> StandardErrors:
        """Robust standard errors (the sandwich), by another pass over all rows."""
        if self.freedom <= 0 or self.inverse is None:
            return StandardErrors.unknown()
        standard = Standardization(self.centre, self.unit)
        outward = Standardization(self.centre + self.origin, self.unit)
        intercept = self.free.intercept
        bread = np.zeros((1, len(self.unit) + intercept, len(self.unit) + intercept))
        bread[0, : len(self.unit), : len(self.unit)] = np.asarray(self.inverse)
        if intercept:
            bread[0, -1, -1] = 1 / self.free.rows
        k = len(self.problem.targets)
        bread = np.repeat(bread, k, axis=0)
        clusters = ClusterSums.of(read.plan.request.cluster, kind)
        if read.engine is not None:
            scores = self._score_sums(read)
            covariance = summed_covariance(bread, scores, outward, kind=kind, intercept=intercept)
        else:
            covariance = robust_covariance(
                bread,
                self._slopes(read, standard),
                outward,
                kind=kind,
                intercept=intercept,
                sums=clusters,
            )
        own = errors_of(covariance)
        error = np.full((len(self.problem.inputs), k), np.nan)
        known = np.isfinite(input_variance(self.inverse, self.null))
        error[~self.problem.held] = np.where(known[:, None], own[: len(known)], np.nan)
        unknown = np.full(k, np.nan)
        of_intercept = own[-1] if intercept and self.whole else unknown
        # As in statsmodels: with G clusters the degrees of freedom are G - 1.
        freedom = self.freedom if clusters is None else clusters.count - 1.0
        return StandardErrors(error, of_intercept, freedom, clusters, self._placed(covariance))

    def _covariance(self, s: Array) -> Array | None:
        """The classical covariance of own weights, for residuals of s (k,)."""
        if (len(self.unit) + self.free.intercept) * len(s) > MOST_COVARIANCES:
            return None  # before it is computed
        inner = np.asarray(self.inverse) / np.outer(self.unit, self.unit)
        if self.free.intercept:
            mean = self.centre + self.origin
            border = -inner @ mean
            corner = 1 / self.free.rows - mean @ border
            inner = np.block([[inner, border[:, None]], [border[None], np.array([[corner]])]])
        return self._placed(inner * (s**2)[:, None, None])

    def _placed(self, free: Array) -> Array | None:
        """The covariance embedded among all inputs, NaN for frozen ones: (k, q, q).

        None for more weights than a record keeps.
        """
        count = len(self.problem.inputs) + self.problem.intercept
        if count * len(free) > MOST_COVARIANCES:
            return None
        where = [*np.flatnonzero(~self.problem.held), *[count - 1] * self.free.intercept]
        placed = np.full((len(free), count, count), np.nan)
        placed[:, np.array(where)[:, None], where] = free
        return placed

    @property
    def centre(self) -> Array:
        """The centre of standardised inputs: (f,)."""
        return self.free.mean * self.free.scale * self.free.intercept

    @property
    def origin(self) -> Array:
        """The origin of the inputs before standardising: (f,)."""
        centre = self.problem.centre
        return np.zeros(len(self.unit)) if centre is None else centre[~self.problem.held]

    def _score_sums(self, read: Read) -> ScoreSums:
        """What an engine adds up of the scores of all rows, of the weights that are free."""
        free = np.flatnonzero(~self.problem.held)
        mean, unit = np.zeros(len(self.problem.inputs)), np.ones(len(self.problem.inputs))
        mean[free], unit[free] = self.centre, self.unit
        standard = Standardization(mean, unit)
        question = ScoreProducts(
            BlockLinear(intercept=self.problem.intercept), Squared(), standard.into(self.weights)
        )
        assert read.engine is not None, "it is asked of an engine"
        sums = EngineRows(read.engine, read.encoder, standard).total(question)
        kept = np.array([*free, *[len(mean)] * self.free.intercept], dtype=int)
        return ScoreSums(sums.rows, sums.products[:, kept[:, None], kept])

    def _slopes(self, read: Read, standard: Standardization) -> Iterator[ScoreRows]:
        model = BlockLinear(intercept=self.problem.intercept)
        for rows in read.rows():
            inputs = standard.inputs(rows.inputs[:, ~self.problem.held])
            each = np.ones(len(inputs)) if rows.row_weights is None else rows.row_weights
            delta = model.predict(self.weights, rows.inputs) - rows.targets
            x = design(inputs, intercept=self.free.intercept)
            yield ScoreRows(x, delta, each, clusters=rows.clusters)

    def again(self, read: Read) -> "LeastSquaresFit":
        """The fit refined by a second read, in whitened coordinates."""
        k = len(self.problem.targets)
        white = Whitening.of(self.free, self.weights)
        columns = len(white.floor) + k
        sums = read.total(WhitenedMoments(white))
        folds = [sums.get(fold, Moments.none(columns)) for fold in range(len(read.folds))]
        whole = total(folds)
        folds = [fold.scaled(whole.scale) for fold in folds]
        intercept = self.problem.intercept
        kept = white.kept(whole, intercept=intercept, most=read.examples - intercept)
        whitened = white.solve(whole, kept, k, intercept=intercept)
        # Residuals of the targets may be kept in another unit than the targets.
        rescaled = (whitened.problem.target_scale / self.free.target_scale) ** 2
        errors, own = [], {}
        for split in read.splits.of(folds):
            training_folds = split.training(folds)
            learnt = white.solve(training_folds, kept, k, intercept=intercept)
            judged = LeastSquares.of(
                folds[split.test], kept, range(columns - k, columns), intercept=intercept
            )
            errors.append(judged.squared_error(learnt.inner) * rescaled)
            own[split.test] = learnt.weights
        return replace(
            self,
            weights=whitened.weights,
            inverse=whitened.inverse,
            null=whitened.null,
            rank=len(self.unit) - whitened.null.shape[1],
            squared_error=whitened.problem.squared_error(whitened.inner) * rescaled,
            sure=whitened.sure,
            held_out=np.array(errors) if errors else None,
            fold_weights=own,
        )

    def notes(self, read: Read, *, ridge: float) -> list[str]:
        """Notes: collinear columns by name, and digits in doubt."""
        meaning = "of all weights that predict the same, the smallest are given"
        if ridge:
            meaning = "the ridge shares their weight among them"
        nulls = len(self.unit) - self.rank
        notes = collinear_columns(read, self.problem.held, self.null, meaning, nulls=nulls)
        if self.inverse is None:
            notes.append(ITERATED)
        if not self.sure and not notes and not ridge:
            notes.append(
                "the inputs nearly depend on each other: the weights' last digits are in doubt"
            )
        return notes
