"""Compare two models on the same rows: a paired test of the difference in loss.

    difference     = mean over rows of (loss of B - loss of A)
    standard error = standard deviation of the rows' differences / sqrt(rows)

Where rows belong together (--cluster, or the group or id that a model was held out by), it is the
cluster-robust one, of the sums of differences of each group (CR1), with a degree less than groups.

The measures of loss are those that both models share: for amounts delta ** 2 and abs(delta), and
the loss if it is the same one; for yes/no and classes the log loss and the 0-1 loss.

Shapes: n rows; k outputs of a target, one or one for each class.
Source:  Diebold & Mariano 1995 for the paired difference
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from deltarule.errors import ExpressionError, LearningError
from deltarule.losses.loss import Loss
from deltarule.losses.robust import Quantile
from deltarule.metrics.classification import both
from deltarule.metrics.regression import Metrics, MetricSums
from deltarule.model.evaluate import nothing_in, refusing_overflow, sums_of
from deltarule.model.learnt_rows import Learnt, learnt_rows
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import Record
from deltarule.model.summary import counting, figures_told
from deltarule.moments.cluster_sums import ClusterSums
from deltarule.moments.inference import certainty
from deltarule.moments.moments import Moments
from deltarule.rule.predict import Array
from deltarule.tables.column_names import check_there
from deltarule.tables.fold_columns import cluster_column
from deltarule.tables.left_out import left_out_told
from deltarule.tables.schema_source import batches, read_as_learnt
from deltarule.tables.source import Source
from deltarule.tables.terms import Term, parsed
from deltarule.views import html
from deltarule.views.format import number

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean difference in loss, B minus A; below 0 where B is better.

    `standard_error` and what follows from it are None where there are too few rows.
    """

    measure: str
    one: float
    other: float
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p: float | None

    @property
    def better(self) -> int:
        """The better model: 0 for A, 1 for B, -1 for a tie."""
        return -1 if self.difference == 0 else int(self.difference < 0)

    @property
    def sure(self) -> bool:
        """Whether the confidence interval of the difference excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class TargetComparison:
    """The comparison of two models on one target."""

    output: str
    one: Metrics
    other: Metrics
    differences: tuple[Difference, ...]
    learnt: str = ""
    """The models that learnt from these rows, or perhaps did: A, B, A and B."""
    held_out: tuple[str, float, float] | None = None
    """An error of both on the same held-out rows, while learning: its name, that of A, of B."""
    unsure: str = ""
    """Why the intervals say too little, where they do."""

    @property
    def better(self) -> str | None:
        """The significantly better model, A or B; None without, or on rows that either knows."""
        first = self.differences[0]
        sure = first.sure and not self.unsure and not self._knows(first)
        return "AB"[first.better] if sure else None

    def _knows(self, first: Difference) -> bool:
        """Whether the model that is ahead may be so because it learnt from these rows."""
        return first.better >= 0 and "AB"[first.better] in self.learnt.split(" and ")

    def lines(self) -> list[str]:
        """The comparison in words."""
        first = self.differences[0]
        lines = [f"  A: {', '.join(figures_told(self.one)[:1])}"]
        lines.append(f"  B: {', '.join(figures_told(self.other)[:1])}")
        if self.held_out is not None:
            lines.append(_held_out_told(*self.held_out))
        return [f"{self.output}: {self._verdict(first)}", *lines, *map(_told, self.differences)]

    def _verdict(self, first: Difference) -> str:
        if first.better < 0:
            return "A and B are equally good"
        better, worse = (first.one, first.other) if first.better == 0 else (first.other, first.one)
        name = "AB"[first.better]
        by = f": its {first.measure} is {_less(better, worse)}"
        if self._knows(first):
            return f"no verdict, as {self.learnt} may know these rows; {name} is ahead on them{by}"
        if self.unsure:
            return f"no verdict, as {self.unsure}; {name} is ahead{by}"
        if first.standard_error is None:
            return f"too few rows to say which is better; {name} is ahead{by}"
        if first.sure:
            return f"{name} is better{by}, and that is sure"
        return f"not sure which is better; {name} is ahead{by}, which may well be chance"


@dataclass(frozen=True)
class ModelComparison:
    """The comparison of models A and B on the same rows."""

    rows: float
    examples: int
    rows_left_out_by_cause: Mapping[str, int]
    targets: tuple[TargetComparison, ...]
    notes: tuple[str, ...]
    cluster_by: str | None = None
    """What says which rows belong together; None where they are taken to be independent."""
    clusters: int | None = None

    @property
    def rows_left_out(self) -> int:
        """How many rows were left out, for any cause."""
        return sum(self.rows_left_out_by_cause.values())

    def __str__(self) -> str:
        head = f"A and B compared on the same {counting(self.rows, self.examples)}"
        left = left_out_told(self.rows_left_out_by_cause)
        lines = [line for target in self.targets for line in target.lines()]
        return "\n".join([", ".join(part for part in (head, left) if part), *lines, *self.notes])

    def _repr_html_(self) -> str:
        return html.cell(html.sentences(str(self).splitlines()))

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "rows": self.rows,
            "examples": self.examples,
            "rows_left_out": self.rows_left_out,
            "rows_left_out_by_cause": dict(self.rows_left_out_by_cause),
            "targets": [
                {
                    "output": one.output,
                    "better": one.better,
                    "learnt_from_these_rows": one.learnt or None,
                    "a": one.one.model_dump(mode="json"),
                    "b": one.other.model_dump(mode="json"),
                    "differences": [asdict(each) for each in one.differences],
                }
                for one in self.targets
            ],
            "cluster_by": self.cluster_by,
            "clusters": self.clusters,
            "notes": list(self.notes),
        }


def compare_models(
    one: Predictor, other: Predictor, source: Source, *, cluster: str | None = None
) -> ModelComparison:
    """Compare two models on the rows of a table that have both models' targets.

    `cluster` says which rows belong together; by default the models' own group or id does.
    Errors:  LearningError for models of other targets; EmptyError when no row has all targets
    """
    pairs = [_Pair.of(one, other, target) for target in _shared(one, other)]
    kinds = dict(one.contract.expects)
    for name, kind in other.contract.expects.items():
        # Where one expects a number and the other text, both can read text.
        kinds[name] = kind if kinds.get(name, kind) == kind else pl.String
    source = read_as_learnt(source, one.contract, other.contract)
    weight = one.contract.row_weight
    wanted = [] if weight is None else [weight]
    by, unsure = _together((one.record, other.record), source, cluster)
    if by is not None:
        wanted += by.columns
        for pair in pairs:
            pair.clusters = ClusterSums(by.name)
    row, examples, rows, causes = 0, 0, 0.0, Counter[str]()
    for batch in batches(source, [*one.compares, *other.compares], kinds, wanted=wanted):
        mine = one.scored(batch, name=source.name, row=row)
        theirs = other.scored(batch, name=source.name, row=row)
        first, second = mine.shared_with(theirs), theirs.shared_with(mine)
        with refusing_overflow(source):
            groups = None if by is None else _groups(by, batch)[first.number - row]
            for pair in pairs:
                pair.add(first, second, groups)
        causes += first.causes
        examples += len(first.each)
        rows += float(first.each.sum())
        row += batch.height
    if not rows > 0:
        raise nothing_in(source, causes)
    learnt: list[Learnt] = [
        learnt_rows(model.record, [pair.sums[side] for pair in pairs], examples, source)
        for side, model in enumerate((one, other))
    ]
    both = learnt == ["these", "these"]
    with refusing_overflow(source):
        versus = tuple(
            replace(
                pair.versus(),
                learnt=_who(learnt),
                unsure=unsure,
                held_out=_held_out(one.record, other.record, pair) if both else None,
            )
            for pair in pairs
        )
    notes = [*source.notes, *_not_new(learnt, source)]
    sums = pairs[0].clusters
    if sums is None:
        return ModelComparison(rows, examples, dict(causes), versus, tuple(notes))
    notes.append(
        f"intervals are of {sums.count:,} different {sums.column}, whose rows belong together"
    )
    clustered = sums.column, sums.count
    return ModelComparison(rows, examples, dict(causes), versus, tuple(notes), *clustered)


def _together(
    records: Sequence[Record], source: Source, cluster: str | None
) -> tuple[Term | None, str]:
    """What says which rows of a table belong together, and why intervals say too little without.

    Errors:  ColumnError for a `cluster` that the table does not have
    """
    columns = source.look().columns
    if cluster is not None:
        term = _term(cluster)
        check_there(columns, term.columns, name=source.name)
        return term, ""
    groups = [name for record in records for one in record.learnt if (name := one.cluster_by)]
    ids: list[str] = []
    for by in (record.held_out_by for record in records):
        if by is not None and by.column is not None and by.by in ("group", "id"):
            (groups if by.by == "group" else ids).append(by.column)
    for name in [*groups, *ids]:
        term = _term(name)
        if set(term.columns) <= set(columns):
            return term, ""
    if not groups:
        return None, ""
    return None, f"the table has no {groups[0]}, whose rows belong together"


def _term(name: str) -> Term:
    """A column, or an expression."""
    try:
        expression = parsed(name)
    except ExpressionError:
        return Term(name)
    return Term(name) if list(expression.columns) == [name] else Term(name, name)


def _groups(by: Term, batch: pl.DataFrame) -> pl.Series:
    """Each row's group, null where it has none: (n,)."""
    values = by.polars(batch.schema)
    kind = batch.select(values).to_series().dtype
    groups = batch.select(cluster_column(values, kind)).to_series()
    return groups.fill_nan(None) if groups.dtype.is_float() else groups


