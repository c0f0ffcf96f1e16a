"""Identities: targets that are an exact sum of their inputs, as casual + registered = total.

Shapes: p inputs of a target
"""

from collections.abc import Sequence

from deltarule.model.record import FitRecord, HeldOutRecord, InterceptRecord, WeightRecord
from deltarule.views.format import number

# Residuals of an identity are rounding, relative to the target's standard deviation.
ROUNDING = 1e-9
# An input's contribution is rounding too, where it is below this.
SLIGHT = 1e-7
# Few rows are fitted exactly by any weights: there must be so many more.
MORE_ROWS = 20
TERMS_SHOWN = 6
# A share of a target's variance that is next to nothing, but for rounding or a few odd rows.
NEARLY_ALL = 0.001


def identity(
    target: str,
    fit: FitRecord,
    weights: Sequence[WeightRecord],
    intercepts: Sequence[InterceptRecord],
    *,
    spreads: Sequence[float],
    spread: float,
    rows: int,
) -> str | None:
    """A note on a target of squared loss that is an exact sum of its inputs; None otherwise.

    `spreads` are the standard deviations of the inputs, `spread` that of the target.
    """
    if rows < len(weights) + 1 + MORE_ROWS or not fit.rmse < ROUNDING * spread:
        return None
    terms = [
        _term(one)
        for one, own in zip(weights, spreads, strict=True)
        if abs(one.weight) * own > SLIGHT * spread
    ]
    terms += [number(one.weight) for one in intercepts if abs(one.weight) > SLIGHT * spread]
    shown = terms[:TERMS_SHOWN]
    if len(terms) > TERMS_SHOWN:
        shown.append(f"{len(terms) - TERMS_SHOWN} more terms")
    formula = " + ".join(shown).replace("+ -", "- ")
    return (
        f"{target} is {formula} in every row, exactly: an identity, no prediction; if these are "
        f"parts of {target}, or known only with it, learn without them"
    )


def nearly(target: str, held_out: HeldOutRecord, more_rows: int) -> str | None:
    """A note on a target of which the inputs leave next to nothing on held-out rows."""
    if more_rows < MORE_ROWS or held_out.r2 is None or held_out.r2 < 1 - NEARLY_ALL:
        return None
    left = f"{1 - held_out.r2:.2g}" if held_out.r2 < 1 else "nothing"
    return (
        f"the inputs leave {left} of the variance of {target} on held-out rows: if they are parts "
        "of it, or known only with it, learn without them"
    )


def _term(one: WeightRecord) -> str:
    size = number(one.weight)
    if one.level is not None:
        what = "missing" if one.level == "(missing)" else one.level
        return f"{size} if {one.input} is {what}"
    return {"1": one.input, "-1": f"-{one.input}"}.get(size, f"{size} * {one.input}")
