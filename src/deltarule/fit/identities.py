"""Identities: targets that are sums of their inputs, as casual + registered = total.

    exact         in every row, up to the rounding of floating point
    mostly exact  in nine rows of ten or more: by least absolute deviations, which a few rows that
                  differ do not sway, on some rows
    near          up to a thousandth of the target's variance on held-out rows, as where a sum was
                  rounded

Shapes: n rows, p inputs of a target
"""

from collections.abc import Sequence

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.losses.loss import Loss
from deltarule.model.record import FitRecord, HeldOutRecord, InterceptRecord, WeightRecord
from deltarule.moments.moments import Moments
from deltarule.rule.predict import Array
from deltarule.tables.one_read import Read
from deltarule.views.format import number

# Residuals of an identity are rounding, relative to the target's standard deviation.
ROUNDING = 1e-9
# An input's contribution is rounding too, where it is below this.
SLIGHT = 1e-7
# Few rows are fitted exactly by any weights: there must be so many more.
MORE_ROWS = 20
TERMS_SHOWN, TARGETS_SHOWN = 6, 2
# Nearly a sum: so little of the variance is left on held-out rows. One that holds in most rows
# leaves less than that of the others.
LEFT, LEFT_OF_MOST = 1e-3, 0.2
# A sum holds in most rows where it does in this share of them; a target of few values has many
# rows of each, whatever they depend on.
MOST, FEW_VALUES = 0.9, 20
# Rows, inputs and targets by which this is judged: 2 ms a step for 20 inputs.
JUDGED_ROWS, JUDGED_INPUTS, JUDGED_TARGETS, REWEIGHTED = 2_000, 100, 10, 30
# After so many steps half of the rows are within a tenth of the residuals' spread, or never.
LOOK, CLOSE, CLOSE_ROWS = 4, 0.1, 0.5
MOST_DIGITS = 6


@dataclass(frozen=True)
class FittedTarget:
    """A target as fitted: its weights, and the position of its output among all that were read."""

    name: str
    output: int
    loss: Loss
    fit: FitRecord
    held_out: HeldOutRecord | None
    weights: Sequence[WeightRecord]
    intercepts: Sequence[InterceptRecord]


def identities(read: Read, whole: Moments, targets: Sequence[FittedTarget]) -> list[str]:
    """Notes on targets that are sums of inputs, exactly, in most rows or nearly.

    `whole` are the moments of all rows: of the inputs, then of the targets' outputs.
    """
    spread = np.sqrt(np.maximum(whole.cross.diagonal(), 0.0) / whole.rows) * whole.scale
    mean, p, found = whole.mean * whole.scale, len(read.schema.inputs), list[str]()
    near: list[tuple[str, str]] = []
    judged = 0
    for one in targets:
        own = float(spread[p + one.output])
        if not own > 0 or one.loss.kind not in ("amount", "count"):
            continue
        note = identity(one, spreads=spread[:p].tolist(), spread=own, rows=read.examples)
        if note is None and judged < JUDGED_TARGETS and _likely(read, one):
            judged += 1
            note = _in_most_rows(read, one, spread[:p], own)
        if note is not None:
            found.append(note)
            continue
        words = _near(one, spread[:p], mean[:p], float(mean[p + one.output]), read.examples)
        near += [] if words is None else [(one.name, words)]
    return [*found, *_near_told(near)]


def _near_told(near: Sequence[tuple[str, str]]) -> list[str]:
    """One note on all targets that are nearly sums."""
    if not near:
        return []
    words = "; ".join(said for _, said in near[:TARGETS_SHOWN])
    if len(near) > TARGETS_SHOWN:
        words += f"; {len(near) - TARGETS_SHOWN} more targets likewise"
    return [f"{words}: {_without(near[0][0] if len(near) == 1 else 'them')}"]


def identity(
    one: FittedTarget, *, spreads: Sequence[float], spread: float, rows: int
) -> str | None:
    """A note on a target of squared loss that is an exact sum of its inputs; None otherwise.

    `spreads` are the standard deviations of the inputs, `spread` that of the target.
    """
    enough = rows >= len(one.weights) + 1 + MORE_ROWS
    if not (one.loss.closed_form and enough and one.fit.rmse < ROUNDING * spread):
        return None
    terms = [
        _term(weight)
        for weight, own in zip(one.weights, spreads, strict=True)
        if abs(weight.weight) * own > SLIGHT * spread
    ]
    terms += [number(each.weight) for each in one.intercepts if abs(each.weight) > SLIGHT * spread]
    return (
        f"{one.name} is {_formula(terms)} in every row, exactly: an identity, no prediction; "
        f"{_without(one.name)}"
    )


def _likely(read: Read, one: FittedTarget) -> bool:
    """Whether the inputs explain enough of a target for a sum to hold in most rows."""
    explains = one.fit.r2 if one.held_out is None else one.held_out.r2
    likely = explains is not None and explains > 1 - LEFT_OF_MOST
    few = len(one.weights) <= JUDGED_INPUTS
    return likely and few and one.loss.link.additive and read.schema.offset is None