def _shared(one: Predictor, other: Predictor) -> list[str]:
    """The targets that both models predict. Errors: LearningError where they differ."""
    mine = [target.name for target in one.contract.targets]
    theirs = [target.name for target in other.contract.targets]
    if sorted(mine) != sorted(theirs):
        raise LearningError(
            f"A predicts {', '.join(mine)} and B {', '.join(theirs)}: only models of the same "
            "targets can be compared"
        )
    return mine


def _who(learnt: Sequence[Learnt]) -> str:
    """The models that learnt from the rows, or perhaps did."""
    return " and ".join(name for name, one in zip("AB", learnt, strict=True) if one != "new")


def _not_new(learnt: Sequence[Learnt], source: Source) -> list[str]:
    who = _who(learnt)
    if not who:
        return []
    it = "them" if "and" in who else "it"
    if "these" in learnt:
        perhaps = "perhaps " * ("perhaps" in learnt)
        return [f"{who} {perhaps}learnt from these rows: only rows that are new to {it} can tell"]
    return [
        f"{who} learnt from {source.name}: if these are the same rows, they are not new to {it}; "
        "only new rows can tell which is better"
    ]


def _held_out(one: Record, other: Record, pair: "_Pair") -> tuple[str, float, float] | None:
    """An error of both on the same held-out rows; None where others were held out, or none."""
    ways = [
        None if each.held_out_by is None else each.held_out_by.model_copy(update={"cuts": ()})
        for each in (one, other)
    ]
    if one.held_out is None or other.held_out is None or ways[0] != ways[1]:
        return None
    names = [[target.name for target in each.contract.targets] for each in (one, other)]
    first = one.held_out[names[0].index(pair.output)]
    second = other.held_out[names[1].index(pair.output)]
    measure = next(iter(pair.measures))
    if measure == "mean squared error":
        return "typical error (RMSE)", first.rmse, second.rmse
    if first.loss is None or second.loss is None:
        return None
    return measure, first.loss, second.loss


