"""A target may be an expression of columns; what is one input is shown as one."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, ExpressionError, LearningError, ValueRefusedError
from deltarule.tables.expressions.expression import parse
from deltarule.tables.expressions.inverse import inverse_of

Sources = dict[str, Callable[[pl.DataFrame, Path], Any]]


@pytest.fixture(scope="module")
def houses(data: Path) -> pl.DataFrame:
    return pl.read_csv(data / "houses.csv")


def _sqlite(frame: pl.DataFrame, path: Path) -> str:
    with sqlite3.connect(path) as lite:
        lite.execute("create table houses (area real, price real)")
        lite.executemany("insert into houses values (?, ?)", frame.iter_rows())
    return str(path)


def _duckdb(frame: pl.DataFrame, path: Path) -> str:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(path)) as duck:
        duck.register("frame", frame.to_arrow())
        duck.execute("create table houses as select * from frame")
    return str(path)


def _file(write: str, ending: str) -> Callable[[pl.DataFrame, Path], str]:
    def written(frame: pl.DataFrame, path: Path) -> str:
        getattr(frame, write)(path.with_suffix(ending))
        return str(path.with_suffix(ending))

    return written


SOURCES: Sources = {
    "CSV": _file("write_csv", ".csv"),
    "Parquet": _file("write_parquet", ".parquet"),
    "NDJSON": _file("write_ndjson", ".ndjson"),
    "SQLite": lambda frame, path: _sqlite(frame, path.with_suffix(".db")),
    "DuckDB": lambda frame, path: _duckdb(frame, path.with_suffix(".duckdb")),
    "pandas": lambda frame, path: frame.to_pandas(),
    "dict": lambda frame, path: frame.to_dict(as_series=False),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_logarithm_is_learnt_and_turned_back(
    source: str, houses: pl.DataFrame, tmp_path: Path
) -> None:
    table = SOURCES[source](houses, tmp_path / "houses")
    model = dr.learn(table, predict="log(price)", ridge=0)
    area, logs = houses["area"].to_numpy(), np.log(houses["price"].to_numpy())
    slope, start = np.polyfit(area, logs, 1)
    assert model.coef == pytest.approx({"(intercept)": start, "area": slope}, rel=1e-9)
    model.save(tmp_path / "m.json")
    frame = dr.load(tmp_path / "m.json").predict(table, interval=0.9)
    found = pl.DataFrame(frame)
    assert found.columns == [
        *("log(price)_prediction", "price_prediction", "log(price)_low", "log(price)_high"),
        *("price_low", "price_high"),
    ]
    expected = start + slope * area
    assert np.allclose(found["log(price)_prediction"], expected, rtol=1e-9)
    for own, of in (("prediction", "prediction"), ("low", "low"), ("high", "high")):
        assert np.allclose(found[f"price_{own}"].log(), found[f"log(price)_{of}"], rtol=1e-12)
    # Prices are not needed to predict them.
    alone = pl.DataFrame(dr.load(tmp_path / "m.json").predict({"area": area.tolist()}))
    assert alone["price_prediction"].to_list() == found["price_prediction"].to_list()


def test_it_is_compared_diagnosed_and_shown_as_what_it_is(houses: pl.DataFrame) -> None:
    model = dr.learn(houses, predict="log(price)")
    logs = houses.select(pl.col("area"), logs=pl.col("price").log())
    twin = dr.learn(logs, predict="logs")
    (own,), (other,) = model.compare(houses).outputs, twin.compare(logs).outputs
    assert (own.output, own.rmse) == ("log(price)", pytest.approx(other.rmse, rel=1e-12))
    assert model.diagnose(houses).frame["row"].to_list() == (
        twin.diagnose(logs).frame["row"].to_list()
    )
    assert "log(price) = 10.9861 + 5.006e-05 * area" in str(model)
    assert model.to_dict()["targets"] == ["log(price)"]
    assert "the median" in " ".join(model.record.notes)
    steps = list(dr.steps(houses, predict="log(price)", alpha=1e-9, steps=3))
    assert len(steps) == 3


INVERSES = [
    "log(price)",
    "ln(price)",
    "log10(price)",
    "log2(price)",
    "log(price, 3)",
    "log1p(price)",
    "log(price + 1)",
    "log(1 + price / 1000)",
    "sqrt(price)",
    "sqrt(price) * 2 - 1",
    "price ** 3",
    "price ** 0.5",
    "exp(price / 100000)",
    "price / 1000",
    "5 - price",
    "-price",
    "3 * price",
    "-log(price) / 7",
]


@pytest.mark.parametrize("text", INVERSES)
def test_an_inverse_undoes_its_expression(text: str) -> None:
    values = np.array([1e-3, 0.5, 1.0, 17.0, 123_456.0])
    frame = pl.DataFrame({"price": values})
    made = frame.select(parse(text).polars(frame.schema)).to_series().to_numpy()
    inverse = inverse_of(text)
    assert inverse is not None
    assert inverse.column == "price"
    assert np.allclose(inverse.apply(made), values, rtol=1e-7)
    straight = np.allclose(np.polyval(np.polyfit(values, made, 1), values), made, rtol=1e-6)
    assert inverse.linear == straight


@pytest.mark.parametrize(
    "text",
    ["price - cost", "price ** 2", "abs(price)", "price % 7", "1 / price", "sin(price)",
     "price * 0", "round(price)", "price > 3", "price - price", "log(price, 1)", "price ** -1"],
)  # fmt: skip
def test_what_cannot_be_undone_is_not(text: str) -> None:
    assert inverse_of(text) is None


def test_predictions_no_value_of_the_column_could_give() -> None:
    found = inverse_of("exp(x)"), inverse_of("sqrt(x)")
    assert found[0] is not None
    assert found[1] is not None
    assert np.isnan(found[0].apply(np.array([-1.0, 0.0]))).all()
    assert found[1].apply(np.array([-1.0, 2.0])).tolist() == [0.0, 4.0]


def test_rows_where_it_is_not_defined_are_left_out_and_told(houses: pl.DataFrame) -> None:
    broken = pl.concat([houses, pl.DataFrame({"area": [1, 2, 3], "price": [0, -5, None]})])
    model = dr.learn(broken, predict="log(price)", ridge=0)
    assert model.coef == pytest.approx(dr.learn(houses, predict="log(price)", ridge=0).coef)
    assert model.record.rows_left_out == 3
    assert "3 left out: log(price) is missing" in str(model)
    assert model.compare(broken).rows_left_out == 3


def test_where_it_is_infinite_the_row_is_refused(houses: pl.DataFrame) -> None:
    with pytest.raises(ValueRefusedError, match=r"'exp\(price\)', row 1 is infinite"):
        dr.learn(houses, predict="exp(price)")


def test_its_columns_are_no_inputs_unless_named(houses: pl.DataFrame) -> None:
    more = houses.with_columns(cost=pl.col("price") / 2 + pl.col("area").cos() * 900)
    assert set(dr.learn(more, predict="price - cost").coef) == {"(intercept)", "area"}
    used = dr.learn(more, predict="price - cost", using=["area", "cost"])
    assert set(used.coef) == {"(intercept)", "area", "cost"}
    for target, input_ in (("log(price)", "price"), ("price / 9", "sqrt(price)")):
        with pytest.raises(LearningError, match="uses 'price', which is predicted"):
            dr.learn(more, predict=target, using=["area", input_])
    assert "cost_prediction" not in dr.learn(more, predict="price - cost").predict(more).columns


def test_yes_no_and_classes_may_be_expressions(houses: pl.DataFrame) -> None:
    yes_no = dr.learn(houses, predict="price > 80000")
    assert yes_no.record.loss == "logistic"
    text = "case when price > 120000 then 'high' when price > 70000 then 'middle' else 'low' end"
    classes = dr.learn(houses, predict=text)
    assert list(classes.record.contract.targets[0].classes) == ["high", "low", "middle"]
    assert set(classes.predict(houses).to_series(0)) <= {"high", "low", "middle"}


def test_the_column_itself_may_be_predicted_beside_it(houses: pl.DataFrame) -> None:
    model = dr.learn(houses, predict=["price", "log(price)"])
    assert model.predict(houses).columns == ["price_prediction", "log(price)_prediction"]


def test_text_that_spells_numbers(houses: pl.DataFrame, tmp_path: Path) -> None:
    dollars = houses.with_columns(pl.format("${}", "price").alias("price"))
    dollars.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="log(price)", ridge=0)
    assert model.coef == pytest.approx(dr.learn(houses, predict="log(price)", ridge=0).coef)
    assert "price_prediction" in model.predict(tmp_path / "t.csv").columns
    assert model.compare(tmp_path / "t.csv").rows == 80


def test_a_column_of_that_name_is_the_column(houses: pl.DataFrame) -> None:
    named = houses.rename({"price": "log(price)"})
    model = dr.learn(named, predict="log(price)", ridge=0)
    assert model.predict(named).columns == ["log(price)_prediction"]
    assert model.coef == pytest.approx(dr.learn(houses, predict="price", ridge=0).coef)


def test_names_that_are_not_there(houses: pl.DataFrame) -> None:
    for target in ("prise", "log(prise)"):
        with pytest.raises(ColumnError, match="no column 'prise': did you mean price"):
            dr.learn(houses, predict=target)
    with pytest.raises(ColumnError, match=r"no column 'price \(\$\)': did you mean price"):
        dr.learn(houses, predict="price ($)")


# One input, two inputs


@pytest.mark.parametrize(
    ("using", "shown"),
    [
        ("staff + rent", "* (staff + rent)"),
        ("rent - staff", "* (rent - staff)"),
        ("staff * rent", "* staff * rent"),
        ("staff > rent", "* (staff > rent)"),
        ("log(staff + rent)", "* log(staff + rent)"),
        ("-staff", "* -staff"),
    ],
)
def test_a_sum_is_shown_in_brackets(data: Path, using: str, shown: str) -> None:
    model = dr.learn(data / "shops.csv", predict="profit", using=using)
    (line,) = [line for line in str(model).splitlines() if "profit = " in line]
    assert line.endswith(shown)
    assert ("is one input, the sum" in str(model)) == (using == "staff + rent")


def test_a_columns_own_plus_is_shown_in_brackets(data: Path) -> None:
    frame = pl.read_csv(data / "shops.csv").rename({"staff": "staff + rent", "rent": "r"})
    model = dr.learn(frame, predict="profit")
    assert "* (staff + rent)" in str(model)
    assert "is one input" not in str(model)


def test_other_tools_ways_to_name_inputs_are_answered(data: Path) -> None:
    table = data / "shops.csv"
    with pytest.raises(ExpressionError, match="~ has no meaning here: say `--predict y"):
        dr.learn(table, predict="profit", using="profit ~ staff")
    with pytest.raises(ExpressionError, match="~ has no meaning here: say `--predict y"):
        dr.learn(table, predict="profit ~ staff + rent")
    with pytest.raises(LearningError, match=r"2 columns: give a list, \['staff', 'rent'\]"):
        dr.learn(table, predict="profit", using="staff,rent")
