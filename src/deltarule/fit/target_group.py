"""Target groups: targets that share a loss, and are learnt together.

A target's objective does not depend on the weights of another, so groups with different losses are
learnt one after the other, from the same read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError, TargetError
from deltarule.fit.default_learner import by_cost
from deltarule.fit.exact import ExactForm, solve_exactly
from deltarule.fit.least_squares import PlainLeastSquares
from deltarule.fit.outcome import Outcome
from deltarule.fit.penalties import Penalties, at_name
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.fit.target_checks import notes_on_yes_no
from deltarule.losses.glm import Logistic, Squared
from deltarule.losses.registry import loss_named
from deltarule.losses.softmax import Softmax
from deltarule.moments.moments import Moments
from deltarule.moments.problem import LinearProblem
from deltarule.moments.standardize import far_centres
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.solvers.newton import Newton
from deltarule.tables.one_read import Keep, Read
from deltarule.tables.plan import Plan

# A closed form needs nothing of what takes steps: 40 modules.
if TYPE_CHECKING:
    from deltarule.fit.fit_step import FitStep, StepsTaken
    from deltarule.fit.problem import FitProblem

# Up to so many rows, steps use the rows themselves: every number is the one worked out by hand.
# Beyond, the moments give the same to rounding, at a cost independent of the rows.
ROWS_BY_HAND = 1000
# Yes and no in fewer rows than this are learnt as amounts, unless a loss is named.
YES_NO_SHOWS = 10


@dataclass(frozen=True)
class TargetGroup:
    """The fit of a group of targets with their common loss.

    `auto` are those whose loss was chosen by their values. `centre` is the origin of the inputs,
    None for zero. `problem` is what steps are taken on, None where the weights are solved in closed
    form.
    """

    read: Read
    settings: Settings
    auto: Collection[str]
    start: Weights
    frozen: Mapping[str, Mask] | None
    centre: Array | None = None
    problem: "FitProblem | None" = None

    @classmethod
    def of(
        cls,
        found: Read,
        settings: Settings,
        *,
        auto: Collection[str] = (),
        watched: bool = False,
    ) -> "TargetGroup":
        """The group of all targets of a read."""
        start, frozen = _start(found, settings)
        centre = None if watched else _centre(found, settings, start, frozen)
        read = found if centre is None else found.about(centre)
        return cls(read, settings, auto, start, frozen, centre)._prepared()

    def _prepared(self) -> "TargetGroup":
        if self.settings.exact:
            return self
        from deltarule.fit.prepare import prepare

        problem = prepare(self.read, self.settings, self.start, self.frozen, by_hand=ROWS_BY_HAND)
        return replace(self, problem=problem)

    def starting_at(self, weights: Weights) -> "TargetGroup":
        """The group with these weights to start at, in the inputs' own units."""
        assert self.centre is None, "only steps that are watched begin elsewhere"
        return replace(self, start=weights)._prepared()

    def steps(self) -> "Iterator[FitStep]":
        """The steps; none where the weights are solved in closed form."""
        if self.problem is None:
            return iter(())
        from deltarule.fit.iterate import iterate

        return iterate(self.problem)

    def outcome(self, taken: "StepsTaken | None" = None) -> Outcome:
        """The outcome of these steps, or of its own."""
        outcome = self._solved() if self.problem is None else self._result(taken)
        if self.settings.tries_no_ridge and outcome.errors:
            outcome.notes.append(
                "no ridge was tried: beside one the standard errors asked for would not be known"
            )
        if loss_named(outcome.loss).kind == "yes_no":
            mine = [
                target
                for target in self.read.schema.targets
                if target.name in self.auto
                and not self.read.plan.target_kinds[target.name].is_(pl.Boolean)
            ]
            outcome.notes.extend(notes_on_yes_no(self.read, mine))
        return replace(outcome, centre=self.centre)

    def _result(self, taken: "StepsTaken | None") -> Outcome:
        from deltarule.fit.fit_step import StepsTaken
        from deltarule.fit.result import result

        return result(StepsTaken.of(self.steps()) if taken is None else taken)

    def _solved(self) -> Outcome:
        p, k = len(self.read.schema.inputs), len(self.read.schema.outputs)
        intercept = self.read.plan.request.intercept
        linear = LinearProblem(
            range(p), range(p, p + k), intercept, self.start, self.frozen, self.centre
        )
        penalties = Penalties.of(self.read.schema.inputs, self.settings)
        form: ExactForm
        if self.read.wide:
            from deltarule.fit.dual_least_squares import DualLeastSquares

            form = DualLeastSquares.of(self.read, linear, penalties)
        elif self.settings.held:
            from deltarule.fit.penalized_least_squares import PenalizedLeastSquares

            form = PenalizedLeastSquares(self.read, linear, penalties)
        else:
            kind = self.settings.kind_of_errors
            form = PlainLeastSquares.of(self.read, linear, penalties, errors=kind)
        return solve_exactly(self.read, form)