Wrongness = Callable[[Array, Array, Array], Array]
"""A loss per row: scores, predictions, targets (n, k) -> (n,)."""


@dataclass
class _Pair:
    """Accumulates the paired differences of one target of both models."""

    output: str
    spans: tuple[slice, slice]
    sums: tuple[MetricSums, MetricSums]
    measures: dict[str, tuple[Wrongness, Wrongness]]
    moments: Moments | None = None
    clusters: ClusterSums | None = None

    @classmethod
    def of(cls, one: Predictor, other: Predictor, output: str) -> "_Pair":
        sides = []
        for scorer in (one, other):
            at = [target.name for target in scorer.contract.targets].index(output)
            span = scorer.contract.target_spans()[output]
            sides.append((span, sums_of(scorer.record)[at]))
        (span, sums), (their_span, their_sums) = sides
        names = list(sums.classes)
        if sorted(names) != sorted(their_sums.classes):
            raise LearningError(
                f"'{output}' has other classes or none in one of the models: they cannot be "
                "compared by what they share"
            )
        measures = _measures(sums.loss, their_sums.loss, bool(names))
        return cls(output, (span, their_span), (sums, their_sums), measures)

    def add(self, first: PredictedRows, second: PredictedRows, groups: pl.Series | None) -> None:
        each, asked = first.each, []
        for rows, span, sums in zip((first, second), self.spans, self.sums, strict=True):
            scores, targets = rows.scores[:, span], rows.targets[:, span]
            asked.append((scores, sums.add(scores, targets, each, rows.offsets), targets))
        columns = []
        for ours, theirs in self.measures.values():
            a, b = ours(*asked[0]), theirs(*asked[1])
            columns += [a, b, b - a]
        if self.clusters is not None and groups is not None:
            apart = [each * one for one in columns[2::3]]
            self.clusters.add(groups, np.column_stack([*apart, each]))
        part = Moments.of(np.column_stack(columns), each)
        self.moments = part if self.moments is None else self.moments + part

    def versus(self) -> TargetComparison:
        one, other = (sums.figures(self.output) for sums in self.sums)
        assert self.moments is not None, "there were rows"
        found = self.moments
        mean, n = found.mean * found.scale, found.rows
        spread = np.sqrt(np.maximum(found.cross.diagonal(), 0.0)) * found.scale
        differences = []
        for at, name in enumerate(self.measures):
            a, b, apart = mean[3 * at : 3 * at + 3].tolist()
            error, freedom = spread[3 * at + 2] / np.sqrt((n - 1) * n) if n > 1 else np.nan, n - 1
            if self.clusters is not None:
                error, freedom = _clustered(self.clusters, at, apart, n)
            sure = certainty(np.array(apart), np.array(error), freedom=freedom, level=LEVEL)
            numbers = (sure.standard_error, sure.low, sure.high, sure.p)
            differences.append(Difference(name, a, b, apart, *map(_known, numbers)))
        return TargetComparison(self.output, one, other, tuple(differences))


