"""Losses as SQL: each one's formulas of a score s and a target t, as in losses/.

A loss is a few named steps, so that no expression is written twice, and then its parts by these.
Where overflow is an error of the database, exponents are held within 700 of 0: beyond that the
loss is more than 1e300.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deltarule.export.sql.dialect import Dialect
from deltarule.losses.glm import Logistic, Poisson, Squared
from deltarule.losses.loss import Loss
from deltarule.losses.positive import Gamma, Tweedie

MOST = 700.0


@dataclass(frozen=True)
class Formula:
    """A loss's steps and parts, as templates of {s}, {t} and the names of steps, {a} and {b}.

    `saturated` is the least loss that any score has.
    """

    steps: Mapping[str, str]
    prediction: str
    value: str
    delta: str
    hessian: str
    expected: str
    saturated: str


def exp(text: str, d: Dialect) -> str:
    """The exponential function of a text that is short or a name."""
    if not d.raises:
        return f"exp({text})"
    most, least = d.literal(MOST), d.literal(-MOST)
    return (
        f"exp(CASE WHEN {text} > {most} THEN {most} WHEN {text} < {least} THEN {least} "
        f"ELSE {text} END)"
    )


def _logistic(loss: Loss, d: Dialect) -> Formula:
    n = d.literal
    one, zero = n(1.0), n(0.0)
    # With a = exp(-|s|) both probabilities keep their digits: 1 / (1 + a) and a / (1 + a).
    high, low = f"{one} / ({one} + {{a}})", f"{{a}} / ({one} + {{a}})"
    return Formula(
        {"a": exp("(-abs({s}))", d)},
        prediction=f"CASE WHEN {{s}} < {zero} THEN {low} ELSE {high} END",
        value=f"CASE WHEN {{s}} > {zero} THEN {{s}} ELSE {zero} END + ln({one} + {{a}}) "
        "- {t} * {s}",
        delta=f"CASE WHEN {{s}} < {zero} THEN {low} ELSE {high} END - {{t}}",
        hessian=f"{{a}} / (({one} + {{a}}) * ({one} + {{a}}))",
        expected=f"{{a}} / (({one} + {{a}}) * ({one} + {{a}}))",
        saturated=f"CASE WHEN {{t}} > {zero} AND {{t}} < {one} THEN "
        f"-({{t}} * ln({{t}}) + ({one} - {{t}}) * ln({one} - {{t}})) ELSE {zero} END",
    )


def _poisson(loss: Loss, d: Dialect) -> Formula:
    n = d.literal
    zero = n(0.0)
    return Formula(
        {"a": exp("{s}", d)},
        prediction="{a}",
        value="{a} - {t} * {s}",
        delta="{a} - {t}",
        hessian="{a}",
        expected="{a}",
        saturated=f"CASE WHEN {{t}} > {zero} THEN {{t}} - {{t}} * ln({{t}}) ELSE {zero} END",
    )


def _gamma(loss: Loss, d: Dialect) -> Formula:
    n = d.literal
    one = n(1.0)
    return Formula(
        {"a": exp("{s}", d), "b": f"{{t}} * {exp('(-{s})', d)}"},
        prediction="{a}",
        value="{b} + {s}",
        delta=f"{one} - {{b}}",
        hessian="{b}",
        expected=one,
        saturated=f"{one} + ln({{t}})",
    )


def _tweedie(loss: Loss, d: Dialect) -> Formula:
    n = d.literal
    assert isinstance(loss, Tweedie)
    q, r = 2 - loss.p, loss.p - 1
    one, zero = n(1.0), n(0.0)
    falling = exp(f"({n(-r)} * {{s}})", d)
    rising, fallen = f"exp({n(q)} * ln({{t}}))", f"exp({n(-r)} * ln({{t}}))"
    return Formula(
        {
            "a": exp(f"({n(q)} * {{s}})", d),
            "b": f"CASE WHEN {{t}} > {zero} THEN {{t}} * {falling} ELSE {zero} END",
        },
        prediction=exp("{s}", d),
        value=f"({{a}} - {one}) / {n(q)} + ({{b}} - {{t}}) / {n(r)}",
        delta="{a} - {b}",
        hessian=f"{n(q)} * {{a}} + {n(r)} * {{b}}",
        expected="{a}",
        saturated=f"CASE WHEN {{t}} > {zero} THEN ({rising} - {one}) / {n(q)} + {{t}} * "
        f"({fallen} - {one}) / {n(r)} ELSE {n(-1 / q)} END",
    )


def _squared(loss: Loss, d: Dialect) -> Formula:
    n = d.literal
    one = n(1.0)
    square = f"({{s}} - {{t}}) * ({{s}} - {{t}}) / {n(2.0)}"
    return Formula({}, "{s}", square, "{s} - {t}", one, one, n(0.0))


FORMULAS: Mapping[type[Loss], Callable[[Loss, Dialect], Formula]] = {
    Logistic: _logistic,
    Poisson: _poisson,
    Gamma: _gamma,
    Tweedie: _tweedie,
    Squared: _squared,
}


def formula_of(loss: Loss, d: Dialect) -> Formula | None:
    """A loss's formulas in a dialect; None where it has none here."""
    made = FORMULAS.get(type(loss))
    return None if made is None else made(loss, d)
