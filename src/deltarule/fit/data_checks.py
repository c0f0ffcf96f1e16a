"""Data checks while learning: likely leaks, collinear columns, outliers, overdispersion.

    leak          one column alone explains nearly all of a target, or separates its classes
    collinear     a column with a high variance inflation factor: its weight is imprecise
    one row       one row makes most of a number's variance: often a data-entry error
    few digits    a number so far from 0 that rounding leaves few different values
    counts        overdispersed for their loss, so that standard errors are too small

`deltarule diagnose` checks row by row. Shapes: n rows, p inputs, c classes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.losses.registry import loss_named
from deltarule.metrics.classification import both
from deltarule.model.record import FitRecord
from deltarule.model.summary import first_of
from deltarule.moments.inference import variance_inflation
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.rule.predict import Array
from deltarule.solvers.least_squares import Normal, solve
from deltarule.tables.one_read import Read
from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import Number, Target
from deltarule.views.format import number, percent

# A single input with an R squared above this is a likely leak.
LEAK = 0.8
LEAK_ROWS = 20
# Or one whose error rate in telling classes is below this share of the majority class's.
MISTAKES_LEFT = 0.03
# A number is cut into so many bins, of at least so many rows each, to predict classes.
BINS, BIN_ROWS = 50, 20
# Variance inflation factor above which a column is reported: ten times the standard error.
INFLATED, TOLD_SHOWN, MOST_INPUTS = 100.0, 2, 500
# One row with more than this share of a number's variance is reported.
ONE_ROW = 0.5
# Neighbouring floats are more than this share of a number's range apart: few digits are left.
COARSE = 1e-3
# Overdispersion: deviance so many times its degrees of freedom.
OVERDISPERSED = 2.0


def data_checks(
    read: Read, whole: Moments, fit: Sequence[FitRecord], losses: Sequence[str], errors: str
) -> list[str]:
    """All notes; `fit` and `losses` are those of the targets, `errors` the kind.

    `whole` are the moments of all rows: of the inputs, then of the targets' outputs.
    """
    if read.examples < LEAK_ROWS:
        return []
    explained = _explained(read, whole, losses)
    named = {one.column for one in explained}
    apart = [one for one in _told_apart(read) if one.column not in named]
    found = _beware(read.schema, explained, "explains {share} of {target}", "explain most of")
    found += _beware(read.schema, apart, "tells {target} in {share} of rows", "tell")
    found += [*_told(read, whole), *_one_row(read, whole), *_few_digits(read.schema)]
    freedom = whole.rows - len(read.schema.inputs) - 1
    for target, one, loss in zip(read.schema.targets, fit, losses, strict=True):
        dispersion = 0.0 if one.deviance is None or freedom <= 0 else one.deviance / freedom
        if (
            loss_named(loss).kind == "count"
            and errors == "classical"
            and dispersion > OVERDISPERSED
        ):
            found.append(
                f"{target.name} varies {dispersion:.2g} times as much as poisson loss expects "
                "(overdispersion), so the standard errors are too small: --errors robust gives "
                "ones that hold"
            )
    return found


@dataclass(frozen=True)
class _Alone:
    """A column that alone explains nearly all of a target's output, and the share."""

    column: str
    target: str
    share: float
    words: str


def _beware(schema: Schema, found: Sequence[_Alone], one: str, many: str) -> list[str]:
    """A line on the likely leaks; of columns made of the same one only the best."""
    best: dict[tuple[Any, str], _Alone] = {}
    made_of = {column.name: frozenset(column.term.columns) for column in schema.columns}
    for each in sorted(found, key=lambda each: -each.share):
        # Powers of a number, and parts of a date, carry the same information.
        best.setdefault((made_of[each.column], each.target), each)
    leaks = list(best.values())
    if not leaks:
        return []
    if len(leaks) == 1:
        says = f"{leaks[0].column} alone {one.format(share=leaks[0].words, target=leaks[0].target)}"
        return [f"{says}: if it is part of it, or known only afterwards, learn without it"]
    targets = list(dict.fromkeys(each.target for each in leaks))
    of = [f" of {each.target}" if len(targets) > 1 else "" for each in leaks]
    names = first_of([f"{e.column} ({e.words}{o})" for e, o in zip(leaks, of, strict=True)])
    what = targets[0] if len(targets) == 1 else "these"
    return [
        f"{names} each alone {many} {what}: if one is part of it, or known only afterwards, learn "
        "without it"
    ]


