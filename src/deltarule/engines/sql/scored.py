"""Scored rows as SQL: scores of weights that are bound parameters, and a loss's parts by them.

Shapes: k outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deltarule.engines.sql.design import MOST_CASES, Design
from deltarule.engines.sql.layers import Layers
from deltarule.engines.sql.losses import Formula, formula_of
from deltarule.engines.sql.rows import LOCAL
from deltarule.errors import LearningError
from deltarule.losses.loss import Loss
from deltarule.rule.predict import Array, Weights

Part = Callable[[int], str]


@dataclass
class Parameters:
    """The values that $1, $2, ... of a query stand for."""

    double: str
    values: list[float] = field(default_factory=list)

    def __call__(self, value: float) -> str:
        """The place of one more value."""
        self.values.append(float(value))
        return f"CAST(${len(self.values)} AS {self.double})"


@dataclass
class Scored:
    """Rows with scores s0, s1, ... of some weights, to which a loss's parts are added.

    Weights may be other ones for each fold. Rows without a fold among them are left out.
    """

    design: Design
    loss: Loss
    folds: Sequence[int] | None = None
    """The folds whose rows these are; None for all."""
    by_fold: bool = False
    parameters: Parameters = field(init=False)
    formula: Formula = field(init=False)

    def __post_init__(self) -> None:
        d = self.design.rows.table.dialect
        self.parameters = Parameters(d.double)
        found = formula_of(self.loss, d)
        if found is None:
            raise LearningError(
                f"{self.loss.name} loss has no formula in SQL, so the engine database cannot learn "
                f"it: {LOCAL}"
            )
        self.formula = found

    @property
    def outputs(self) -> range:
        """The outputs."""
        return range(len(self.design.targets))

    @property
    def kept(self) -> list[str]:
        """The columns that all layers keep."""
        design, rows = self.design, self.design.rows
        found = [f"x{at}" for at in range(len(design.numbers))]
        found += [f"g{at}" for at in range(len(design.categories))]
        found += [f"t{k}" for k in self.outputs]
        found += ["w"] if rows.plan.request.row_weight else []
        return [*found, "f"] if rows.folds else found

    def rows(self, scores: Mapping[str, str], *, joins: Sequence[str] = ()) -> Layers:
        """The rows with these scores, by name, and the offset o if there is one."""
        design, learnt = self.design, self.design.rows.learnt
        n = design.rows.table.dialect.literal
        if self.folds is not None:
            listed = ", ".join(n(float(fold)) for fold in self.folds)
            names = [one for one in design.rows.names if one != "k"]
            learnt = learnt.then([*names, "f"], where=f"f IN ({listed})")
        kept = [one for one in self.kept if one in ("w", "f")]
        made = design.layer(learnt, kept)
        named = [f"{text} AS {name}" for name, text in scores.items()]
        fence = design.rows.table.fence
        return made.then([*self.kept, *named], join=" ".join(joins), fence=fence)

    def score(self, weights: Weights, output: int, *, offset: bool = True) -> str:
        """The expression of an output's score."""
        design = self.design
        own = weights["weight"][:, output] if weights["weight"].size else np.zeros(0)
        parts = []
        if "intercept" in weights:
            parts.append(self.parameters(weights["intercept"][output]))
        for at, (place, _) in enumerate(design.numbers):
            parts.append(f"{self.parameters(own[place])} * x{at}")
        for at in range(len(design.categories)):
            parts.append(self._level(at, design.level_weights(at, own)))
        if offset and design.offset is not None:
            parts.append("o")
        return " + ".join(parts) or design.rows.table.dialect.literal(0.0)

    def _level(self, at: int, values: Array) -> str:
        """What a category adds to a score: by halves, as there may be many codes."""
        if len(values) <= MOST_CASES:
            whens = "".join(
                f" WHEN {code} THEN {self.parameters(one)}" for code, one in enumerate(values)
            )
            return f"CASE g{at}{whens} END"

        def between(first: int, last: int) -> str:
            if last - first == 1:
                return self.parameters(values[first])
            middle = (first + last) // 2
            return (
                f"CASE WHEN g{at} < {middle} THEN {between(first, middle)} "
                f"ELSE {between(middle, last)} END"
            )

        return between(0, len(values))

    def by_folds(self, of: Mapping[int, str]) -> str:
        """An expression that is another one for each fold."""
        n = self.design.rows.table.dialect.literal
        return "CASE" + "".join(f" WHEN f = {n(float(f))} THEN {x}" for f, x in of.items()) + " END"

    def stepped(self, rows: Layers, names: Sequence[str], beside: Sequence[str] = ()) -> Layers:
        """The rows with the steps of the loss at scores of these names: a_s0, b_s0, ...

        What stands `beside` them is kept.
        """
        made = []
        for name in names:
            at = {"s": name, "t": f"t{name[1:]}"}
            made += [f"{text.format(**at)} AS {step}_{name}" for step, text in self._steps]
        fence = self.design.rows.table.fence
        return rows.then([*self.kept, *names, *beside, *made], fence=fence)

    @property
    def _steps(self) -> list[tuple[str, str]]:
        return list(self.formula.steps.items())

    def part(self, template: str, name: str) -> str:
        """A part of the loss at a score of this name."""
        steps = {step: f"{step}_{name}" for step, _ in self._steps}
        return template.format(s=name, t=f"t{name[1:]}", **steps)

    def weighed(self, text: str) -> str:
        """An expression times the row's weight."""
        return f"w * ({text})" if self.design.rows.plan.request.row_weight else text

    @property
    def count(self) -> str:
        """The sum of the rows' weights."""
        return "sum(w)" if self.design.rows.plan.request.row_weight else "count(*)"

    @property
    def keys(self) -> list[str]:
        """What sums are grouped by."""
        return ["f"] if self.by_fold else []
