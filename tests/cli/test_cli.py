"""The command line: what each command prints, writes and returns."""

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

ONCE = ["--predict=gross", "--using=budget", "--no-intercept", "--start", "1"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with one.csv in it, and we are in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text("budget,gross\n200000,99750000\n")
    return tmp_path


def worked_out(alpha: float, steps: int) -> list[list[float]]:
    """The first example without the library: each column of a trace."""
    weight, rows = 1.0, []
    for _ in range(steps):
        prediction = 200_000.0 * weight
        delta = prediction - 99_750_000.0
        weight_delta = delta * 200_000.0
        weight -= alpha * weight_delta
        rows.append([prediction, delta, delta * delta, weight_delta, alpha * weight_delta, weight])
        if delta == 0:
            break
    return rows


def traced(out: str) -> list[list[float]]:
    """The numbers of a trace on the screen."""
    lines = [line.split() for line in out.split("\n\n")[0].splitlines()]
    head = ["step", "prediction", "delta", "error", "weight_delta", "alpha*weight_delta", "weight"]
    assert lines[1] == head
    assert [int(line[0]) for line in lines[2:]] == list(range(1, len(lines) - 1))
    return [[float(value) for value in line[1:]] for line in lines[2:]]


# The first example


def test_the_first_example_in_a_real_process(process: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("budget,gross\n200000,99750000\n")
    ran = process("learn", "one.csv", *ONCE, "--alpha", "1e-11", "--tolerance", "0", "--trace")
    assert (ran.code, ran.err) == (0, "")
    found = traced(ran.out)
    assert found == worked_out(1e-11, 100)
    assert len(found) == 73
    assert [row[5] for row in found[:3]] == [200.1, 319.56, 391.236]
    assert found[70][0] == 99749999.99999997
    assert found[70][5] == 498.74999999999994
    assert found[71][0] == 99749999.99999999
    assert found[71][5] == 498.75
    assert found[72] == [99750000.0, 0.0, 0.0, 0.0, 0.0, 498.75]
    assert "start weight 1.0" in ran.out
    assert "gross = 498.75 * budget" in ran.out
    assert "settled" in ran.out


def test_the_fastest_alpha_arrives_in_one_step(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha", "2.5e-11", "--tolerance", "0", "--trace")
    assert traced(ran.out) == worked_out(2.5e-11, 10)
    assert [row[5] for row in traced(ran.out)] == [498.75, 498.75]
    assert "settled after 1 step" in ran.out


def test_too_large_an_alpha_stops_as_diverging(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha", "6e-11", "--tolerance", "0", "--json")
    learnt = json.loads(ran.out)["learn"]
    assert "diverging" in learnt["stopped"]
    assert "below 5e-11 it settles" in learnt["stopped"]
    assert "2.5e-11 is fastest" in learnt["stopped"]
    assert "budget" in learnt["stopped"]
    assert learnt["alpha_limit"] == pytest.approx(5e-11, rel=1e-12)
    assert learnt["alpha_fastest"] == pytest.approx(2.5e-11, rel=1e-12)
    # It settles just below the limit, and not just above.
    for alpha, word in (("4.99e-11", "settled"), ("5.01e-11", "diverging")):
        ran = run("learn", "one.csv", *ONCE, "--alpha", alpha, "--json")
        assert word in json.loads(ran.out)["learn"]["stopped"]


def test_steps_stops_there_and_says_how_far_off(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha=1e-11", "--tolerance=0", "--steps=10", "--trace")
    found = traced(ran.out)
    assert found == worked_out(1e-11, 10)
    assert "stopped at the 10 steps allowed" in ran.out
    assert "495.74" in ran.out
    assert "498.75" in ran.out


# Tracing


@pytest.mark.parametrize(
    "asked",
    [
        {"alpha": 1e-4, "using": ["size", "age"]},
        {"learner": "momentum", "using": ["size", "age", "colour"]},
        {"alpha": 1e-5, "using": ["age"], "predict": ["price", "sold"]},
    ],
    ids=str,
)
def test_a_trace_file_has_every_number_that_steps_has(
    run: Callable[..., Any], mixed: pl.DataFrame, here: Path, asked: dict[str, Any]
) -> None:
    mixed.write_csv("t.csv")
    asked = {"predict": ["price"], **asked}
    options = [f"--predict={','.join(asked['predict'])}", f"--using={','.join(asked['using'])}"]
    options += [f"--{name}={asked[name]}" for name in ("alpha", "learner") if name in asked]
    ran = run("learn", "t.csv", *options, "--steps", "7", "--trace", "trace.csv")
    assert ran.code == 0
    assert ran.out.startswith("Predict\n")
    rows = list(csv.reader(io.StringIO((here / "trace.csv").read_text(encoding="utf-8"))))
    steps = list(dr.steps(mixed, **asked, steps=7))
    assert len(rows) == 1 + 7
    for row, step in zip(rows[1:], steps, strict=True):
        expected = [step.number, *step.comparison.prediction, *step.comparison.delta, step.error]
        assert step.alpha is not None
        assert step.moved is not None
        expected.append(step.alpha)
        for name in ("weight", "intercept"):
            parts = (step.comparison.weight_delta, step.moved, step.weights)
            expected += np.stack([part[name].ravel() for part in parts], axis=1).ravel().tolist()
        assert [float(value) for value in row[:-1]] == expected
    assert len(set(rows[0])) == len(rows[0])


def test_a_trace_goes_into_a_file_beside_json(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha=1e-11", "--trace", "t.csv", "--json")
    assert (
        json.loads(ran.out)["learn"]["steps"] == len((here / "t.csv").read_text().splitlines()) - 1
    )
    ran = run("learn", "one.csv", *ONCE, "--alpha=1e-11", "--trace", "--json")
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "ndjson", "CSV"])
def test_a_trace_is_what_its_files_ending_says(
    run: Callable[..., Any], here: Path, ending: str
) -> None:
    more = ["--alpha=1e-11", "--tolerance=0", "--trace-rows=1"]
    ran = run("learn", "one.csv", *ONCE, *more, "--trace", f"t.{ending}")
    assert (ran.code, ran.err) == (0, "")
    reader = {"parquet": pl.read_parquet, "CSV": pl.read_csv}.get(ending, pl.read_ndjson)
    found = reader(here / f"t.{ending}")
    assert found.height == 2 * 73
    assert found["row"].cast(pl.String).to_list() == ["all", "1"] * 73
    # The only row says what all rows do.
    one, whole = found.filter(pl.col("row") == "1"), found.filter(pl.col("row") != "1")
    for column in ("prediction", "delta", "error", "weight_delta", "weight"):
        assert one[column].to_list() == whole[column].to_list()
        assert whole[column].to_list()[:5] == [
            row[["prediction", "delta", "error", "weight_delta", "", "weight"].index(column)]
            for row in worked_out(1e-11, 5)
        ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--trace=t.txt"], "must end in .csv, .parquet, .jsonl or .ndjson"),
        (["--trace=t.csv", "--trace-rows=one"], "'one' is no number of a row"),
        (["--trace=t.csv", "--trace-rows=0"], "it must be a whole number, 1 or more"),
        (["--trace=t.csv", "--trace-rows=2"], "the last of them is row 1"),
        (["--words", "--json"], "words are for the screen"),
        (["--words", "--trace"], "--words is a trace on the screen itself"),
    ],
)
def test_a_trace_that_cannot_be_is_refused(
    run: Callable[..., Any], here: Path, more: list[str], words: str
) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha=1e-11", *more)
    assert ran.code == 2
    assert words in " ".join(ran.err.replace("│", " ").split())
    assert not list(here.glob("t.*"))


def test_each_step_is_spelled_out(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--alpha=1e-11", "--tolerance=0", "--words")
    assert ran.code == 0
    lines = ran.out.split("\n\n")[0].splitlines()
    assert len(lines) == 4 * 73
    assert lines[:3] == [
        "step 1, row 1",
        "  predict  budget 200,000 * weight 1 = 200,000",
        "  compare  predicted 200,000, gross is 99,750,000: delta -99,550,000, "
        "squared error 9.9102025e15",
    ]
    assert lines[3].endswith("the weight goes up by 199.1, from 1 to 200.1")
    assert lines[-1].endswith("the weight stays at 498.75")
    ran = run("learn", "one.csv", *ONCE, "--words")
    assert ran.out.startswith("solved exactly: there are no steps to trace")


def test_a_row_that_was_left_out_is_told(run: Callable[..., Any], here: Path) -> None:
    (here / "gap.csv").write_text("budget,gross\n1,2\n2,\n3,5\n")
    ran = run("learn", "gap.csv", *ONCE, "--alpha=1e-3", "--steps=2", "--words", "--trace-rows=2")
    assert "row 2 of gap.csv was left out" in ran.err
    ran = run("learn", "gap.csv", *ONCE, "--alpha=1e-3", "--steps=1", "--words", "--trace-rows=3")
    assert "predicted 3, gross is 5: delta -2, squared error 4" in ran.out
    assert "it pulls the weight up by 0.006; all 2 rows together" in ran.out


def test_a_trace_where_there_are_no_steps(run: Callable[..., Any], here: Path) -> None:
    ran = run("learn", "one.csv", *ONCE, "--trace")
    assert ran.code == 0
    assert "no steps" in ran.out
    ran = run("learn", "one.csv", *ONCE, "--trace", "t.csv")
    assert ran.code == 0


def test_a_trace_alone_may_stand_anywhere(run: Callable[..., Any], here: Path) -> None:
    first = run("learn", "--trace", "--alpha=2.5e-11", *ONCE, "one.csv")
    last = run("learn", "one.csv", *ONCE, "--alpha=2.5e-11", "--trace")
    assert first.code == last.code == 0
    assert first.out == last.out
    assert traced(first.out) == worked_out(2.5e-11, 3)


# JSON

KEYS = {
    "": "rows examples rows_left_out rows_left_out_by_cause loss targets outputs weights "
    "intercept fit held_out held_out_by learn columns notes",
    "weights": "output input level weight standard_error low high",
    "intercept": "output weight standard_error low high",
    "fit": "rmse r2 residual_sd",
    "held_out": "folds rmse r2 baseline_rmse rows loss baseline_loss absolute_error "
    "baseline_absolute_error classes",
    "held_out_by": "by column folds cuts table",
    "learn": "targets loss learner reads passes sampled steps stopped alpha alpha_limit "
    "alpha_fastest ridge lasso minimised condition errors cluster_by clusters freedom",
    "columns": "column kind done",
}
MAY_ADD = {
    "weights": {"t", "p"},
    "intercept": {"t", "p"},
    "fit": {"deviance", "null_deviance", "log_likelihood", "aic", "pseudo_r2"}
    | {"dispersion", "spread"},
    "held_out": {"output", "guess", "below"},
    "learn": {"batch", "epochs", "gradient_left", "error_above_least", "way_left", "errors"},
}


def no_constants(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--ridge=0"],
        ["--ridge=1", "--no-intercept"],
        ["--predict=price,sold"],
        ["--loss=poisson", "--predict=sold"],
        ["--loss=logistic", "--predict=new"],
        ["--alpha=1e-5", "--using=age", "--steps=3"],
        ["--alpha=1", "--using=age", "--steps=3"],
        ["--learner=momentum"],
        ["--weight=sold"],
        ["--using=age,age2"],
        ["--using=age", "--freeze=age"],
        ["--predict=exact"],
    ],
    ids=str,
)
def test_json_has_the_promised_keys_and_finite_numbers(
    run: Callable[..., Any], mixed: pl.DataFrame, here: Path, options: list[str]
) -> None:
    table = mixed.with_columns(age2=2 * pl.col("age"), exact=3 * pl.col("age"))
    table.write_csv("t.csv")
    if not any(option.startswith("--predict") for option in options):
        options = ["--predict=price", *options]
    ran = run("learn", "t.csv", *options, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    found = json.loads(ran.out, parse_constant=no_constants)
    assert found.keys() == set(KEYS[""].split())
    several = len(found["outputs"]) > 1
    assert isinstance(found["fit"], list) == several
    assert isinstance(found["held_out"], list) == several
    for part, keys in KEYS.items():
        whole = found if part == "" else found[part]
        for one in whole if isinstance(whole, list) else [whole]:
            if part == "held_out" and one is None:
                assert "diverging" in found["learn"]["stopped"]
                continue
            assert set(keys.split()) <= one.keys()
            assert one.keys() - set(keys.split()) <= MAY_ADD.get(part, set())
    assert len(found["weights"]) % len(found["outputs"]) == 0
    named = {one["column"] for one in found["columns"]}
    if not any(option.startswith("--using") for option in options):
        assert named == set(table.columns)


def test_json_has_full_precision(run: Callable[..., Any], mixed: pl.DataFrame, here: Path) -> None:
    mixed.write_csv("t.csv")
    found = json.loads(run("learn", "t.csv", "--predict=price", "--json", "--save=m.json").out)
    model = dr.load("m.json")
    assert [one["weight"] for one in found["weights"]] == [w.weight for w in model.record.weights]
    assert json.loads(run("show", "m.json", "--json").out) == found


# Saving, showing, comparing, predicting


@pytest.fixture
def saved(run: Callable[..., Any], mixed: pl.DataFrame, here: Path) -> dr.Model:
    """A model in m.json, learnt from t.csv."""
    mixed.write_csv("t.csv")
    using = "--using=size,age,colour,new"
    ran = run("learn", "t.csv", "--predict=price", using, "--ridge=0", "--save", "m.json")
    assert (ran.code, ran.err) == (0, "")
    return dr.load("m.json")


def test_learn_prints_the_model_it_saves(run: Callable[..., Any], saved: dr.Model) -> None:
    using = "--using=size,age,colour,new"
    ran = run("learn", "t.csv", "--predict=price", using, "--ridge=0")
    assert ran.out == f"{saved}\n"


def test_show_has_every_weight_and_column(run: Callable[..., Any], saved: dr.Model) -> None:
    ran = run("show", "m.json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(str(saved))
    for weight in saved.record.weights:
        assert re.search(rf"price\s+{weight.input}\s+", ran.out)
    for column in saved.record.columns:
        assert column.done in ran.out
    assert "t.csv" in ran.out


def test_compare_says_what_the_model_says(
    run: Callable[..., Any], saved: dr.Model, mixed: pl.DataFrame
) -> None:
    ran = run("compare", "m.json", "t.csv")
    assert (ran.code, ran.out) == (0, f"{saved.compare('t.csv')}\n")
    found = json.loads(run("compare", "m.json", "t.csv", "--json").out, parse_constant=no_constants)
    assert found["rows"] == 294
    assert found["rows_left_out"] == 6
    assert found["outputs"][0]["rmse"] == saved.compare(mixed).outputs[0].rmse


def test_predict_on_the_screen(run: Callable[..., Any], saved: dr.Model) -> None:
    ran = run("predict", "m.json", "t.csv", "--rows", "3")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split()[-1] == "price_prediction"
    assert "297 more rows" in lines[-1]
    assert len(lines) == 1 + 3 + 1
    assert "ignored" in ran.err
    # Notes are for a person; what is printed is the table alone.
    assert "ignored" not in ran.out


@pytest.mark.parametrize("ending", ["csv", "parquet", "CSV"])
@pytest.mark.parametrize("explain", [False, True])
def test_predict_writes_all_rows_beside_the_tables_own_columns(
    run: Callable[..., Any], saved: dr.Model, mixed: pl.DataFrame, ending: str, explain: bool
) -> None:
    more = ["--explain"] if explain else []
    ran = run("predict", "m.json", "t.csv", "--out", f"o.{ending}", *more)
    assert (ran.code, ran.out) == (0, f"{mixed.height} rows written to o.{ending}\n")
    reader = pl.read_parquet if ending == "parquet" else pl.read_csv
    found = reader(f"o.{ending}")
    expected = saved.explain(mixed) if explain else saved.predict(mixed)
    assert found.columns == [*mixed.columns, *expected.columns]
    assert found.select(expected.columns).equals(expected)
    assert found["age"].cast(pl.Int64).to_list() == mixed["age"].to_list()


def test_predict_to_the_screen_as_csv(
    run: Callable[..., Any], saved: dr.Model, mixed: pl.DataFrame
) -> None:
    ran = run("predict", "m.json", "t.csv", "--out", "-")
    found = pl.read_csv(io.StringIO(ran.out))
    assert found["price_prediction"].to_list() == saved.predict(mixed).to_series().to_list()


def test_predict_a_table_already_predicted(run: Callable[..., Any], saved: dr.Model) -> None:
    assert run("predict", "m.json", "t.csv", "--out", "o.csv").code == 0
    again = run("predict", "m.json", "o.csv", "--out", "o2.csv")
    assert again.code == 0
    assert "price_prediction, as predictions are called: it is now" in again.err
    once, twice = pl.read_csv("o.csv"), pl.read_csv("o2.csv")
    assert twice["price_prediction_in_table"].equals(once["price_prediction"])
    assert twice.drop("price_prediction_in_table").equals(once)


def test_predict_over_its_own_table(run: Callable[..., Any], saved: dr.Model) -> None:
    before = Path("t.csv").read_bytes()
    assert "--out t.csv" in run("predict", "m.json", "t.csv", "--out", "t.csv").refused()
    assert Path("t.csv").read_bytes() == before


def test_predict_keeps_the_tables_own_cells_as_they_were(
    run: Callable[..., Any], saved: dr.Model, here: Path
) -> None:
    (here / "n.csv").write_text(
        "id,size,age,colour,new,day\n007,50,30,red,true,01/02/2020\n1e3,51.50,31,green,false,x\n"
        "12345678901234567,52,32,red,true,y\n"
    )
    assert run("predict", "m.json", "n.csv", "--out", "o.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((here / "o.csv").read_text())))
    assert [row["id"] for row in rows] == ["007", "1e3", "12345678901234567"]
    assert [row["day"] for row in rows] == ["01/02/2020", "x", "y"]


def test_predict_a_table_without_rows(run: Callable[..., Any], saved: dr.Model, here: Path) -> None:
    (here / "none.csv").write_text("size,age,colour,new\n")
    ran = run("predict", "m.json", "none.csv", "--out", "o.csv")
    assert (ran.code, ran.err) == (0, "")
    assert (here / "o.csv").read_text() == "size,age,colour,new,price_prediction\n"
    assert run("predict", "m.json", "none.csv").code == 0


def test_predict_a_parquet_table_whose_columns_csv_cannot_hold(
    run: Callable[..., Any], saved: dr.Model, mixed: pl.DataFrame, here: Path
) -> None:
    mixed.with_columns(tags=pl.lit([1, 2])).write_parquet("t.parquet")
    assert run("predict", "m.json", "t.parquet", "--out", "o.parquet").code == 0
    line = run("predict", "m.json", "t.parquet", "--out", "o.csv").refused()
    assert "'tags'" in line
    assert not (here / "o.csv").exists()


def test_predict_refuses_an_ending_it_cannot_write(
    run: Callable[..., Any], saved: dr.Model, here: Path
) -> None:
    ran = run("predict", "m.json", "t.csv", "--out", "o.xlsx")
    assert ran.code == 2
    assert "o.xlsx" in ran.err
    assert ran.out == ""
    line = run("predict", "m.json", "t.csv", "--out", "nowhere/o.csv").refused()
    assert "cannot write" in line
    assert not (here / "o.xlsx").exists()


# Names


def test_names_with_commas_quotes_and_equals_signs(run: Callable[..., Any], here: Path) -> None:
    rows = "".join(f"{at},{at * at % 7},{'pq'[at % 2]},{at % 5}\n" for at in range(40))
    (here / "t.csv").write_text('"a, b","y, z",c=d,"e ""f"""\n' + rows)
    predict, using = '--predict="y, z"', '"a, b",c=d,"e ""f"""'
    ran = run("learn", "t.csv", predict, "--using", using, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["outputs"] == ["y, z"]
    assert {one["input"] for one in found["weights"]} == {"a, b", "c=d", 'e "f"'}
    ran = run("learn", "t.csv", predict, "--using", "c=d", "--reference", "c=d=q", "--json")
    assert ran.code == 0, ran.err
    assert [one["level"] for one in json.loads(ran.out)["weights"]] == ["p"]
    freeze = ["--freeze", '"a, b=2"', "--freeze", "c=d=q=1.5"]
    ran = run("learn", "t.csv", predict, "--using", '"a, b",c=d', *freeze, "--json")
    assert ran.code == 0, ran.err
    weights = {
        (one["input"], one["level"]): one["weight"] for one in json.loads(ran.out)["weights"]
    }
    assert weights == {("a, b", None): 2.0, ("c=d", "q"): 1.5}


def test_columns_may_be_named_in_one_option_or_several(
    run: Callable[..., Any], mixed: pl.DataFrame, here: Path
) -> None:
    mixed.write_csv("t.csv")
    one = run("learn", "t.csv", "--predict", "price,sold", "--using", "age, size")
    other = run(
        "learn", "t.csv", "--predict=price", "--predict=sold", "--using=age", "--using", " size"
    )
    assert one.code == 0
    assert one.out == other.out


def test_a_name_of_spaces_at_its_ends(run: Callable[..., Any], here: Path) -> None:
    (here / "t.csv").write_text("x, y\n1,2\n2,3\n3,5\n4,4\n")
    assert run("learn", "t.csv", "--predict", " y").code == 0
    # A typed table's names are as they stand.
    pl.read_csv("t.csv").write_parquet("t.parquet")
    assert run("learn", "t.parquet", "--predict", '" y"').code == 0
    assert "' y'" in run("learn", "t.parquet", "--predict", "y").refused()


def test_reference_start_and_freeze(
    run: Callable[..., Any], mixed: pl.DataFrame, here: Path
) -> None:
    mixed.drop_nulls().write_csv("t.csv")
    asked = ["learn", "t.csv", "--predict=price", "--using=age,colour", "--ridge=0", "--json"]
    plain, other = (
        json.loads(run(*asked, *more).out) for more in ([], ["--reference", "colour=green"])
    )
    was = {one["level"]: one["weight"] for one in plain["weights"]}
    now = {one["level"]: one["weight"] for one in other["weights"]}
    assert set(was) == {None, "green", "blue", "a, b"}
    assert set(now) == {None, "red", "blue", "a, b"}
    assert now["red"] == pytest.approx(-was["green"], rel=1e-9)
    assert now["blue"] == pytest.approx(was["blue"] - was["green"], rel=1e-9)
    frozen = json.loads(run(*asked, "--freeze", "age=0.25,colour=green=2").out)
    held = {(one["input"], one["level"]): one["weight"] for one in frozen["weights"]}
    assert held["age", None] == 0.25
    assert held["colour", "green"] == 2.0
    free = {"colour": mixed.drop_nulls()["colour"]}
    left = mixed.drop_nulls()["price"] - 0.25 * mixed.drop_nulls()["age"]
    rest = left - 2.0 * (free["colour"] == "green")
    others = ~free["colour"].is_in(["blue", "a, b"])
    assert held["colour", "blue"] == pytest.approx(
        rest.filter(free["colour"] == "blue").mean() - rest.filter(others).mean(), rel=1e-9
    )
    asked = ["learn", "t.csv", "--predict=price", "--using=age", "--alpha=1e-5", "--steps=1"]
    started = run(*asked, "--start", "age=1.5,intercept=2", "--trace")
    assert "start weight[age] 1.5, weight[intercept] 2.0" in started.out


# Usage


@pytest.mark.parametrize("command", [[], ["learn"], ["compare"], ["predict"], ["show"], ["demo"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(run: Callable[..., Any], command: list[str], flag: str) -> None:
    ran = run(*command, flag)
    assert (ran.code, ran.err) == (0, "")
    usage = next(line for line in ran.out.splitlines() if line.startswith("Usage: "))
    assert usage.startswith(f"Usage: {' '.join(['deltarule', *command])} ")
    assert "[OPTIONS]" in usage
    if command == ["learn"]:
        wanted = (
            "predict using loss ridge no-intercept missing weight folds learner alpha start steps "
            "tolerance freeze trace save json"
        )
        for option in wanted.split():
            assert f"--{option}" in ran.out
    assert "[default: None]" not in ran.out


def test_no_command_at_all_shows_help(run: Callable[..., Any]) -> None:
    ran = run()
    assert ran.code in (0, 2)
    assert "deltarule [OPTIONS] COMMAND" in ran.out + ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["--nope"],
        ["learn"],
        ["learn", "one.csv"],
        ["learn", "one.csv", "--predict"],
        ["learn", "one.csv", *ONCE, "--nope"],
        ["learn", "one.csv", *ONCE, "extra.csv"],
        ["learn", "one.csv", *ONCE, "--alpha", "small"],
        ["learn", "one.csv", *ONCE, "--folds", "2.5"],
        ["learn", "one.csv", *ONCE, "--steps", "many"],
        ["learn", "one.csv", *ONCE, "--ridge", "some"],
        ["learn", "one.csv", *ONCE, "--ridge", "nan"],
        ["learn", "one.csv", *ONCE, "--start", "x"],
        ["learn", "one.csv", *ONCE, "--reference", "genre"],
        ["learn", "one.csv", *ONCE, "--loss", "hinge"],
        ["learn", "one.csv", "--predict", ","],
        ["learn", "one.csv", *ONCE, "--using", "budget,budget"],
        ["predict", "m.json"],
        ["predict", "m.json", "one.csv", "--rows", "0"],
        ["compare", "m.json"],
        ["show"],
        ["demo", "here"],
    ],
    ids=str,
)
def test_wrong_usage_exits_with_two(
    run: Callable[..., Any], here: Path, arguments: list[str]
) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err
    assert "Traceback" not in ran.err
    assert [one.name for one in here.iterdir()] == ["one.csv"]


# The demo


def test_demo_learns_compares_and_explains_and_can_be_repeated(
    process: Callable[..., Any], run: Callable[..., Any], here: Path, films: Path
) -> None:
    first = process("demo")
    assert (first.code, first.err) == (0, first.err)
    assert "Traceback" not in first.err
    assert (here / "movies.csv").read_bytes() == films.read_bytes()
    commands = re.findall(r"^\$ deltarule (.*)$", first.out, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["learn", "compare", "explain"]
    assert "PROVENANCE.md" in first.out
    assert Path(re.search(r"^(.*PROVENANCE\.md)$", first.out, re.MULTILINE)[1]).is_file()
    # A reader who repeats a command sees the same.
    for command in commands:
        assert run(*shlex.split(command)).out in first.out
    again = run("demo")
    assert again.code == 0
    assert again.out.endswith(first.out[first.out.index("$ deltarule learn") :])


def test_demo_keeps_another_film_table(run: Callable[..., Any], here: Path) -> None:
    (here / "movies.csv").write_text("mine\n")
    line = run("demo").refused()
    assert "movies.csv" in line
    assert (here / "movies.csv").read_text() == "mine\n"
    assert sorted(one.name for one in here.iterdir()) == ["movies.csv", "one.csv"]


def test_demo_where_movies_is_a_folder(run: Callable[..., Any], here: Path) -> None:
    (here / "movies.csv").mkdir()
    assert "movies.csv" in run("demo").refused()


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path, films: Path) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -c 'from deltarule.cli import main; main()' learn '{films}' "
        "--predict gross --using budget --alpha 1e-18 --steps 3000 --trace | head -n 3",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == ""