def _explained(read: Read, whole: Moments, losses: Sequence[str]) -> list[_Alone]:
    """Columns with an R squared near 1 on their own, beyond what chance gives for so many."""
    schema, n = read.schema, read.examples
    p, found = len(schema.inputs), []
    for loss, (target, outputs) in zip(losses, schema.target_spans().items(), strict=True):
        at = np.arange(p + outputs.start, p + outputs.stop)
        each = _errors_alone(schema, whole, at)
        variation = whole.cross[at, at]
        if loss_named(loss).kind == "yes_no" and schema.row_weight is not None:
            # Trials vary within their shares, too: as Bernoulli outcomes.
            mean = whole.mean[at] * whole.scale[at]
            bernoulli = mean * (1 - mean) * whole.rows / whole.scale[at] ** 2
            each = [error + bernoulli - variation for error in each]
            variation = bernoulli
        for output in range(len(at)):
            for (column, span), error in zip(schema.spans().items(), each, strict=True):
                left = n - 1 - (span.stop - span.start)
                if not variation[output] > 0 or left < 1:
                    continue
                r2 = float(1 - error[output] / variation[output] * (n - 1) / left)
                if r2 > LEAK:
                    found.append(_Alone(column, target, r2, f"{r2:.0%}"))
    return found


def _errors_alone(schema: Schema, whole: Moments, outputs: NDArray[np.intp]) -> list[Array]:
    """The squared error of some outputs by each column alone: (k,) a column.

    Maths:   of one input, targets - with_targets ** 2 / gram: for 254 inputs and 10 classes in
             2 ms, in 500 by a solution each
    """
    gram = whole.cross.diagonal()[: len(schema.inputs)]
    with_targets = whole.cross[np.arange(len(gram))[:, None], outputs]
    shares = np.divide(1.0, gram, out=np.zeros_like(gram), where=gram > 0)
    alone = np.maximum(whole.cross[outputs, outputs] - with_targets**2 * shares[:, None], 0.0)
    found = []
    for span in schema.spans().values():
        if span.stop - span.start == 1:
            found.append(alone[span.start])
            continue
        problem = LeastSquares.of(whole, range(span.start, span.stop), outputs.tolist())
        found.append(problem.squared_error(solve(problem).weights))
    return found


