"""Penalty paths: the weights at each strength of ridge or lasso, and their held-out errors.

Under squared loss from the moments of one read, exact at every strength, with the knots of a lasso:
the strengths at which an input enters the active set or leaves it.

Shapes: p inputs, s strengths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from deltarule.blas_threads import one_blas_thread
from deltarule.errors import LearningError
from deltarule.fit.keyword_settings import taking_settings
from deltarule.fit.penalized_least_squares import cv_at, lassos_of, weights_at
from deltarule.fit.penalties import Penalties
from deltarule.fit.prepare import search_of
from deltarule.fit.problem import FitProblem
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings, Strength
from deltarule.moments.problem import LinearProblem
from deltarule.rule.predict import Array, Weights
from deltarule.solvers.cv_result import Choice, CVResult
from deltarule.solvers.lasso_path import lasso_path
from deltarule.tables.one_read import Read
from deltarule.views import html, text

# Strengths of a path: 0, and so many, evenly spaced in their logarithm.
STRENGTHS = 24
# Weights shown in text; the frame has them all.
WEIGHTS_SHOWN = 6
RIDGES = np.concatenate([[0.0], np.logspace(-5, 2, STRENGTHS)])


@dataclass(frozen=True)
class PenaltyPath:
    """A penalty path. `chosen` is the row of the strength that cross-validation chooses.

    `frame` has a row for each strength, the strongest first: ridge, lasso, held_out (typical error
    of squared loss, else the mean loss) with its standard_error, how many weights are not 0, the
    intercept and every weight in own units. `knots` has those of a lasso under squared loss, where
    known: the strength, the inputs that turn, and the number of weights below it.
    """

    frame: pl.DataFrame
    knots: pl.DataFrame | None
    chosen: int
    walked: str

    @property
    def verdict(self) -> str:
        """The strength that cross-validation chooses, in words."""
        strength = self.frame[self.walked][self.chosen]
        what = f"{self.walked} {strength:.6g}" if strength else f"no {self.walked}"
        why = "better than none" if strength else "none is better"
        return f"held-out rows ask for {what}: {why} by a standard error"

    @property
    def shown(self) -> pl.DataFrame:
        """The frame cut to the screen: varying strengths, errors, and the first weights."""
        same = [name for name in ("ridge", "lasso") if self.frame[name].n_unique() == 1]
        kept = self.frame.drop(same)
        return kept.select(kept.columns[: 6 - len(same) + WEIGHTS_SHOWN])

    @property
    def more(self) -> int:
        """The number of weights in the frame beyond those shown."""
        return len([name for name in self.frame.columns[2:] if name not in self.shown.columns])

    def __str__(self) -> str:
        return f"{text.table(self.shown.columns, self.shown.rows())}\n\n{self.verdict}"

    def _repr_html_(self) -> str:
        listed = html.table(self.shown.columns, self.shown.rows())
        return html.cell(html.sentences([self.verdict]) + listed)


@taking_settings(Settings)
def path(table: Any, settings: Settings) -> PenaltyPath:
    """The weights at every strength of the ridge or lasso that is auto, and their held-out errors.

    With `lasso="auto"` the path is the lasso's, at the given ridge or none; else the ridge's.

    Errors:  as `learn`; LearningError where neither is auto, and for more than one output

    >>> rows = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y": [2.0, 4.1, 5.9, 8.0, 9.9, 12.2]}
    >>> found = path(rows, predict="y", lasso="auto")
    >>> found.frame["x"][0], found.frame.columns
    (0.0, ['ridge', 'lasso', 'held_out', 'standard_error', 'not_zero', 'intercept', 'x'])
    """
    walked = "lasso" if settings.rest("lasso") == "auto" else "ridge"
    if settings.rest(walked) != "auto":
        raise LearningError("there is no path to walk: let ridge or lasso be auto")
    given = {"ridge": _given(settings, "ridge"), "lasso": _given(settings, "lasso")}
    run = Run.of(table, replace(settings, ridge=given["ridge"], lasso=given["lasso"]))
    if len(run.read.schema.outputs) > 1:
        raise LearningError("a path is of one output: predict one column of numbers or yes/no")
    asked = Penalties.of(run.read.schema.inputs, settings)
    penalties = asked.watched if walked == "lasso" else asked
    with one_blas_thread(), np.errstate(all="ignore"):
        if run.problem is None:
            tried, weights, knots = _exact(run, penalties, walked)
        else:
            tried, weights, knots = _in_steps(run.problem, penalties, walked)
    return _told(run.read, tried, weights, knots, walked, squared=run.problem is None)


def _given(settings: Settings, name: str) -> Mapping[str | None, Strength]:
    """The given strengths, 0 for what is auto."""
    rest = settings.rest(name)
    given: dict[str | None, Strength] = dict(settings.strengths(name).items())
    return {**given, None: 0.0 if rest == "auto" else rest}


def _exact(run: Run, penalties: Penalties, walked: str) -> tuple[CVResult | None, list[Any], Any]:
    group, read = run.group, run.read
    p = len(read.schema.inputs)
    linear = LinearProblem(range(p), [p], read.plan.request.intercept, group.start, group.frozen)
    whole, given = read.whole, penalties.given
    knots = None
    if walked == "lasso":
        lassos = lassos_of(read.folds, linear, penalties, count=STRENGTHS)
        choices = [Choice(given.ridge, float(lasso)) for lasso in lassos]
        holds = penalties.holds(given.ridge).only(~linear.held)
        found = lasso_path(linear.free(whole), lassos, holds=holds).knots
        names = [name for name, held in zip(_names(read), linear.held, strict=True) if not held]
        knots = _knots(found[0].strengths, found[0].weight, names) if found else None
    else:
        choices = [Choice(float(ridge), given.lasso) for ridge in RIDGES]
    tried = cv_at(read, linear, penalties, choices) if read.splits.of(read.folds) else None
    weights = weights_at(linear, whole, penalties, choices)
    return tried, list(zip(choices, weights, strict=True)), knots


def _in_steps(
    problem: FitProblem, penalties: Penalties, walked: str
) -> tuple[CVResult | None, list[Any], Any]:
    if problem.rows is None or not problem.settings.second_order or problem.smoothing:
        raise LearningError(
            "a path is solved: leave out learner, alpha and batch, and losses with a kink"
        )
    search = search_of(problem, problem.rows)
    given = penalties.given
    if walked == "lasso":
        none, one = (problem.held_by(Choice(given.ridge, lasso)) for lasso in (0.0, 1.0))
        lassos = search.lassos(none, one)
        choices = [Choice(given.ridge, float(lasso)) for lasso in lassos]
    else:
        choices = [Choice(float(ridge), given.lasso) for ridge in RIDGES]
    held = [(choice, problem.held_by(choice)) for choice in choices]
    tried = search.cross_validate(held) if search.splits.of(search.moments) else None
    own = [problem.shown(problem.own(weights)) for weights in search.weights(held)]
    return tried, list(zip(choices, own, strict=True)), None


def _knots(strengths: Array, weight: Array, names: list[str]) -> pl.DataFrame:
    """The inputs that turn at each knot: a weight leaves 0 below it, or reached 0 there.

    Shapes:  strengths (m,), weight (m, p)
    """
    some = weight != 0
    rows = []
    for at in range(len(strengths) - 1):
        before = some[at - 1] if at else np.zeros(len(names), dtype=bool)
        turned = [f"{n} joins" for n in np.array(names)[some[at + 1] & ~some[at]]]
        turned += [f"{n} leaves" for n in np.array(names)[before & ~some[at]]]
        if turned:
            rows.append(
                (float(strengths[at]), ", ".join(turned), int((some[at] | some[at + 1]).sum()))
            )
    schema = {"lasso": pl.Float64, "turns": pl.String, "not_zero": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _names(read: Read) -> list[str]:
    return [
        column if level is None else f"{column}={level}" for column, level in read.schema.inputs
    ]


def _told(
    read: Read,
    tried: CVResult | None,
    weights: list[tuple[Choice, Weights]],
    knots: pl.DataFrame | None,
    walked: str,
    *,
    squared: bool,
) -> PenaltyPath:
    order = sorted(range(len(weights)), key=lambda at: -getattr(weights[at][0], walked))
    mean = error = np.full(len(weights), np.nan)
    chosen = 0
    if tried is not None:
        mean, error, chosen = tried.mean()[:, 0], tried.error()[:, 0], tried.chosen()
        if squared:
            # The typical error is the root of the mean: delta method for its standard error.
            error = error / np.where(mean > 0, 2 * np.sqrt(mean), 1.0)
            mean = np.sqrt(mean)
    columns: dict[str, Any] = {
        "ridge": [weights[at][0].ridge for at in order],
        "lasso": [weights[at][0].lasso for at in order],
        "held_out": pl.Series(mean[order], nan_to_null=True),
        "standard_error": pl.Series(error[order], nan_to_null=True),
        "not_zero": [int(np.count_nonzero(weights[at][1]["weight"])) for at in order],
    }
    if "intercept" in weights[0][1]:
        columns["intercept"] = [float(weights[at][1]["intercept"][0]) for at in order]
    for column, name in enumerate(_names(read)):
        key = name if name not in columns else f"weight of {name}"
        columns[key] = [float(weights[at][1]["weight"][column, 0]) for at in order]
    return PenaltyPath(pl.DataFrame(columns), knots, order.index(chosen), walked)
