"""Tables of every kind from the command line: databases, standard input, settings of files."""

import io
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr

SHOP = "select title, price, colour, sold from films where price > 2"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An SQLite database of two tables."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as base:
        base.execute("create table films (title text, price real, colour text, sold integer)")
        rows = [(f"film {at}", at % 9 + 0.5, ["red", "blue"][at % 2], at % 9 * 3 + at % 4)
                for at in range(90)]  # fmt: skip
        base.executemany("insert into films values (?, ?, ?, ?)", rows)
        base.execute("create table other (x integer)")
    base.close()
    return path


def test_a_table_or_a_query_is_learnt_from(shop: Path, run: Callable[..., Any]) -> None:
    words = ["learn", shop, "--predict", "sold", "--using", "price,colour", "--json"]
    assert "films, other" in run(*words).refused()
    whole = json.loads(run(*words, "--table", "films").out)
    assert whole["rows"] == 90
    some = json.loads(run(*words, "--query", SHOP).out)
    assert 0 < some["rows"] < 90
    known = dr.learn(dr.source(shop, query=SHOP), predict="sold", using=["price", "colour"])
    assert some["weights"] == known.to_dict()["weights"]
    assert "give one" in run(*words, "--table", "films", "--query", SHOP).refused()


def test_predictions_go_to_a_new_table_or_none(
    shop: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    model = tmp_path / "m.json"
    words = ["--predict", "sold", "--using", "price", "--table", "films", "--save", model]
    assert run("learn", shop, *words).code == 0
    made = run("predict", model, shop, "--table", "films", "--to-table", "forecast", "--flags")
    assert made.out == "90 rows written to the new table forecast\n"
    with sqlite3.connect(shop) as base:
        found = base.execute("select title, sold_prediction from forecast").fetchall()
    base.close()
    assert len(found) == 90
    known = dr.load(model).predict({"price": 0.5})["sold_prediction"]
    assert found[0] == ("film 0", known)
    again = run("predict", model, shop, "--table", "films", "--to-table", "forecast").refused()
    assert "forecast" in again
    assert dr.load(model).record.learnt_from == "shop.db, table films"


def test_columns_of_a_database(shop: Path, run: Callable[..., Any]) -> None:
    told = json.loads(run("columns", shop, "--table", "films", "--json").out)
    assert "SQLite" in told["dialect"]
    kinds = {one["column"]: one["kind"] for one in told["columns"]}
    assert kinds == {"title": "text", "price": "number", "colour": "category", "sold": "number"}


def test_standard_input_is_read_for_learning_and_for_predicting(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x;y\n" + "".join(f"{at},5;{at * 2}\n" for at in range(40))

    def given(content: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))

    given(text)
    ran = run("learn", "-", "--predict", "y", "--ridge", "0", "--save", tmp_path / "m.json")
    assert ran.code == 0, ran.err
    given(text)
    ran = run("predict", tmp_path / "m.json", "-", "--out", tmp_path / "p.csv")
    assert ran.code == 0, ran.err
    found = pl.read_csv(tmp_path / "p.csv")
    assert found["x"].to_list()[:2] == ["0,5", "1,5"]
    assert found["y_prediction"].to_list()[:2] == pytest.approx([0, 2])


def test_what_is_said_of_a_file_need_not_be_found_out(
    write: Callable[..., Path], run: Callable[..., Any]
) -> None:
    path = write("t.csv", "".join(f"{at}|{at * 3}\n" for at in range(30)))
    words = ["--predict", "column_2", "--read", "separator=|", "--read", "header=no", "--json"]
    told = json.loads(run("learn", path, *words).out)
    assert told["weights"][0]["weight"] == pytest.approx(3)
    assert "separator" in run("learn", path, "--predict", "y", "--read", "colour=red").refused()
    assert run("learn", path, "--predict", "y", "--read", "colour").code == 2


def test_expressions_and_flags_from_the_command_line(
    write: Callable[..., Path], tmp_path: Path, run: Callable[..., Any]
) -> None:
    rows = "".join(f"{at + 1},{1970 + at % 40},{'ab'[at % 2]},{at % 7}\n" for at in range(80))
    path = write("t.csv", "budget,year,genre,y\n" + rows)
    using = "log(budget), year - 1970, greatest(budget, 5), budget:genre"
    told = json.loads(run("learn", path, "--predict", "y", "--using", using, "--json").out)
    assert [one["input"] for one in told["weights"]][:3] == [
        "log(budget)",
        "year - 1970",
        "greatest(budget, 5)",
    ]
    model = tmp_path / "m.json"
    run("learn", path, "--predict", "y", "--using", "log(budget), genre", "--save", model)
    odd = write("u.csv", "budget,genre\n5,a\n5e9,z\n")
    ran = run("predict", model, odd, "--flags", "--out", tmp_path / "p.csv")
    assert ran.code == 0
    assert pl.read_csv(tmp_path / "p.csv")["flags"].to_list() == [
        None,
        "genre: never seen; log(budget): out of range",
    ]


def test_a_column_that_turns_to_text_after_the_look_is_predicted(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with sqlite3.connect(path) as base:
        base.execute("create table t (code, y real)")
        rows = [(str(at % 7) if at < 10_500 else f"a{at % 3}", at % 5) for at in range(11_000)]
        base.executemany("insert into t values (?, ?)", rows)
    base.close()
    model = dr.learn(path, predict="y", using=["code"])
    assert model.predict(path).height == model.compare(path).rows == 11_000


def test_a_query_of_endless_brackets_is_refused_at_once(shop: Path) -> None:
    with pytest.raises(dr.DeltaruleError, match="brackets 5,000 deep"):
        dr.source(shop, query="select " + "(" * 5000 + "1" + ")" * 5000)
