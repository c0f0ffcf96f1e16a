"""Validation: data that no loss can be learnt from, refused before fitting."""

import math
import re

import numpy as np

from deltarule.errors import LearningError, TargetError
from deltarule.fit.row_questions import FirstWith
from deltarule.fit.settings import Settings
from deltarule.fit.target_group import TargetGroup
from deltarule.losses.registry import loss_named
from deltarule.tables.one_read import Read
from deltarule.tables.schema_columns import Number

# Beyond these, products of sums of row weights have lost their digits, or all of themselves.
LEAST_WEIGHT, MOST_WEIGHT = 1e-140, 1e140
# Of a power, what lower powers do not say must be larger than so much of its values.
DIGITS = 100 * np.finfo(float).eps
POWER = re.compile(r"(?P<of>.+) \*\* (?P<power>\d+)")


def check_folds(read: Read, settings: Settings) -> None:
    """Refuse more folds than there are rows.

    Errors:  LearningError
    """
    rows = max(read.examples, sum(fold.rows for fold in read.folds))
    if settings.folds is not None and settings.folds > rows:
        raise LearningError(
            f"{read.source.name}: folds is {settings.folds}, but there are {rows:,.0f} rows to "
            "learn from: choose no more folds than rows"
        )


def check_weights(read: Read) -> None:
    """Refuse row weights whose sum is so small or so large that sums of them lose digits.

    Errors:  LearningError
    """
    rows = sum(fold.rows for fold in read.folds)
    if rows > 0 and not LEAST_WEIGHT < rows < MOST_WEIGHT:
        raise LearningError(
            f"{read.source.name}: the row weights add up to {rows:.3g}, beyond what can be "
            "reckoned with: give them in other units"
        )


def check_powers(read: Read) -> None:
    """Refuse powers beside a number that lies so far from 0 that rounding leaves nothing of them.

    Maths:   on c - r to c + r, lower powers say of x ** n all but r ** n / 2 ** (n - 1)
             (Chebyshev), where x ** n has the digits of (|c| + r) ** n

    Errors:  LearningError
    """
    numbers = {one.name: one for one in read.schema.columns if isinstance(one, Number)}
    for name in numbers:
        power = POWER.fullmatch(name)
        of = power["of"] if power else ""
        base = next((numbers[one] for one in (of, of[1:-1]) if one in numbers), None)
        if power is None or base is None:
            continue
        far = max(abs(base.low), abs(base.high))
        half, n = (base.high - base.low) / 2, int(power["power"])
        if half > 0 and 2 * (half / far / 2) ** n < DIGITS:
            near = round((base.low + base.high) / 2, -math.floor(math.log10(half)))
            raise LearningError(
                f"{read.source.name}: '{name}' says nothing that '{base.name}' does not, which "
                f"lies so far from 0 that rounding leaves no more: write "
                f"{of} {'-' if near > 0 else '+'} {abs(near):.15g} in its place"
            )


def check_targets(read: Read, settings: Settings) -> None:
    """Refuse a constant target: an intercept alone is the answer.

    A single row is constant by nature, and without an intercept there is something to learn.

    Errors:  TargetError
    """
    if read.examples < 2 or not settings.intercept:
        return
    for target in read.schema.targets:
        if not target.classes and target.low == target.high:
            raise TargetError(
                f"{read.source.name}: the target '{target.name}' is {target.low:g} in every row: "
                "there is nothing to learn"
            )


def check_members(group: TargetGroup) -> None:
    """Refuse yes/no targets with a single yes or a single no.

    With row weights a row may stand for several, so they are not checked.

    Errors:  TargetError
    """
    read = group.read
    if loss_named(group.settings.losses[0]).kind != "yes_no" or group.settings.weight is not None:
        return
    whole = read.whole
    for target, span in read.schema.target_spans().items():
        at = len(read.schema.inputs) + span.start
        yes = whole.rows * float(whole.mean[at] * whole.scale[at])
        lone = next((v for v, n in ((1, yes), (0, whole.rows - yes)) if abs(n - 1) < 1e-6), None)
        if lone is None or whole.rows < 3:
            continue
        # Fractional targets may also sum to 1: check the rows.
        first = read.total(FirstWith(span.start, lone))
        if first.row is not None:
            raise TargetError(
                f"{read.source.name}, row {first.row + 1}: it alone has '{target}' "
                f"{lone}, and from a single row nothing can be learnt: leave it out"
            )
