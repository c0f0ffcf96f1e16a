"""Comparisons of predictions with targets in SQL: a query a pass, and one for each category.

Shapes: p inputs, k outputs, q = p + intercept, t targets, u columns of the design's U.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from deltarule.engines.batch import ByFold
from deltarule.engines.held_out_questions import CompareTraining, HeldOutErrors, TrainingSums
from deltarule.engines.questions import (
    FAR,
    ROUNDING,
    SLIGHT,
    Compare,
    CompareByFold,
    FinalPass,
    Fit,
    FitSums,
    LogNormalizer,
    MoveAlong,
    Moved,
    ScoreProducts,
    ScoreSums,
)
from deltarule.engines.sql.design import Design
from deltarule.engines.sql.layers import Layers
from deltarule.engines.sql.scored import Scored
from deltarule.engines.sql.sums import in_parts
from deltarule.losses.glm import Poisson
from deltarule.losses.loss import Loss
from deltarule.losses.positive import Gamma
from deltarule.rule.compare import Comparison
from deltarule.rule.predict import Array, Weights

ALL = -1
"""The fold of sums over all folds."""


@dataclass
class FitColumns:
    """The columns whose sums are fit metrics, six of each output."""

    scored: Scored
    fit: FitSums
    null: dict[str, str] = field(init=False)
    """The scores of the null model, z0, ..., which they need beside those of the weights."""
    made: list[str] = field(init=False, default_factory=list)
    sums: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        scored, design = self.scored, self.scored.design
        beside = " + o" if design.offset is not None else ""
        self.null = {
            f"z{k}": f"{scored.parameters(self.fit.null[k])}{beside}" for k in scored.outputs
        }
        for k in scored.outputs:
            columns = self._columns(k)
            self.made += [f"{scored.weighed(text)} AS {name}{k}" for name, text in columns.items()]
            self.sums += [f"sum({name}{k})" for name in columns]

    def _columns(self, k: int) -> dict[str, str]:
        scored, formula = self.scored, self.scored.formula
        off = f"({scored.part(formula.prediction, f's{k}')} - t{k})"
        expected = scored.part(formula.expected, f"s{k}")
        delta = f"({scored.part(formula.delta, f's{k}')})"
        hessian = f"({scored.part(formula.hessian, f's{k}')})"
        # Where the dispersion is known, Pearson's chi2 is not asked for.
        none = scored.design.rows.table.dialect.literal(0.0)
        known = scored.loss.dispersion == "known"
        return {
            "sq": f"{off} * {off}",
            "va": scored.part(formula.value, f"s{k}"),
            "nu": scored.part(formula.value, f"z{k}"),
            "sa": formula.saturated.format(t=f"t{k}"),
            "pe": none if known else f"{delta} * {delta} / ({expected})",
            "be": none if known else f"{hessian} / ({expected})",
        }


@dataclass
class Passes:
    """Answers about the rows of a design; `folds` are those it has, where not all."""

    design: Design
    folds: Sequence[int] | None
    constants: dict[tuple[str, str], Any]
    """Sums over targets alone, by what they are of: they are the same in every pass."""

    def compare(self, asked: Compare) -> Comparison | None:
        """The comparison of all rows."""
        scored = Scored(self.design, asked.loss, self.folds)
        formula = scored.formula
        curved = formula.expected if asked.expected else formula.hessian
        found = self._compared(scored, asked.weights, curved if asked.hessian else None)
        return found[ALL][0] if found else None

    def scores(self, asked: ScoreProducts) -> ScoreSums | None:
        """The products of scores: a Hessian with delta ** 2 in place of the loss's curvature."""
        scored = Scored(self.design, asked.loss, self.folds)
        delta = scored.formula.delta
        found = self._compared(scored, asked.weights, f"({delta}) * ({delta})")
        if not found:
            return None
        comparison = found[ALL][0]
        assert comparison.hessian is not None, "it was asked for"
        return ScoreSums(comparison.rows, comparison.hessian)

    def final(self, asked: CompareByFold) -> FinalPass | None:
        """The comparisons by fold, and the fit of all rows."""
        scored = Scored(self.design, asked.loss, self.folds, by_fold=True)
        fit = FitColumns(scored, asked.fit)
        curved = scored.formula.hessian if asked.hessian else None
        found = self._compared(scored, asked.weights, curved, fit=fit)
        if not found:
            return None
        folds = ByFold({fold: comparison for fold, (comparison, _) in found.items()})
        rows = sum(one.rows for one in folds.values())
        sums = np.sum([own for _, own in found.values()], axis=0)
        return FinalPass(folds, self._metrics(asked.loss, rows, sums))

    def held_out(self, asked: HeldOutErrors) -> ByFold[Array]:
        """The squared errors of each fold by its own weights."""
        scored = Scored(self.design, asked.loss, self.folds, by_fold=True)
        scores = {}
        for k in scored.outputs:
            own = {fold: scored.score(one, k) for fold, one in asked.learnt.items()}
            scores[f"s{k}"] = scored.by_folds(own)
        rows = scored.stepped(scored.rows(scores), list(scores))
        off = [f"({scored.part(scored.formula.prediction, name)} - t{name[1:]})" for name in scores]
        rows = rows.then(
            ["f", *(f"{scored.weighed(f'{one} * {one}')} AS q{k}" for k, one in enumerate(off))]
        )
        sums = [f"sum(q{k})" for k in scored.outputs]
        found = ByFold[Array]()
        for row in self._ask(scored, rows, ["f", *sums], ["f"]):
            if int(row[0]) in asked.learnt:
                found[int(row[0])] = np.array(row[1:], dtype=float)
        return found

    def training(self, asked: CompareTraining) -> TrainingSums:
        """Comparisons of each fold's training rows at its own weights."""
        found = ByFold[Comparison]()
        for fold, training_folds in asked.training_folds.items():
            scored = Scored(self.design, asked.loss, list(training_folds))
            curved = scored.formula.hessian if asked.hessian else None
            one = self._compared(scored, asked.errors.learnt[fold], curved)
            if one:
                found[fold] = one[ALL][0]
        errors = self.held_out(asked.errors) if asked.hessian else ByFold[Array]()
        return TrainingSums(found, errors)

    def moved(self, asked: MoveAlong) -> Moved:
        """How rows fare along a direction."""
        scored = Scored(self.design, asked.loss, self.folds)
        n = self.design.rows.table.dialect.literal
        scores = {}
        for k in scored.outputs:
            scores[f"z{k}"] = scored.score(asked.direction, k, offset=False)
            scores[f"y{k}"] = scored.score(asked.weights, k)
        kept, names = scored.kept, [f"z{k}" for k in scored.outputs]
        rows = scored.rows(scores)
        far = [f"y{k} + {n(FAR)} * z{k} AS s{k}" for k in scored.outputs]
        rows = rows.then([*kept, *names, *far], fence=self.design.rows.table.fence)
        stepped = scored.stepped(rows, [f"s{k}" for k in scored.outputs], names)
        against = " + ".join(
            f"CASE WHEN z{k} = {n(0.0)} THEN {n(0.0)} ELSE "
            f"({scored.part(scored.formula.delta, f's{k}')}) * z{k} END"
            for k in scored.outputs
        )
        size = _largest([f"abs(z{k})" for k in scored.outputs])
        most = _largest([f"abs(t{k})" for k in scored.outputs])
        each = ["w"] if "w" in kept else []
        bound = f"{n(ROUNDING)} * ({n(1.0)} + {most})"
        rows = stepped.then([*each, f"{against} AS ag", f"{size} AS si", f"{bound} AS bo"])
        weight = "w" if each else n(1.0)
        [row] = self._ask(
            scored,
            rows,
            [
                "count(CASE WHEN ag > bo THEN 1 END)",
                "max(si)",
                f"sum(CASE WHEN si > {n(SLIGHT)} THEN {weight} ELSE {n(0.0)} END)",
                scored.count,
            ],
            [],
        )
        return Moved(not row[0], float(row[1] or 0.0), float(row[2] or 0.0), float(row[3] or 0.0))

    def fit(self, asked: Fit) -> Array:
        """Sums of fit metrics: (t, sums)."""
        scored = Scored(self.design, asked.loss, self.folds)
        fit = FitColumns(scored, asked.fit)
        scores = {f"s{k}": scored.score(asked.weights, k) for k in scored.outputs} | fit.null
        rows = scored.stepped(scored.rows(scores), list(scores))
        each = ["w"] if "w" in scored.kept else []
        rows = rows.then([*each, *fit.made])
        [row] = self._ask(scored, rows, [scored.count, *fit.sums], [])
        return self._metrics(asked.loss, float(row[0]), np.array(row[1:], dtype=float))

    def _metrics(self, loss: Loss, rows: float, sums: Array) -> Array:
        """Sums of fit metrics from those of their columns: (t, sums)."""
        found = []
        for k, (squared, value, null, least, pearson, bent) in enumerate(sums.reshape(-1, 6)):
            constant = self.normalizer(loss, k, 1.0)
            found.append([rows, squared, value, null, least, constant, pearson, bent])
        return np.array(found)

    def log_normalizer(self, asked: LogNormalizer) -> float:
        """The sum of the loss's normalising constants."""
        return self.normalizer(asked.loss, asked.column.start, asked.dispersion)

    def normalizer(self, loss: Loss, output: int, dispersion: float) -> float:
        """The same of one output: from the sum of logs, or from how often each value is there."""
        scored = Scored(self.design, loss, self.folds)
        target = self.design.targets[output]
        rows = scored.rows({})

        def asked(what: str, parts: Sequence[str], keys: Sequence[str]) -> Any:
            if (target, what) not in self.constants:
                self.constants[target, what] = self._ask(scored, rows, parts, keys)
            return self.constants[target, what]

        t = f"t{output}"
        if isinstance(loss, Poisson):
            table = np.array(asked("values", [t, scored.count], [t]), dtype=float)
            return float(table[:, 1] @ loss.log_normalizer(table[:, :1], dispersion))
        at = loss.log_normalizer(np.array([[1.0], [math.e]]), dispersion)
        if not isinstance(loss, Gamma) and not at[0] > 0:
            return float(at[0])  # 0, or NaN where it has no likelihood
        if not isinstance(loss, Gamma):
            [(rows_,)] = asked("rows", [scored.count], [])
            return float(rows_ * at[0])
        [(rows_, logs)] = asked("logs", [scored.count, f"sum({scored.weighed(f'ln({t})')})"], [])
        return float(rows_ * at[0] + logs * (at[1] - at[0]))

    # Comparisons

    def _compared(
        self,
        scored: Scored,
        weights: Weights,
        curved: str | None,
        *,
        fit: FitColumns | None = None,
    ) -> dict[int, tuple[Comparison, Array]]:
        """The comparison of each fold, or of all rows, and its sums of fit metrics.

        Its Hessian is that of a template of the curvature, if one is given.
        """
        formula, outputs, hessian = scored.formula, scored.outputs, curved is not None
        scores = {f"s{k}": scored.score(weights, k) for k in outputs}
        scores |= fit.null if fit else {}
        rows = scored.stepped(scored.rows(scores), list(scores))
        made = []
        for k in outputs:
            mean = scored.part(formula.prediction, f"s{k}")
            made.append(f"{scored.weighed(mean)} AS m{k}")
            made.append(f"{scored.weighed(f'{mean} - t{k}')} AS e{k}")
            made.append(f"{scored.weighed(scored.part(formula.value, f's{k}'))} AS v{k}")
            made.append(f"{scored.weighed(scored.part(formula.delta, f's{k}'))} AS d{k}")
            if curved is not None:
                made.append(f"{scored.weighed(scored.part(curved, f's{k}'))} AS h{k}")
        fence = self.design.rows.table.fence
        rows = rows.then([*scored.kept, *made, *(fit.made if fit else [])], fence=fence)
        plain = [f"sum({name}{k})" for name in "mev" for k in outputs]
        plain += fit.sums if fit else []
        inner = self._inner(outputs, hessian=hessian)
        found: dict[int, Array] = {}
        sums: dict[int, tuple[Array, Array]] = {}
        for row in self._ask(
            scored, rows, [*scored.keys, scored.count, *plain, *inner], scored.keys
        ):
            fold = int(row[0]) if scored.keys else ALL
            values = np.array(row[len(scored.keys) :], dtype=float)
            if not values[0] > 0:
                continue
            found[fold] = values[: 1 + len(plain)]
            sums[fold] = self._dense(values[1 + len(plain) :], len(outputs), hessian=hessian)
        self._add_levels(scored, rows, sums, hessian=hessian)
        end, intercept = 1 + 3 * len(outputs), "intercept" in weights
        return {
            fold: (
                self._comparison(own[:end], *sums[fold], intercept, hessian=hessian),
                own[end:],
            )
            for fold, own in found.items()
        }

    def _inner(self, outputs: range, *, hessian: bool) -> list[str]:
        """The sums of delta and of the Hessian with the numbers, as `_dense` takes them."""
        size = len(self.design.numbers)
        inner = [f"sum(d{k})" for k in outputs]
        inner += [f"sum(d{k} * x{i})" for k in outputs for i in range(size)]
        if hessian:
            inner += [f"sum(h{k})" for k in outputs]
            inner += [f"sum(h{k} * x{i})" for k in outputs for i in range(size)]
            inner += [
                f"sum(h{k} * x{i} * x{j})"
                for k in outputs
                for i in range(size)
                for j in range(i, size)
            ]
        return inner

    def _dense(self, values: Array, k: int, *, hessian: bool) -> tuple[Array, Array]:
        """The sums over U of delta, (k, u), and of the Hessian, (k, u, u), without levels."""
        u, m = len(self.design.map), len(self.design.numbers)
        g, h = np.zeros((k, u)), np.zeros((k, u, u) if hessian else (0, 0, 0))
        g[:, 0], values = values[:k], values[k:]
        g[:, 1 : 1 + m], values = values[: k * m].reshape(k, m), values[k * m :]
        if hessian:
            h[:, 0, 0], values = values[:k], values[k:]
            h[:, 0, 1 : 1 + m] = h[:, 1 : 1 + m, 0] = values[: k * m].reshape(k, m)
            pairs = values[k * m :].reshape(k, -1)
            i, j = np.triu_indices(m)
            h[:, 1 + i, 1 + j] = h[:, 1 + j, 1 + i] = pairs
        return g, h

    def _add_levels(
        self,
        scored: Scored,
        rows: Layers,
        sums: Mapping[int, tuple[Array, Array]],
        *,
        hessian: bool,
    ) -> None:
        """Add the sums by level, and by pairs of levels."""
        k, m, starts = len(scored.outputs), len(self.design.numbers), self.design.starts()
        inner = [f"sum(d{o})" for o in scored.outputs]
        if hessian:
            inner += [f"sum(h{o})" for o in scored.outputs]
            inner += [f"sum(h{o} * x{i})" for o in scored.outputs for i in range(m)]
        for at, start in enumerate(starts):
            keys = [*scored.keys, f"g{at}"]
            for row in self._ask(scored, rows, [*keys, *inner], keys):
                fold = int(row[0]) if scored.keys else ALL
                if fold not in sums:
                    continue
                g, h = sums[fold]
                place = start + int(row[len(keys) - 1])
                values = np.array(row[len(keys) :], dtype=float)
                g[:, place] = values[:k]
                if hessian:
                    own, cross = values[k : 2 * k], values[2 * k :].reshape(k, m)
                    h[:, place, place] = h[:, 0, place] = h[:, place, 0] = own
                    h[:, 1 : 1 + m, place] = h[:, place, 1 : 1 + m] = cross
        if not hessian:
            return
        for one, other in combinations(range(len(starts)), 2):
            keys = [*scored.keys, f"g{one}", f"g{other}"]
            pairs = [f"sum(h{o})" for o in scored.outputs]
            for row in self._ask(scored, rows, [*keys, *pairs], keys):
                fold = int(row[0]) if scored.keys else ALL
                if fold in sums:
                    first, second = (int(code) for code in row[len(keys) - 2 : len(keys)])
                    a, b = starts[one] + first, starts[other] + second
                    h = sums[fold][1]
                    h[:, a, b] = h[:, b, a] = np.array(row[len(keys) :], dtype=float)

    def _comparison(
        self, plain: Array, g: Array, h: Array, intercept: bool, *, hessian: bool
    ) -> Comparison:
        k, a = len(g), self.design.map
        mean, off, value = plain[1:].reshape(3, k)
        weight_delta: dict[str, Array] = {"weight": a.T @ g.T}
        if intercept:
            weight_delta |= {"intercept": g[:, 0].copy()}
        curved = None
        if hessian:
            full = np.column_stack([a, np.eye(len(a))[:, :1]]) if intercept else a
            curved = np.stack([full.T @ one @ full for one in h])
        return Comparison(
            rows=float(plain[0]),
            prediction=mean,
            delta=off,
            loss=float(value.sum()),
            weight_delta=weight_delta,
            hessian=curved,
        )

    def _ask(
        self, scored: Scored, rows: Layers, parts: Sequence[str], keys: Sequence[str]
    ) -> list[list[Any]]:
        reader = self.design.rows.table.reader
        return in_parts(reader, rows, parts, keys, scored.parameters.values)


def _largest(texts: Sequence[str]) -> str:
    found = texts[0]
    for text in texts[1:]:
        found = f"CASE WHEN {found} > {text} THEN {found} ELSE {text} END"
    return found
