"""Targets that are sums of inputs: in most rows, or up to rounding."""

from typing import Any

import numpy as np
import pytest

import deltarule as dr

N = 300
RNG = np.random.default_rng(0)
NET = RNG.uniform(10, 1000, N).round(2)
TAX = (NET * RNG.choice([0.07, 0.19], N)).round(2)
SHIP = RNG.uniform(0, 30, N).round(2)
KIND = RNG.choice(["new", "old"], N)
INVOICE: dict[str, Any] = {"net": NET, "tax": TAX, "ship": SHIP}
TOTAL = (NET + TAX + SHIP).round(2)


def sums(table: dict[str, Any], **how: Any) -> list[str]:
    """The notes that name a sum."""
    notes = dr.learn(table, predict="y", **how).record.notes
    return [one for one in notes if "learn without them" in one]


@pytest.mark.parametrize(
    ("table", "formula"),
    [
        (INVOICE | {"y": TOTAL.round(0)}, "net + tax + ship"),
        (INVOICE | {"y": TOTAL.round(-1)}, "net + tax + ship"),
        (INVOICE | {"y": (TOTAL + 25 * (KIND == "new")).round(0), "kind": KIND}, None),
        ({"net": NET, "ship": SHIP, "y": (2 * NET - 12 * SHIP).round(-1)}, "2 * net - 12 * ship"),
        ({"a": SHIP, "b": SHIP[::-1].copy(), "y": (SHIP + SHIP[::-1]).round(0)}, "a + b"),
    ],
)
@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_a_rounded_sum_is_named(table: dict[str, Any], formula: str | None, loss: str) -> None:
    [note] = sums(table, loss=loss)
    assert note.startswith(f"y is nearly {formula or 'net + tax + ship'}")


@pytest.mark.parametrize("size", [1.0, 300.0, 1e5])
@pytest.mark.parametrize("rows", [3, 12, 25])
def test_a_sum_in_all_but_a_few_rows_is_named(size: float, rows: int) -> None:
    y = TOTAL.copy()
    y[RNG.choice(N, rows, replace=False)] += size * RNG.uniform(0.5, 1, rows)
    found = sums(INVOICE | {"y": y})
    # Where rows are a hundred thousand off, the inputs explain too little for it to be looked for.
    told = (
        f"y is net + tax + ship in {1 - rows / N:.1%} of rows, exactly; if these are parts of y, "
        "or known only with it, learn without them"
    )
    assert found == ([told] if size < 1e5 else [])


def test_a_discount_that_is_no_column_does_not_hide_the_sum() -> None:
    y = np.where(np.arange(N) % 12 == 0, TOTAL * 0.8, TOTAL) + 5.0 * (KIND == "new")
    [note] = sums(INVOICE | {"y": y, "kind": KIND}, reference={"kind": "old"})
    assert "net + tax + ship + 5 if kind is new in 91.7% of rows" in note


def test_a_sum_with_noise_is_named_only_where_hardly_any_is_left() -> None:
    rng = np.random.default_rng(1)
    a, y = rng.normal(size=N), rng.normal(size=N)
    for noise, named in ((0.02, True), (0.2, False), (1.0, False)):
        found = sums({"a": a, "b": y - a + noise * rng.normal(size=N), "y": y})
        assert bool(found) == named
        assert not named or found[0].startswith("y is nearly a + b (typical error 0.02")


def test_of_one_column_its_own_note_tells() -> None:
    assert sums({"a": NET, "b": SHIP, "y": (3 * NET).round(-1)}) == []


def test_a_target_that_is_mostly_one_value_is_no_sum() -> None:
    rare = np.arange(N) % 20 == 0
    assert sums({"rare": rare * 1.0, "x": NET, "y": rare * 100.0 + rare * (SHIP / 30)}) == []


def test_other_links_are_named_without_a_formula() -> None:
    y = np.exp(NET / 500 + SHIP / 10).round(1)
    [note] = sums({"net": NET, "ship": SHIP, "y": y}, loss="poisson")
    assert note.startswith("the inputs together say nearly all of y (")


def test_many_rounded_sums_make_one_note() -> None:
    many = {f"y{at}": (NET + at * TAX + SHIP).round(0) for at in range(1, 6)}
    notes = dr.learn(INVOICE | many, predict=list(many)).record.notes
    [note] = [one for one in notes if "is nearly" in one]
    assert note.startswith("y1 is nearly net + tax + ship (")
    assert "y2 is nearly net + 2 * tax + ship (" in note
    assert "3 more targets likewise" in note
