"""Rows to predict that learning had not met the like of: told in Python, and beyond all numbers."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import PredictionWarning, TargetError, ValueRefusedError

MEMBERS = {
    "member": ["Yes", "No"] * 30,
    "age": [20.0 + at % 30 for at in range(60)],
    "spend": [20.0 + at % 3 + 10 * (at % 2 == 0) for at in range(60)],
}
ORDERS = {"ads": [at % 9 for at in range(80)], "orders": [at * 7 % 5 for at in range(80)]}


def told(call: Callable[[], Any]) -> list[str]:
    """The PredictionWarnings of a call, which gives no others."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert {one.category for one in found} <= {PredictionWarning}
    assert {Path(one.filename).name for one in found} <= {Path(__file__).name}
    return [str(one.message) for one in found]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"member": ["yes!", "No"], "age": [25.0, 25.0]}, ["member has a level never seen in 1"]),
        ({"member": ["Yes", "No"], "age": [25.0, 99.0]}, ["age is out of the range learnt from"]),
        ({"member": ["Yes", "No"], "age": [None, 30.0]}, ["age is missing in 1 of 2 rows"]),
        ({"member": [None, "No"], "age": [25.0, 30.0]}, ["member is missing in 1 of 2 rows"]),
        ({"member": ["x", None], "age": [None, -1.0]}, ["member has", "age is out", "age is miss"]),
        ({"member": ["Yes", "No"], "age": [25.0, 30.0], "other": [1, 2]}, []),
        ({"member": "Nope", "age": 25.0}, ["member has a level never seen in 1 of 1 rows"]),
    ],
)
def test_predicting_in_python_tells_what_is_new_once_a_call(
    rows: dict[str, Any], says: list[str]
) -> None:
    model = dr.learn(MEMBERS, predict="spend")
    found = told(lambda: model.predict(rows))
    assert len(found) == bool(says)
    assert all(one in found[0] for one in says)
    assert told(lambda: model.predict(rows, flags=True)) == []
    assert told(lambda: model.predict_noticing(rows)) == []


def test_gaps_that_were_learnt_from_are_nothing_new() -> None:
    gaps = {
        **MEMBERS,
        "age": [None if at % 5 == 0 else 20.0 + at % 30 for at in range(60)],
        "member": [None if at % 7 == 0 else "Yes" if at % 2 else "No" for at in range(60)],
    }
    model = dr.learn(gaps, predict="spend")
    assert told(lambda: model.predict({"member": [None, "Yes"], "age": [25.0, None]})) == []


def test_a_warning_can_be_made_an_error() -> None:
    model = dr.learn(MEMBERS, predict="spend")
    with warnings.catch_warnings():
        warnings.simplefilter("error", PredictionWarning)
        with pytest.raises(PredictionWarning, match="flags=True says of which rows"):
            model.predict({"member": ["?"], "age": [25.0]})


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie(1.5)", "squared"])
def test_predictions_beyond_all_numbers_are_told_in_words(loss: str) -> None:
    table = {**ORDERS, "orders": [float(1 + at % 5 + at % 9) for at in range(80)]}
    model = dr.learn(table, predict="orders", loss=loss, ridge=0)
    rows = {"ads": [2.0, 1e308 if loss == "squared" else 1e6, -1e6]}
    rows["ads"] = [at * (1 if model.record.weights[0].weight > 0 else -1) for at in rows["ads"]]
    if loss == "squared":
        model = dr.learn({**table, "ads": [at / 1e3 for at in ORDERS["ads"]]}, predict="orders")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for more in ({}, {"explain": True}, {"flags": True}, {"interval": 0.5}):
            predicted, notes = model.predict_noticing(rows, **more)
            assert predicted["orders_prediction"][1] == np.inf
            says = "orders_prediction is beyond all numbers in 1 of 3 rows"
            assert says in notes
    assert any("beyond all numbers" in one for one in told(lambda: model.predict(rows)))


