"""Numbers in text with a unit after them, grouped as in India, or beside other characters."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.text_formats import NumberFormat

VALUES = np.random.default_rng(1).integers(1, 10_000_000, 240)


def indian(value: int) -> str:
    head, tail = str(value)[:-3], str(value)[-3:]
    pairs = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return ",".join([*pairs, tail])


def table(write: Callable[[int], str], values: np.ndarray = VALUES) -> pl.DataFrame:
    y = values / 1000 + np.random.default_rng(2).normal(0, 1, len(values))
    return pl.DataFrame({"t": [write(int(value)) for value in values], "y": y})


WRITTEN: list[tuple[Callable[[int], str], str]] = [
    (lambda v: f"{v} kg", "kg"),
    (lambda v: f"{v:,}kg", "kg"),
    (lambda v: f"{v}.0 km/h", "km/h"),
    (lambda v: f"{v} °C", "°C"),
    (lambda v: f"${v:,} per night", "per night"),
    (lambda v: f"{v:_},5 m".replace("_", "."), "m"),
    (lambda v: f"{v} days", "days"),
    (lambda v: f" {v}  lbs. ", "lbs."),
    (indian, ""),
    (lambda v: f"₹{indian(v)}", ""),
    (lambda v: f"{indian(v)} kg", "kg"),
]


@pytest.mark.parametrize(("write", "suffix"), WRITTEN)
def test_a_unit_that_all_cells_share_is_left_aside_wherever_rows_come_from(
    write: Callable[[int], str], suffix: str, tmp_path: Path
) -> None:
    rows = table(write)
    model = dr.learn(rows, predict="y")
    half = 0.5 if ",5 m" in rows["t"][0] else 0.0
    plain = rows.with_columns(t=pl.Series(VALUES + half))
    known = dr.learn(plain, predict="y")
    assert [one.weight for one in model.record.weights] == [
        one.weight for one in known.record.weights
    ]
    form = model.record.contract.formats["t"]
    assert isinstance(form, NumberFormat)
    assert form.suffix == suffix
    assert any("without the unit" in note for note in model.record.notes) == bool(suffix)
    rows.write_csv(tmp_path / "t.csv")
    (tmp_path / "t.json").write_text(json.dumps(rows.to_dicts()))
    model.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json")
    wanted = known.predict(plain)["y_prediction"].to_list()
    # At prediction the unit may be left out.
    for source in (rows, rows.to_pandas(), tmp_path / "t.csv", tmp_path / "t.json", plain):
        assert list(loaded.predict(source)["y_prediction"]) == wanted
    assert loaded.predict(rows.to_dicts()[3])["y_prediction"] == pytest.approx(wanted[3], rel=1e-12)


def test_another_unit_is_missing_and_named() -> None:
    rows = table(lambda v: f"{v} kg")
    text = rows["t"].to_list()
    text[5] = "12 lb"
    model = dr.learn(rows.with_columns(t=pl.Series(text)), predict="y")
    notes = "\n".join(model.record.notes)
    assert "t: 1 cell that is no number treated as missing: '12 lb'" in notes


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda v: f"{v} kg" if v % 2 else f"{v} lb", "t is text: its numbers have several units,"),
        (lambda v: f"~{v}", "'~', '')) would read"),
        (lambda v: f">{v}", "'>', '')) would read"),
        (lambda v: f"{v}+", "'+', '')) would read"),
        (lambda v: f"{v}-{v + 5}", "are ranges: write their ends as two columns of numbers"),
        (lambda v: f"{v} to {v + 5}", "are ranges: write their ends as two columns of numbers"),
    ],
)
def test_numbers_that_are_not_read_are_told_with_what_to_do(
    write: Callable[[int], str], told: str
) -> None:
    rows = table(write).with_columns(x=pl.Series(VALUES % 7))
    notes = "\n".join(dr.learn(rows, predict="y").record.notes)
    assert told in notes


def test_the_expression_that_the_note_names_reads_them() -> None:
    rows = table(lambda v: f"~{v}")
    model = dr.learn(rows, predict="y", using="number(replace(t, '~', ''))")
    assert model.record.weights[0].weight == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    "write",
    [
        lambda v: f"{v % 97} {['Main', 'Oak', 'Elm', 'High', 'Mill', 'Park'][v % 6]} Street",
        lambda v: f"A{v % 97}",
        lambda v: f"{v % 97:03d} kg",  # codes
        lambda v: f"{v % 97}x{v % 13}",
        lambda v: f"{v % 89}-{v % 7}",
    ],
)
def test_what_only_begins_with_digits_stays_text(write: Callable[[int], str]) -> None:
    rows = table(write).with_columns(x=pl.Series(VALUES % 7))
    assert "t" not in dr.learn(rows, predict="y").record.contract.formats


def test_a_target_of_few_values_with_a_unit_is_classes_and_of_many_numbers() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 300)
    few = pl.DataFrame({"x": x, "t": [f"{one} stars" for one in rng.integers(2, 5, 300)]})
    assert dr.learn(few, predict="t").record.loss == "softmax"
    many = pl.DataFrame({"x": x, "t": [f"{one:.3f} kg" for one in 5 + x]})
    model: Any = dr.learn(many, predict="t")
    assert model.record.loss == "squared"
    assert model.record.weights[0].weight == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "warned"),
    [([0.0, 0.12, 0.49], True), ([0.0, 12.0, 49.0], False), ([0.0, 1.0, 1.0], False)],
)
def test_fractions_where_per_cent_was_learnt_are_warned_of(
    tmp_path: Path, values: list[float], warned: bool
) -> None:
    rows = [f"{at}%,{at}" for at in range(50)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]))
    model = dr.learn(tmp_path / "t.csv", predict="y")
    pl.DataFrame({"x": values}).write_excel(tmp_path / "t.xlsx")
    for table in (tmp_path / "t.xlsx", pl.DataFrame({"x": values})):
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            model.predict(table)
        assert any("learnt as per cent" in str(one.message) for one in met) == warned