def _told_apart(read: Read) -> Iterator[_Alone]:
    """Columns that alone separate the classes of a target, or its yes from its no."""
    schema = read.schema
    spans = schema.target_spans()
    apart = [target for target in schema.targets if _is_apart(target)]
    if not apart or len(schema.inputs) > MOST_INPUTS:
        return
    parts = list(read.some_rows())
    if not parts:  # sums alone
        return
    inputs = np.concatenate([part.inputs for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    if len(inputs) < LEAK_ROWS or not np.isin(targets, (0.0, 1.0)).all():
        return
    for target in apart:
        member = both(targets[:, spans[target.name]])
        of_class = np.argmax(member, axis=1)
        wrong = len(member) - float(member.sum(axis=0).max())
        for column, span in schema.spans().items():
            right = _guessed(_group_of(inputs[:, span]), member.shape[1], of_class)
            if wrong > 0 and len(member) - right < MISTAKES_LEFT * wrong:
                share = right / len(member)
                yield _Alone(column, target.name, share, percent(share))


def _is_apart(target: Target) -> bool:
    """Whether a target is categorical: it has classes, or is 0 and 1."""
    return bool(target.classes) or (target.low, target.high) == (0.0, 1.0)


def _group_of(inputs: Array) -> NDArray[np.intp]:
    """Each row's bin of a number, or level of a category: (n, inputs) -> (n,)."""
    if inputs.shape[1] > 1 and np.isin(inputs, (0.0, 1.0)).all():
        return np.where(inputs.any(axis=1), np.argmax(inputs, axis=1) + 1, 0)
    values = inputs[:, 0]
    bins = min(BINS, max(1, len(values) // BIN_ROWS))
    # Bins end at the quantiles next above. In the values' order each is one piece, so that no value
    # is searched for among them.
    places = np.ceil((len(values) - 1) * (np.arange(1, bins) / bins)).astype(int)
    order = np.argsort(values)
    ordered = values[order]
    ends = np.searchsorted(ordered, np.unique(ordered[places]), side="right")
    group = np.empty(len(values), dtype=np.intp)
    group[order] = np.repeat(np.arange(len(ends) + 1), np.diff(ends, prepend=0, append=len(values)))
    return group


def _guessed(group: NDArray[np.intp], classes: int, of_class: NDArray[np.intp]) -> float:
    """How many rows are right when each group predicts its most frequent class."""
    groups = int(group.max()) + 1
    both_of = group * classes + of_class
    counts = np.bincount(both_of, minlength=groups * classes).reshape(groups, classes)
    # Small groups are right by chance: they do not count.
    return float(counts.max(axis=1)[counts.sum(axis=1) >= BIN_ROWS / 2].sum())


def _told(read: Read, whole: Moments) -> list[str]:
    """Nearly collinear columns, apart from those made of the same columns of the table."""
    p = len(read.schema.inputs)
    if p > MOST_INPUTS:
        return []
    problem = LeastSquares.of(whole, range(p), [], intercept=read.plan.request.intercept)
    made_of = {one.name: set(one.term.columns) for one in read.schema.columns}
    found = []
    correlation, spans = Normal.of(problem).correlation, read.schema.spans()
    for one in variance_inflation(correlation, spans, above=INFLATED):
        kin = any(made_of[one.column] & made_of[other] for other in one.by)
        # Beyond that it is exactly collinear, which is noted elsewhere.
        if one.inflation < 1e10 and not kin:
            found.append(str(one))
    return ["; ".join(found[:TOLD_SHOWN])] if found else []


def _one_row(read: Read, whole: Moments) -> list[str]:
    """A line on numbers of whose variance one row makes most."""
    schema = read.schema
    if schema.row_weight is not None or read.plan.shares is not None:
        return []  # the moments do not have the weight of the far row
    spans, found = schema.spans(), []
    for column in schema.columns:
        # A computed input, or an indicator, may well be 0 in nearly every row.
        if not isinstance(column, Number) or column.expression is not None:
            continue
        if (column.low, column.high) == (0.0, 1.0):
            continue
        at = spans[column.name].start
        variation = float(whole.cross[at, at] * whole.scale[at] ** 2)
        mean = float(whole.mean[at] * whole.scale[at])
        far = max(column.low, column.high, key=lambda end: abs(end - mean))
        if variation > 0 and np.isfinite(variation) and (far - mean) ** 2 > ONE_ROW * variation:
            share = (far - mean) ** 2 / variation
            found.append((share, column.name, number(far)))
    if not found:
        return []
    found.sort(key=lambda one: -one[0])
    if len(found) == 1:
        share, name, far_ = found[0]
        return [
            f"one row's {name} is {far_} and makes {share:.0%} of all its variation: fix it if it "
            "is wrong"
        ]
    names = first_of([f"{name} ({value}, {share:.0%})" for share, name, value in found])
    return [f"one row makes most of the variation of each of {names}: fix them if they are wrong"]


def _few_digits(schema: Schema) -> list[str]:
    """A line on numbers of which float64 keeps few digits, as they are so far from 0."""
    found = []
    for one in schema.columns:
        if not isinstance(one, Number) or one.expression is not None:
            continue
        apart = float(np.spacing(max(abs(one.low), abs(one.high))))
        if 0 < one.high - one.low < apart / COARSE:
            found.append(
                f"{one.name} lies so far from 0 ({one.low:.15g} to {one.high:.15g}) that numbers "
                f"there are {apart:g} apart: what lay between them is lost, so subtract what all "
                "have in common before it is read as a number"
            )
    return found[:1]
