"""Notes on what a target is, and on inputs that say too much: the right ones, one line a kind."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.whole_numbers import whole_numbers

N = 400
RNG = np.random.default_rng(5)
X = RNG.normal(size=N)
KINDS: dict[str, tuple[Any, str]] = {
    "digits": (RNG.integers(0, 10, N), "labels"),
    "three classes": (RNG.integers(0, 3, N), "labels"),
    "grades 1 to 7": (
        RNG.choice(np.arange(1, 8), N, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.1]),
        "labels",
    ),
    "wine": (RNG.choice([3, 4, 5, 6, 7, 8], N, p=[0.02, 0.08, 0.4, 0.35, 0.1, 0.05]), "labels"),
    "claims": (RNG.poisson(0.4, N), "counts"),
    "goals": (RNG.poisson(2.7, N), "counts"),
    "calls": (RNG.poisson(30, N), "counts"),
    "rentals": (np.maximum(1, RNG.negative_binomial(1.2, 0.006, N)), "counts"),
    "spread wide": (RNG.negative_binomial(0.4, 0.1, N), "counts"),
    "prices": (RNG.integers(5_000, 40_000, N), ""),
    "years": (RNG.integers(1990, 2021, N), ""),
    "halves": (RNG.integers(0, 9, N) / 2, ""),
    "below 0": (RNG.integers(-4, 4, N), ""),
    "heights": (RNG.normal(170, 10, N).round(), ""),
    "ages": (RNG.integers(18, 90, N), ""),
    "money": (RNG.integers(0, 3_000_000_000, N), ""),
}


@pytest.mark.parametrize("name", ["count", "value", "rows"])
def test_whole_numbers_may_have_any_name(name: str) -> None:
    found = whole_numbers(pl.Series(name, [0, 1, 1, 2]))
    assert found is not None
    assert found.different == 3


@pytest.mark.parametrize("name", KINDS)
def test_whole_numbers_get_the_note_that_suits_them(name: str) -> None:
    values, kind = KINDS[name]
    said = " | ".join(dr.learn({"x": X, "y": values}, predict="y").record.notes)
    assert ("looks like counts" in said) == (kind == "counts")
    assert ("--loss poisson" in said) == (kind == "counts")
    if kind == "labels":
        different = len(np.unique(values))
        assert f"y has {different} different values (whole numbers from" in said
        assert "--loss softmax" in said


@pytest.mark.parametrize("name", KINDS)
def test_a_loss_that_was_chosen_for_counts_gets_no_such_note(name: str) -> None:
    values, kind = KINDS[name]
    if kind == "counts":
        record = dr.learn({"x": X, "y": values}, predict="y", loss="poisson").record
        assert "counts (" not in " ".join(record.notes)


def test_several_counts_are_told_in_one_line() -> None:
    table = {"x": X, **{name: KINDS[name][0] for name in ("claims", "goals", "calls", "digits")}}
    notes = dr.learn(table, predict=["claims", "goals", "calls", "digits"], using="x").record.notes
    assert sum("counts" in note for note in notes) == 1
    assert sum("if they are classes" in note for note in notes) == 1


def test_what_whole_numbers_look_like() -> None:
    assert whole_numbers(pl.Series(["a"])) is None
    assert whole_numbers(pl.Series([None], dtype=pl.Int64)) is None
    found = whole_numbers(pl.Series([0, 1, 1, 0]))
    assert found is not None
    assert not found.counts
    assert not found.labels


@pytest.mark.parametrize(
    ("rate", "rows", "told"),
    [(0.08, 200, True), (0.02, 2000, True), (0.4, 200, False), (0.1, 4000, False)],
)
def test_a_count_that_is_only_ever_0_or_1_is_no_yes_no_without_a_note(
    rate: float, rows: int, told: bool
) -> None:
    """Where a count would surely have shown a 2 nothing is said."""
    rng = np.random.default_rng(2)
    table = {"x": rng.normal(size=rows), "claims": (np.arange(rows) % round(1 / rate) == 0) * 1}
    record = dr.learn(table, predict="claims").record
    assert record.loss == "logistic"
    note = "claims is 0 or 1 in every row, so learnt as yes/no"
    assert any(one.startswith(note) for one in record.notes) == told
    for other in ({"loss": "logistic"}, {"loss": "poisson"}):
        notes = dr.learn(table, predict="claims", **other).record.notes
        assert not any(one.startswith(note) for one in notes)
    flag = {**table, "claims": table["claims"] == 1}
    notes = dr.learn(flag, predict="claims").record.notes
    assert not any(one.startswith(note) for one in notes)


IDENTITIES: dict[str, tuple[dict[str, Any], str]] = {
    "total": (
        {"casual": RNG.integers(0, 90, N), "registered": RNG.integers(0, 900, N)},
        "casual + registered",
    ),
    "profit": ({"sales": RNG.normal(900, 90, N), "costs": RNG.normal(500, 50, N)}, "sales - costs"),
}


@pytest.mark.parametrize("target", IDENTITIES)
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_an_exact_identity_is_named_as_one(target: str, noise: float) -> None:
    columns, formula = IDENTITIES[target]
    one, other = columns.values()
    sign = -1 if "-" in formula else 1
    made = one + sign * other + noise * RNG.normal(size=N)
    table = {**columns, "x": X, target: made}
    notes = dr.learn(table, predict=target).record.notes
    told = f"{target} is {formula} in every row, exactly: an identity"
    assert any(note.startswith(told) for note in notes) == (noise == 0)
    assert not any(
        "identity" in note for note in dr.learn(table, predict=target, using="x").record.notes
    )


def test_identities_have_their_numbers_and_levels() -> None:
    kind = RNG.choice(["new", "old"], N, p=[0.3, 0.7])
    celsius = RNG.normal(10, 8, N).round(1)
    table = {"celsius": celsius, "fahrenheit": 1.8 * celsius + 32, "kind": kind}
    notes = " | ".join(dr.learn(table, predict="fahrenheit").record.notes)
    assert "fahrenheit is 1.8 * celsius + 32 in every row, exactly" in notes
    fee = {**table, "fee": 2 * celsius + np.where(kind == "new", 5.0, 0.0)}
    notes = " | ".join(dr.learn(fee, predict="fee", using=["celsius", "kind"]).record.notes)
    assert "fee is 2 * celsius + 5 if kind is new in every row, exactly" in notes


def test_as_many_weights_as_rows_are_no_identity() -> None:
    table = {f"x{at}": RNG.normal(size=24) for at in range(23)} | {"y": RNG.normal(size=24)}
    assert not any("identity" in one for one in dr.learn(table, predict="y", ridge=0).record.notes)


def test_notes_are_one_line_a_kind() -> None:
    """Spectra: every column tells every target, depends on others, and one row is far out."""
    factor = RNG.normal(size=(N, 2))
    waves = {f"w{at}": factor[:, at % 2] + 1e-4 * RNG.normal(size=N) for at in range(30)}
    far = {f"f{at}": np.where(np.arange(N) == 7, 1e6, RNG.normal(size=N)) for at in range(8)}
    twins = {f"t{at}": waves[f"w{at}"] * 2 for at in range(8)}
    targets = {f"y{at}": factor[:, at % 2] + 0.01 * RNG.normal(size=N) for at in range(12)}
    table = {**waves, **far, **twins, **targets}
    notes = dr.learn(table, predict=list(targets), ridge=0).record.notes
    for word in ("alone", "determined by", "makes most of the variation", "depends on"):
        assert sum(word in note for note in notes) <= 1, word
    assert any(" more each alone explain most of these" in note for note in notes)
    assert any(
        "one row makes most of the variation of each of f" in note and "and 3 more" in note
        for note in notes
    )
    assert sum("worse than by guessing" not in note for note in notes) < 10


def test_powers_of_a_number_say_what_it_says_itself() -> None:
    x = RNG.uniform(1, 3, N)
    table = {"x": x, "y": x + 0.05 * RNG.normal(size=N)}
    notes = dr.learn(table, predict="y", using="poly(x, 4)", ridge=0.001).record.notes
    assert sum("alone" in note for note in notes) == 1
    assert not any("more each" in note or "determined by" in note for note in notes)


def test_a_category_of_many_levels_explains_nothing_by_chance() -> None:
    kind = np.arange(N) % 190
    table = {"kind": [f"k{at}" for at in kind], "y": RNG.normal(size=N) + 3 * (kind == 0)}
    record = dr.learn(table, predict="y", levels=200, ridge=0).record
    assert not any("alone" in note for note in record.notes)