def _centre(
    read: Read, settings: Settings, start: Weights, frozen: Mapping[str, Mask] | None
) -> Array | None:
    """The origin of the inputs, (p,), where some are far from zero; None for zero.

    A start, frozen weights, an alpha and traced rows refer to the inputs as they stand.
    """
    begun = any(array.any() for array in start.values())
    as_they_stand = begun or frozen is not None or settings.alpha is not None
    if as_they_stand or settings.trace_rows or not read.plan.request.intercept:
        return None
    numbers = [level is None for _, level in read.schema.inputs]
    centre = np.where(numbers, far_centres(read.whole)[: len(numbers)], 0.0)
    return centre if centre.any() else None


def target_groups(read: Read, settings: Settings, *, watched: bool = False) -> list[TargetGroup]:
    """The groups of a read's targets, each with its loss and settings.

    Errors:  LearningError, TargetError for a loss that a target cannot be learnt with
    """
    by_loss: dict[str, list[str]] = {}
    losses = dict(zip(settings.targets, settings.losses, strict=True))
    auto = [target for target, loss in losses.items() if loss == "auto"]
    for target, asked in losses.items():
        loss = _loss_of(read, target, asked)
        # Outputs of a softmax are coupled, but not to those of another target.
        if (
            settings.added is not None
            and loss_named(loss).link.additive != read.plan.request.shifted
        ):
            raise LearningError(
                f"an offset is added to the scores of '{target}' in another way than its first "
                f"rows suggest: say which loss, such as --loss {loss}"
            )
        by_loss.setdefault(
            f"{loss} {target}" if loss_named(loss).kind == "classes" else loss, []
        ).append(target)
    groups = []
    for name, members in by_loss.items():
        part, loss = read.of(members), name.split(" ")[0]
        own = replace(settings, predict=members, loss=loss)
        p, k = len(part.schema.inputs), len(part.schema.outputs)
        size = {"rows": part.examples, "inputs": p + settings.intercept, "outputs": k}
        learner = by_cost(own, loss_named(loss), **size)
        if part.wide:
            from deltarule.fit.wide_tables import learner_of_wide

            learner = learner_of_wide(part, own)
        own = own if learner is None else replace(own, learner=learner)
        groups.append(TargetGroup.of(part, own, auto=auto, watched=watched))
    return groups


def _loss_of(read: Read, target: str, asked: str) -> str:
    """The default loss for a target's values, unless one is named.

    Errors:  TargetError
    """
    [known] = [one for one in read.schema.targets if one.name == target]
    classes = len(known.classes)
    if classes > 2 and asked != "auto" and loss_named(asked).kind == "yes_no":
        raise TargetError(
            f"{read.source.name}: the target '{target}' has {classes} classes "
            f"({', '.join(list(known.classes)[:5])}{', ...' if classes > 5 else ''}), and logistic "
            "loss takes two: use softmax"
        )
    if classes:
        # Softmax of two classes is logistic.
        return Logistic.name if classes == 2 else Softmax.name
    if asked != "auto":
        return asked
    at = len(read.schema.inputs) + read.schema.target_spans()[target].start
    boolean = read.plan.target_kinds[target].is_(pl.Boolean)
    enough = boolean or read.examples >= YES_NO_SHOWS
    yes_no = enough and (known.low, known.high) == (0, 1) and _all_0_or_1(read.whole, at)
    return Logistic.name if yes_no else Squared.name


def _all_0_or_1(moments: Moments, at: int) -> bool:
    """Whether a column within 0 to 1 has only 0 and 1: then x ** 2 sums to the sum of x."""
    share = moments.mean[at] + moments.rest[at]
    squared = moments.cross[at, at] / moments.rows + share**2
    return bool(abs(share - squared) < 1e-9)


def rows_kept(settings: Settings, plan: Plan) -> Keep:
    """Which rows to keep in memory, by the schema's first look at the targets."""
    decided = {*plan.classes, *plan.yes_no}
    amounts = all(
        target not in decided if loss == "auto" else closed_form(loss)
        for target, loss in zip(settings.targets, settings.losses, strict=True)
    )
    if not amounts or settings.batch != "all":
        newton = settings.alpha is None and settings.learner in (None, Newton.name)
        return Keep(sampled=newton and not amounts)
    return Keep(0 if settings.exact else ROWS_BY_HAND * 64)


def _start(read: Read, settings: Settings) -> tuple[Weights, Mapping[str, Mask] | None]:
    """The start, and which weights are frozen there."""
    schema = read.schema
    k = len(schema.outputs)
    inputs = schema.inputs
    named = settings.start if isinstance(settings.start, Mapping) else {}
    base = 0.0 if isinstance(settings.start, Mapping) else float(settings.start)
    weight = np.full((len(inputs), k), base)
    start: dict[str, Any] = {"weight": weight}
    if read.plan.request.intercept:
        start["intercept"] = np.zeros(k)
    frozen = {name: np.zeros(array.shape, dtype=bool) for name, array in start.items()}
    for name, value in [*named.items(), *settings.frozen.items()]:
        where, at = _named(name, inputs, intercept="intercept" in start)
        if value is not None:
            start[where][at] = value
        if name in settings.frozen:
            frozen[where][at] = True
    return start, frozen if settings.frozen else None


def _named(
    name: str, inputs: Sequence[tuple[str, str | None]], *, intercept: bool
) -> tuple[str, Any]:
    """The position of a weight named by its column, column=level, or intercept."""
    if name == "intercept" and intercept:
        return "intercept", slice(None)
    return "weight", at_name(name, inputs)