def _clustered(clusters: ClusterSums, at: int, mean: float, rows: float) -> tuple[float, float]:
    """The cluster-robust standard error (CR1) of a mean difference, and its degrees of freedom."""
    count = clusters.count
    if clusters.sums is None or count < 2:
        return np.nan, 1.0
    sums = clusters.sums[:count]
    off = sums[:, at] - mean * sums[:, -1]
    return float(np.sqrt(count / (count - 1) * (off @ off)) / rows), count - 1.0


def _known(value: Array) -> float | None:
    return float(value) if np.isfinite(value) else None


def _measures(one: Loss, other: Loss, classes: bool) -> dict[str, tuple[Wrongness, Wrongness]]:
    """The measures of loss to compare by, the main one first."""

    def value(loss: Loss) -> Wrongness:
        return lambda scores, predictions, targets: loss.value(scores, targets)

    if classes:
        return {"log loss": (value(one), value(other)), "share of wrong rows": (_misses, _misses)}
    shared: dict[str, tuple[Wrongness, Wrongness]] = {}
    if one == other and not (one.closed_form or one == Quantile(0.5)):
        shared[f"{one.name} loss"] = (value(one), value(other))
    return {
        **shared,
        "mean squared error": (_squared, _squared),
        "mean absolute error": (_absolute, _absolute),
    }


def _squared(scores: Array, predictions: Array, targets: Array) -> Array:
    squared: Array = np.sum((predictions - targets) ** 2, axis=1)
    return squared


def _absolute(scores: Array, predictions: Array, targets: Array) -> Array:
    absolute: Array = np.sum(np.abs(predictions - targets), axis=1)
    return absolute


def _misses(scores: Array, predictions: Array, targets: Array) -> Array:
    """The 0-1 loss: the share of a row that is not of the class with the largest prediction."""
    made, wanted = both(predictions), both(targets)
    chosen = np.argmax(made, axis=1)
    missed: Array = 1 - wanted[np.arange(len(chosen)), chosen]
    return missed


def _less(better: float, worse: float) -> str:
    return f"{number(better)} against {number(worse)}" + (
        f", {1 - better / worse:.1%} less" if better >= 0 and worse > 0 else ""
    )


def _held_out_told(name: str, one: float, other: float) -> str:
    ahead = "A and B are equally good" if one == other else f"{'AB'[other < one]} is ahead"
    errors = f"{number(one)} of A, {number(other)} of B"
    return f"  on rows held out while learning, {ahead}: {name} {errors}"


def _told(difference: Difference) -> str:
    words = f"  {difference.measure}, B less A: {number(difference.difference)}"
    if difference.low is None or difference.high is None:
        return words
    return f"{words} (95% interval {number(difference.low)} to {number(difference.high)})"