def test_comparing_and_diagnosing_refuse_them_in_words() -> None:
    model = dr.learn(ORDERS, predict="orders", loss="poisson", ridge=0)
    sign = np.sign(model.record.weights[0].weight)
    far = {"ads": [2.0, sign * 1e6], "orders": [3, 5]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for asked in (lambda: model.compare(far), lambda: model.compare(far, model)):
            with pytest.raises(ValueRefusedError, match="errors are beyond all numbers"):
                asked()
        with pytest.raises(ValueRefusedError, match="row 2: its prediction is beyond all numbers"):
            model.diagnose(far)


def test_the_command_tells_them_without_a_word_of_python(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "m.json"
    model = dr.learn(ORDERS, predict="orders", loss="poisson", ridge=0)
    model.save(path)
    sign = int(np.sign(model.record.weights[0].weight))
    pl.DataFrame({"ads": [2, sign * 100_000]}).write_csv(tmp_path / "new.csv")
    ran = run("predict", str(path), str(tmp_path / "new.csv"), "--out", str(tmp_path / "o.csv"))
    assert ran.code == 0
    assert "Warning" not in ran.err
    assert "orders_prediction is beyond all numbers in 1 of 2 rows" in ran.err


@pytest.mark.parametrize("others", [0, 1])
def test_a_target_beyond_yes_and_no_is_named_with_its_column(others: int) -> None:
    table = {"x": range(60), "claims": [at % 7 == 3 for at in range(60)], "y": range(60)}
    table["claims"] = [int(value) for value in table["claims"]]
    predict = ["y", "claims"] if others else "claims"
    model = dr.learn(table, predict=predict, using="x")
    later = {"x": [1, 2, 3], "claims": [0, 2, 1], "y": [1, 2, 3]}
    with pytest.raises(TargetError, match="column 'claims', row 2: 2 is no target for logistic"):
        model.compare(later)


def test_many_columns_out_of_range_share_a_line() -> None:
    rng = np.random.default_rng(0)
    table = {f"x{at}": rng.uniform(size=50).tolist() for at in range(9)}
    model = dr.learn({**table, "y": rng.normal(size=50).tolist()}, predict="y")
    far = {name: [2.0] * (at + 1) + [0.5] * (9 - at) for at, name in enumerate(table)}
    with pytest.warns(PredictionWarning) as warned:
        model.predict(far)
    (said,) = [str(one.message) for one in warned]
    assert (
        "x8 in 9, x7 in 8, x6 in 7, x5 in 6, x4 in 5 of 10 rows and 4 more columns are out" in said
    )


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("form", ["frame", "dicts", "file"])
@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("x", "5 kg", "number"),
        ("x", "12%", "number"),
        ("day", "next week", "date"),
    ],
)
def test_cells_that_do_not_parse_are_new_and_words_for_missing_are_gaps(
    column: str, cell: str, what: str, form: str, *, gaps: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "x": [f"{one:.3f}" for one in rng.uniform(0, 9, 60)],
            "day": [f"2024-01-{1 + day % 28:02}" for day in range(60)],
            "y": rng.normal(size=60),
        }
    )
    learnt_from = table
    if gaps:
        learnt_from = table.with_columns(
            pl.when(pl.int_range(60) % 10 > 0).then(pl.col("x", "day"))
        )
    model = dr.learn(learnt_from, predict="y", using=["x", "weekday(day)"])

    def warned(cells: list[str]) -> str:
        rows = table[: len(cells)].with_columns(pl.Series(column, cells))
        given: Any = rows if form == "frame" else rows.to_dicts()
        if form == "file":
            rows.write_csv(given := tmp_path / "new.csv")
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always", PredictionWarning)
            model.predict(given)
        return "; ".join(str(one.message) for one in met if one.category is PredictionWarning)

    usual = table[column].to_list()
    said = warned([cell] * 3 + usual[3:50])
    assert f"{column}: 3 cells that are no {what}" in said
    assert f"'{cell}' (3 times, first in" in said
    assert f"no {what}" not in warned(["n/a"] * 3 + usual[3:50])
    if gaps:
        assert not warned(["n/a"] * 3 + usual[3:50])
