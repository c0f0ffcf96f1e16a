"""Columns that are no inputs are told, with the reason; those with information are inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, LearningError
from deltarule.tables.files.dictionaries import arrow_dictionaries, parquet_dictionaries

RNG = np.random.default_rng(41)
N = 160
X, NOISE = RNG.normal(size=N), RNG.normal(size=N)
GAP = RNG.random(N) < 0.4

Write = Callable[..., Path]


def learn(table: Any, **asked: Any) -> dr.Model:
    return dr.learn(table, **{"predict": "y", "ridge": 0, **asked})


def inputs(model: dr.Model) -> list[tuple[str, str | None]]:
    return [(one.input, one.level) for one in model.record.weights]


# What is told


REASONS = {
    "constant": ([3.5] * N, "always 3.5"),
    "rarely blank": ([None] + [1] * (N - 1), "always 1 where it is not missing"),
    "always blank": ([None] * N, "no value in it"),
    "one word": (["same"] * N, "always same"),
    "text": ([f"film {at}" for at in range(N)], "nearly unique"),
    "lists": ([[at] for at in range(N)], "columns of this kind"),
    "": ([*range(N)], "it only numbers the rows"),
    "Unnamed: 0": ([*range(1, N + 1)], "it only numbers the rows"),
    "__index_level_0__": ([int(at) for at in RNG.permutation(N)], "it only numbers the rows"),
    "row_name": ([*range(50), *range(N - 50)], "it only numbers the rows"),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_column_left_out_is_told_with_the_reason(name: str) -> None:
    values, why = REASONS[name]
    table = pl.DataFrame({"x": X, name: values, "y": X + NOISE}, strict=False)
    model = learn(table)
    called = name or "the column without a name"
    told = [note for note in model.record.notes if note.startswith(f"{called} is left out: {why}")]
    assert len(told) == 1
    assert told[0] in model.to_dict()["notes"]
    assert " ".join(told[0].split()) in " ".join(str(model).split())
    assert inputs(model) == [("x", None)]


def test_what_was_asked_for_by_name_is_told_line_by_line_and_the_rest_in_one() -> None:
    constants = {f"k{at:02}": [at] * N for at in range(40)}
    table = {"x": X, **constants, "y": X + NOISE}
    notes = learn(table).record.notes
    assert sum("is left out" in note for note in notes) == 12
    assert any("28 other columns are left out" in note for note in notes)
    notes = learn(table, using=["x", *constants]).record.notes
    assert sum("is left out: always" in note for note in notes) == 40


def test_a_date_of_which_no_part_is_asked_for_is_told() -> None:
    at = pl.time_range(pl.time(0, 0), pl.time(2, 39), "1m", eager=True)
    model = learn(pl.DataFrame({"x": X, "at": at, "y": X}), dates=["year"])
    assert any(note.startswith("at is left out") for note in model.record.notes)


# Rows' numbers


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("t", [*range(N)]),  # a trend
        ("", np.round(X, 2)),  # measured
        ("Unnamed: 0", [at % 7 for at in range(N)]),
        ("Unnamed: 0", [None, *range(N - 1)]),
        ("named: 0", [*range(N)]),
    ],
)
def test_numbers_that_are_no_row_numbers_are_inputs(name: str, values: Any) -> None:
    table = pl.DataFrame({"x": X, name: values, "y": X + NOISE}, strict=False)
    assert (name, None) in inputs(learn(table))


def test_row_numbers_that_are_asked_for_are_used(write: Write) -> None:
    rows = "".join(f"{at},{at % 5},{3 * at}\n" for at in range(30))
    path = write("t.csv", "Unnamed: 0,x,y\n" + rows)
    model = learn(path, using=["Unnamed: 0"])
    assert model.record.weights[0].weight == pytest.approx(3)
    assert inputs(learn(path)) == [("x", None)]


# A value or blank: what it says is whether it is there


FLAGS: dict[str, Any] = {
    "1": [None if gap else 1 for gap in GAP],
    "2.5": [None if gap else 2.5 for gap in GAP],
    "true": [None if gap else True for gap in GAP],
    "Y": [None if gap else "Y" for gap in GAP],
    "-3": [None if gap else -3.0 for gap in GAP],
}


@pytest.mark.parametrize("level", FLAGS)
@pytest.mark.parametrize("ending", ["", "csv", "parquet", "ndjson"])
@pytest.mark.parametrize("learner", [None, "newton"])
def test_a_value_or_blank_is_used(
    tmp_path: Path, level: str, ending: str, learner: str | None
) -> None:
    table = pl.DataFrame({"x": X, "flag": FLAGS[level], "y": X - 8.0 * GAP + NOISE})
    source: Any = table
    if ending:
        source = tmp_path / f"t.{ending}"
        getattr(table, f"write_{ending}")(source)
    model = learn(source, learner=learner, reference={"flag": level})
    assert inputs(model) == [("x", None), ("flag", "(missing)")]
    # The same as a column of 0 and 1 by least squares.
    design = np.column_stack([np.ones(N), X, GAP])
    best = np.linalg.lstsq(design, table["y"].to_numpy(), rcond=None)[0]
    assert [one.weight for one in model.record.weights] == pytest.approx(best[1:], rel=1e-7)
    model.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json")
    expected = design @ best
    for rows in (source, table.to_dicts(), table.to_pandas()):
        found = pl.DataFrame(loaded.predict(rows))["y_prediction"].to_numpy()
        assert found == pytest.approx(expected, rel=1e-6)


def test_a_value_or_blank_is_the_same_however_a_number_is_written(write: Write) -> None:
    rows = [f"{x},{'' if gap else '1'},{x - 8 * gap}" for x, gap in zip(X, GAP, strict=True)]
    model = learn(write("t.csv", "x,flag,y\n" + "\n".join(rows)))
    other = model.predict(write("u.csv", "x,flag\n0,1.0\n0,\n0,2\n"), flags=True)
    assert other["y_prediction"].to_list()[:2] == pytest.approx([0, -8])
    assert other["flags"].to_list()[2] == "flag: never seen"


def test_a_value_or_blank_beside_another_is_no_second_input() -> None:
    table = pl.DataFrame({"a": FLAGS["1"], "b": FLAGS["2.5"], "y": NOISE - GAP})
    model = learn(table)
    assert inputs(model) == [("a", "(missing)")]
    assert any(
        note == "b is left out: always 2.5, and missing on the same rows as a"
        for note in model.record.notes
    )


def test_a_value_or_blank_is_measured_from_its_value() -> None:
    table = pl.DataFrame({"flag": FLAGS["1"], "y": NOISE - GAP})
    with pytest.raises(LearningError, match="compared with 1"):
        learn(table, reference={"flag": "(missing)"})


# Categories of numbers


ZONES = RNG.integers(1, 5, N)
PRICES = np.array([0, 10, -5, 30, 2])[ZONES] + NOISE

LABELS: dict[str, Any] = {
    "whole": pd.Categorical(ZONES),
    "ordered": pd.Categorical(ZONES, ordered=True),
    "fractions": pd.Categorical(ZONES + 0.5),
    "whole as fractions": pd.Categorical(ZONES.astype(float)),
    "gaps": pd.Categorical([None if zone == 4 else zone for zone in ZONES]),
    "bands": pd.cut(ZONES, [0, 1, 2, 3, 4]),
    "ranges": pd.arrays.IntervalArray.from_arrays(ZONES - 1, ZONES),
    "mixed": pd.Categorical([("a", "b", 3, 4)[zone - 1] for zone in ZONES]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_pandas_are_categories(kind: str) -> None:
    table = pd.DataFrame({"zone": LABELS[kind], "y": PRICES})
    model = learn(table)
    text = learn({"zone": [str(zone) for zone in ZONES], "y": PRICES})
    assert model.r2 == pytest.approx(text.r2, abs=0.01)
    assert len(inputs(model)) == 3
    fitted = model.predict(table)["y_prediction"].to_numpy()
    assert fitted == pytest.approx(text.predict({"zone": ZONES})["y_prediction"], rel=1e-9)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "stream", "table"])
@pytest.mark.parametrize("kind", ["whole", "fractions", "whole as fractions"])
def test_dictionaries_of_numbers_are_categories(tmp_path: Path, ending: str, kind: str) -> None:
    table = pd.DataFrame({"n": ZONES, "zone": LABELS[kind], "y": PRICES})
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    path: Any = tmp_path / f"t.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    elif ending == "arrow":
        with pa.ipc.new_file(path, arrow.schema) as file:
            file.write_table(arrow)
    elif ending == "stream":
        path = tmp_path / "t.arrow"
        with pa.ipc.new_stream(path, arrow.schema) as file:
            file.write_table(arrow)
    else:
        path = arrow
    found = learn(path, using=["zone"])
    expected = learn(table, using=["zone"])
    assert inputs(found) == inputs(expected)
    assert len(inputs(found)) == 3
    assert inputs(learn(path, using=["n"])) == [("n", None)]
    # Names come from the value alone.
    labels = {"zone": [0.5 * (kind == "fractions") + 1], "n": [1]}
    assert found.predict(labels)["y_prediction"][0] == pytest.approx(
        PRICES[ZONES == 1].mean(), rel=1e-9
    )


def test_dictionaries_are_read_off_schemas_alone(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1], "c": ["a"]}).write_parquet(tmp_path / "p.parquet")
    assert parquet_dictionaries(tmp_path / "p.parquet") == set()
    pd.DataFrame({"x": [1], "c": pd.Categorical([2])}).to_parquet(tmp_path / "q.parquet")
    assert parquet_dictionaries(tmp_path / "q.parquet") == {"c"}
    table = pa.table({"é": pa.array([5, 6]).dictionary_encode(), "x": [1, 2]})
    with pa.ipc.new_file(tmp_path / "f.arrow", table.schema) as file:
        file.write_table(table)
    whole = (tmp_path / "f.arrow").read_bytes()
    assert arrow_dictionaries(tmp_path / "f.arrow") == {"é"}
    # Whatever stands there, it is a set of names.
    rng = np.random.default_rng(7)
    for _ in range(300):
        broken = bytearray(whole[: rng.integers(len(whole) + 1)])
        for at in rng.integers(0, max(len(broken), 1), 3 if broken else 0):
            broken[at] = rng.integers(256)
        (tmp_path / "b.arrow").write_bytes(broken)
        assert isinstance(arrow_dictionaries(tmp_path / "b.arrow"), set)


@pytest.mark.parametrize(
    ("there", "asked"),
    [("gro\u0308ße", "größe"), ("größe", "gro\u0308ße"), ("x\u200b", "x"), ("\u200ex", "x")],
)
def test_a_name_that_only_looks_the_same_is_told_as_such(there: str, asked: str) -> None:
    rows = pl.DataFrame({there: [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]})
    with pytest.raises(ColumnError, match="only looks the same") as refused:
        dr.learn(rows, predict="y", using=f'"{asked}"')
    assert ascii(there) in str(refused.value)