def _in_most_rows(read: Read, one: FittedTarget, spreads: Array, spread: float) -> str | None:
    """A note on a target that is exactly a sum of inputs in all but a few rows."""
    p = len(one.weights)
    inputs, targets = _some_rows(read, one.output)
    n = len(targets)
    if n < 2 * (p + 1 + MORE_ROWS) or len(np.unique(targets)) <= FEW_VALUES:
        return None
    # With a constant, if the model has one, in units where all columns vary alike.
    unit = np.append(np.where(spreads > 0, spreads, 1.0), spread)[: p + len(one.intercepts)]
    design = np.column_stack([inputs, np.ones(n)])[:, : len(unit)]
    weights = _least_deviations(design / unit * spread, targets) / unit * spread
    exact = np.abs(design @ weights - targets) < SLIGHT * spread
    moving = [abs(w) * own > 10 * SLIGHT * spread for w, own in zip(weights, spreads, strict=False)]
    if np.mean(exact) < MOST or not any(moving):
        return None
    terms = [
        _term(weight, _plain(float(to), 10 * SLIGHT * spread / own))
        for weight, to, own, moves in zip(one.weights, weights[:p], spreads, moving, strict=True)
        if moves
    ]
    terms += [number(b) for b in weights[p:].tolist() if abs(b) > 10 * SLIGHT * spread]
    return (
        f"{one.name} is {_formula(terms)} in {np.mean(exact):.1%} of rows, exactly; "
        f"{_without(one.name)}"
    )


def _some_rows(read: Read, output: int) -> tuple[Array, Array]:
    """Inputs (n, p) and a target (n,) of some rows, drawn evenly."""
    parts = list(read.some_rows())
    if not parts:  # sums alone
        return np.zeros((0, len(read.schema.inputs))), np.zeros(0)
    inputs = np.concatenate([part.inputs for part in parts])
    targets = np.concatenate([part.targets[:, output] for part in parts])
    if len(targets) > JUDGED_ROWS:
        places = np.random.default_rng(0).choice(len(targets), JUDGED_ROWS, replace=False)
        inputs, targets = inputs[places], targets[places]
    return inputs, targets


def _least_deviations(design: Array, targets: Array) -> Array:
    """The weights of least absolute deviations, by iteratively reweighted least squares: (q,)."""
    weights: Array = np.asarray(np.linalg.lstsq(design, targets, rcond=None)[0], np.float64)
    scale = float(np.std(targets))
    spread = float(np.std(design @ weights - targets))
    for step in range(REWEIGHTED):
        off = np.abs(design @ weights - targets)
        floor = max(spread * 10.0 ** -(step / 2), scale * ROUNDING)
        if step == LOOK and np.mean(off < CLOSE * spread) < CLOSE_ROWS:
            break  # as for most targets: no sum holds in most rows
        root = 1 / np.sqrt(np.maximum(off, floor))
        solved = np.linalg.lstsq(design * root[:, None], targets * root, rcond=None)[0]
        weights = np.asarray(solved, np.float64)
    return weights


def _near(one: FittedTarget, spreads: Array, means: Array, mean: float, rows: int) -> str | None:
    """Words on a target of which several inputs together leave hardly anything."""
    held_out = one.held_out
    if held_out is None or held_out.r2 is None or rows < MORE_ROWS or held_out.r2 < 1 - LEFT:
        return None
    left = f"{100 * (1 - held_out.r2):.2g}% of its variance is left"
    if not one.loss.link.additive:
        return f"the inputs together say nearly all of {one.name} ({left} on held-out rows)"
    shown = [
        (weight, own, average)
        for weight, own, average in zip(one.weights, spreads, means, strict=True)
        if abs(weight.weight) * own > one.fit.rmse
    ]
    if len({weight.input for weight, _, _ in shown}) < 2:
        return None  # of a column alone the checks of leaks tell
    terms, rest = [], mean
    for weight, own, average in shown:
        size = _plain(weight.weight, one.fit.rmse / own / 4)
        terms.append(_term(weight, size))
        rest -= size * average
    if one.intercepts and abs(rest) > one.fit.rmse:
        terms.append(number(_plain(rest, one.fit.rmse / 4)))
    return (
        f"{one.name} is nearly {_formula(terms)} (typical error {number(held_out.rmse)}, {left} on "
        f"held-out rows)"
    )


def _plain(value: float, within: float) -> float:
    """The number of fewest digits that is so near this one."""
    for digits in range(1, MOST_DIGITS + 1):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= within:
            return short
    return value


def _formula(terms: Sequence[str]) -> str:
    shown = [*terms[:TERMS_SHOWN]]
    if len(terms) > TERMS_SHOWN:
        shown.append(f"{len(terms) - TERMS_SHOWN} more terms")
    return " + ".join(shown).replace("+ -", "- ")


def _without(target: str) -> str:
    it = "them" if target == "them" else "it"
    return f"if these are parts of {target}, or known only with {it}, learn without them"


def _term(one: WeightRecord, weight: float | None = None) -> str:
    size = number(one.weight if weight is None else weight)
    if one.level is not None:
        what = "missing" if one.level == "(missing)" else one.level
        return f"{size} if {one.input} is {what}"
    return {"1": one.input, "-1": f"-{one.input}"}.get(size, f"{size} * {one.input}")
