"""Diagnostics: influential rows (leverage, Cook's distance), outliers and collinear columns.

    leverage         h = input @ inv(Hessian) @ input * loss Hessian, the diagonal of the hat
                     matrix; h sums to the number of weights, q
    residual         (target - prediction) / typical error / sqrt(1 - h) (studentized): seldom
                     beyond 4
    Cook's distance  residual ** 2 * h / (1 - h) / q: how far all predictions move without the row,
                     relative to their standard errors; from 1 on the row is influential

For losses whose variance depends on the prediction the residual is the deviance residual, and in
Cook's distance Pearson's. The table must be the training table: leverage is of its rows.

One pass over the rows, and for losses other than squared one more before it, for the Hessian.
Shapes: n rows, p inputs, k outputs, q = p + intercept.
Source:  Cook & Weisberg 1982; Pregibon 1981
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import LearningError, ValueRefusedError
from deltarule.model.evaluate import nothing_in
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import Record, unpack
from deltarule.model.summary import counting
from deltarule.moments import student
from deltarule.moments.inference import Inflation, design, inverses, leverages, variance_inflation
from deltarule.moments.linear_model import BlockLinear
from deltarule.moments.moments import LeastSquares, Moments, total
from deltarule.rule.predict import Array
from deltarule.solvers.least_squares import Normal, solve
from deltarule.tables.filtered import FilteredSource
from deltarule.tables.left_out import left_out_told
from deltarule.tables.schema_source import batches, read_as_learnt
from deltarule.tables.source import Source, without_folder
from deltarule.views import html
from deltarule.views.format import number

# Beyond this Cook's distance a row is influential.
DECIDES = 1.0
# A row is an outlier where fewer than so many are expected by chance among all rows.
BY_CHANCE = 0.01
# From this leverage on a row determines most of its own prediction.
MOST_OF_ITS_OWN = 0.5
# Leverages take a matrix of all inputs: of so many 134 MB.
MOST_INPUTS = 4096
# At this variance inflation a standard error is 3 times as large as without collinearity.
INFLATED = 10.0
# Kinds of dispersion with a variance function, for which Pearson residuals are shown.
GRADED = ("known", "estimated")


@dataclass(frozen=True)
class InfluentialRow:
    """An influential row or outlier. `row` counts from 1; `far` is its most extreme input.

    `far` is its column, its value and how many standard deviations it is from the mean.
    """

    row: int
    output: str
    target: float
    prediction: float
    residual: float | None
    leverage: float
    cook: float | None
    far: tuple[str, float, float] | None

    def words(self, rows: float) -> list[str]:
        """The findings on the row, in words, if any."""
        found = []
        if self.cook is not None and self.cook > DECIDES:
            found.append(
                "it is influential: it alone moves the weights far "
                f"(Cook's distance {self.cook:.3g})"
            )
        if self.residual is not None and abs(self.residual) > too_far(rows):
            found.append(
                f"{self.output} is {number(self.target)} where {number(self.prediction)} is "
                f"predicted, {abs(self.residual):.3g} typical errors off"
            )
        if self.leverage > MOST_OF_ITS_OWN:
            what = ""
            if self.far is not None:
                column, value, away = self.far
                what = f": {column} is {number(value)}, {away:.3g} standard deviations out"
            found.append(f"it makes {self.leverage:.0%} of its own prediction{what}")
        return found


@dataclass(frozen=True)
class Diagnostics:
    """Influential rows, outliers and collinear columns."""

    rows: float
    examples: int
    rows_left_out_by_cause: Mapping[str, int]
    suspects: tuple[InfluentialRow, ...]
    inflated: tuple[Inflation, ...]
    notes: tuple[str, ...] = ()
    """Why the findings may not be those of the rows that the model learnt from."""

    @property
    def rows_left_out(self) -> int:
        """How many rows were left out, for any cause."""
        return sum(self.rows_left_out_by_cause.values())

    @property
    def frame(self) -> pl.DataFrame:
        """The flagged rows as a table, the most influential first."""
        rows = [
            {name: value for name, value in asdict(one).items() if name != "far"}
            for one in self.suspects
        ]
        kinds: dict[str, type[pl.DataType]] = {"row": pl.Int64, "output": pl.String}
        numbers = ("target", "prediction", "residual", "leverage", "cook")
        return pl.DataFrame(rows, schema=kinds | dict.fromkeys(numbers, pl.Float64))

    @property
    def words(self) -> list[str]:
        """All findings in words; one line that says so where there are none."""
        by_row: dict[int, list[str]] = {}
        for one in self.suspects:
            by_row.setdefault(one.row, []).extend(one.words(self.rows))
        lines = [
            f"row {row:,}: {'; '.join(dict.fromkeys(said))}" for row, said in by_row.items() if said
        ]
        lines += [str(one) for one in self.inflated]
        return lines or [
            "no row is very influential (Cook's distance) or far off, and no column is determined "
            "by others (collinear)"
        ]

    def __str__(self) -> str:
        head = f"{counting(self.rows, self.examples)} looked at"
        left = left_out_told(self.rows_left_out_by_cause)
        head = ", ".join(part for part in (head, left) if part)
        return "\n".join([head, *self.notes, *self.words])

    def _repr_html_(self) -> str:
        head, *rest = str(self).splitlines()
        return html.cell(html.sentences([head]) + html.listed(rest))

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {**asdict(self), "rows_left_out": self.rows_left_out, "words": self.words}


def too_far(rows: float) -> float:
    """The outlier threshold: beyond it `BY_CHANCE` of so many normal residuals are expected."""
    return float(-student.quantile(np.inf, BY_CHANCE / 2 / max(rows, 1.0)))


def diagnose(predictor: Predictor, source: Source, *, rows: int) -> Diagnostics:
    """The most influential rows and the worst outliers, up to `rows` of each, and collinearity.

    Errors:  EmptyError when no row has all targets
    """
    hat = LeverageMatrix.of(predictor, source)
    kept: list[InfluentialRow] = []
    count, examples, causes = 0.0, 0, Counter[str]()
    for batch in _scored(predictor, source):
        kept = _worst([*kept, *hat.suspects(predictor, batch, rows)], rows)
        count += float(batch.each.sum())
        examples += len(batch.each)
        causes += batch.causes
    if not count > 0:
        raise nothing_in(source, causes)
    inflated = tuple(one for one in hat.told if one.inflation > INFLATED)
    notes = _other_rows(predictor.record, examples, count, source.name)
    suspects = tuple(_numbered(kept, source))
    return Diagnostics(count, examples, dict(causes), suspects, inflated, notes)


def _other_rows(record: Record, examples: int, count: float, name: str) -> tuple[str, ...]:
    """A note where these are more or fewer rows than the model learnt from.

    Model files of versions 1 and 2 know rows by their weights alone.
    """
    by_weight = record.examples is None
    learnt, here = (record.rows, count) if by_weight else (record.examples, examples)
    if here == learnt:
        return ()
    return (
        f"the model learnt from {learnt:,.15g} rows of {record.learnt_from}, and these are "
        f"{here:,.15g} of {without_folder(name)}: which rows decide is only known of those that it "
        "learnt from; --where CONDITION takes some rows",
    )


def _numbered(rows: Sequence[InfluentialRow], source: Source) -> Sequence[InfluentialRow]:
    """The rows by their numbers in the whole table, where a condition takes some of it."""
    if not isinstance(source, FilteredSource):
        return rows
    numbers = source.numbers
    return [replace(one, row=int(numbers[one.row - 1]) + 1) for one in rows]


def _scored(predictor: Predictor, source: Source) -> Iterator[PredictedRows]:
    contract, row = predictor.contract, 0
    source = read_as_learnt(source, contract)
    weight = [] if contract.row_weight is None else [contract.row_weight]
    for batch in batches(source, predictor.compares, contract.expects, wanted=weight):
        rows = predictor.scored(batch, name=source.name, row=row)
        beyond = ~np.isfinite(predictor.predictions(rows.scores)).all(axis=1)
        if beyond.any():
            raise ValueRefusedError(
                f"{source.name}, row {rows.number[int(np.argmax(beyond))] + 1}: its prediction is "
                "beyond all numbers: fix or remove that row"
            )
        yield rows
        row += batch.height


@dataclass(frozen=True)
class LeverageMatrix:
    """The inverse Hessians of standardized inputs, (b, m, m), from which leverage is computed.

    Classes have one of the inputs alone, and no Cook's distance.

    Shapes:  centre, unit (p,); typical (k,): the scale of residuals
    """

    bread: Array
    centre: Array
    unit: Array
    typical: Array
    weights: float
    graded: bool
    told: Sequence[Inflation]

    @classmethod
    def of(cls, predictor: Predictor, source: Source) -> "LeverageMatrix":
        """From the moments the model carries, or a pass over the rows."""
        record, contract = predictor.record, predictor.contract
        p, k = len(contract.inputs), len(contract.outputs)
        intercept = bool(record.intercept)
        columns = range(p)
        if p > MOST_INPUTS:
            raise LearningError(
                f"the model has {p:,} inputs, and diagnosing takes at most {MOST_INPUTS:,}: learn "
                "with fewer levels, such as --levels 1000"
            )
        if record.moments:
            moments = total([unpack(one, p + k) for one in record.moments])
        else:
            moments = Moments.none(p)
            for rows in _scored(predictor, source):
                moments = moments + Moments.of(rows.inputs, rows.each)
        problem = LeastSquares.of(moments, columns, [], intercept=intercept)
        centre = problem.mean * problem.scale * intercept
        inflated = variance_inflation(Normal.of(problem).correlation, contract.spans())
        solution = solve(problem)
        bread = np.zeros((k, p + intercept, p + intercept))
        bread[:, :p, :p] = solution.inverse
        if intercept:
            bread[:, -1, -1] = 1 / problem.rows
        losses = record.losses
        typical = np.ones(k)
        graded = all(loss.dispersion in GRADED and not loss.closed_form for loss in losses)
        graded = graded and len(contract.targets) == k
        if graded:
            bread = _curved(predictor, source, centre, solution.unit)
            typical = np.sqrt([fit.dispersion or 1.0 for fit in record.fit])
        elif len(contract.targets) == k:
            typical = np.array([fit.residual_sd or fit.rmse for fit in record.fit])
        weights = float(solution.rank + intercept)
        return cls(bread, centre, solution.unit, typical, weights, graded, inflated)

    def suspects(
        self, predictor: Predictor, batch: PredictedRows, rows: int
    ) -> list[InfluentialRow]:
        """The candidate rows of a batch."""
        if not len(batch.each):
            return []
        z = (batch.inputs - self.centre) / self.unit
        x = design(z, intercept=bool(predictor.record.intercept))
        predictions = predictor.predictions(batch.scores)
        off = batch.targets - predictions
        slope = predictor.loss.hessian(batch.scores) if self.graded else None
        suspects: list[InfluentialRow] = []
        for at, output in enumerate(predictor.contract.outputs):
            bend = None if slope is None else slope[:, at]
            leverage = leverages(x, self.bread[at], bend)
            left = np.maximum(1 - leverage, np.finfo(float).eps)
            with np.errstate(all="ignore"):
                share = np.sqrt(left) * self.typical[at]
                residual = self._strayed(predictor, batch, off[:, at], at) / share
                pearson = self._pearson(predictor, batch, off[:, at], at) / share
                cook = pearson**2 * leverage / left / self.weights
            for row in _picked([cook, np.abs(residual), leverage], rows):
                far = self._far(predictor, batch.inputs[row], z[row])
                suspects.append(
                    InfluentialRow(
                        row=int(batch.number[row]) + 1,
                        output=output,
                        target=float(batch.targets[row, at]),
                        prediction=float(predictions[row, at]),
                        residual=_finite(residual[row]),
                        leverage=float(leverage[row]),
                        cook=_finite(cook[row]) if leverage[row] < 1 else None,
                        far=far,
                    )
                )
        return suspects

    def _strayed(self, predictor: Predictor, batch: PredictedRows, off: Array, at: int) -> Array:
        """Standardized or deviance residuals, approximately normal: (n,)."""
        if not self.graded:
            return off
        loss, one = predictor.record.losses[at], slice(at, at + 1)
        targets = batch.targets[:, one]
        excess = loss.value(batch.scores[:, one], targets) - loss.saturated(targets)
        return np.sqrt(np.maximum(2 * excess, 0.0)) * np.sign(off)

    def _pearson(self, predictor: Predictor, batch: PredictedRows, off: Array, at: int) -> Array:
        """Pearson residuals: (n,)."""
        if not self.graded:
            return off
        delta = predictor.loss.delta(batch.scores, batch.targets)[:, at]
        pearson: Array = delta / np.sqrt(predictor.loss.hessian(batch.scores)[:, at])
        return pearson

    def _far(
        self, predictor: Predictor, inputs: Array, z: Array
    ) -> tuple[str, float, float] | None:
        """The numeric input farthest from its mean, in standard deviations."""
        numbers = [at for at, (_, level) in enumerate(predictor.contract.inputs) if level is None]
        spread = np.array(predictor.record.spreads)
        away = np.abs(inputs - np.array(predictor.record.means)) / np.where(
            spread > 0, spread, np.inf
        )
        if not numbers:
            return None
        at = max(numbers, key=lambda number: away[number])
        return predictor.contract.inputs[at][0], float(inputs[at]), float(away[at])


def _curved(predictor: Predictor, source: Source, centre: Array, unit: Array) -> Array:
    """The inverse of the expected Hessian, from a pass over the rows."""
    model = BlockLinear(intercept=bool(predictor.record.intercept))
    hessian: Array | None = None
    for rows in _scored(predictor, source):
        slope = predictor.loss.hessian(rows.scores) * rows.each[:, None]
        block = model.hessian((rows.inputs - centre) / unit, slope)
        hessian = block if hessian is None else hessian + block
    if hessian is None:
        raise nothing_in(source, {})
    return inverses(hessian, len(unit) + model.intercept)


def _picked(measures: Sequence[Array], rows: int) -> NDArray[np.intp]:
    """The indices of the rows that are largest by any of the measures."""
    picked = [
        np.argpartition(np.nan_to_num(-one, nan=0.0), min(rows, len(one)) - 1)[:rows]
        for one in measures
    ]
    return np.unique(np.concatenate(picked))


def _worst(found: Sequence[InfluentialRow], rows: int) -> list[InfluentialRow]:
    """The top rows so far by any measure, the most influential first."""
    kept: dict[tuple[int, str], InfluentialRow] = {}
    for measure in (
        lambda s: s.cook or 0.0,
        lambda s: abs(s.residual or 0.0),
        lambda s: s.leverage,
    ):
        for one in sorted(found, key=measure, reverse=True)[:rows]:
            kept[one.row, one.output] = one
    return sorted(kept.values(), key=lambda one: (-(one.cook or 0.0), one.row))


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
