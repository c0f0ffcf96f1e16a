"""Arguments of another kind than they should be: refused in words; lists of any kind, read once."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import DeltaruleError, LearningError, ModelError, OutputError, ReadError
from deltarule.fit.settings import Settings

ROWS = 40
NOISE = np.random.default_rng(0).normal(size=(ROWS, 2))
TABLE: dict[str, Any] = {
    "x": NOISE[:, 0].tolist(),
    "z": NOISE[:, 1].tolist(),
    "n": [i * 7 % 11 for i in range(ROWS)],
    "y": [2 * x + i % 5 for i, x in enumerate(NOISE[:, 0])],
}
NO_KIND: tuple[Any, ...] = (
    object(),
    b"x",
    1j,
    np.array(0.5j),
    [["x"]],
    np.ones((2, 2)),
    np.ones(ROWS),
)


@pytest.mark.parametrize("name", [one.name for one in fields(Settings)])
@pytest.mark.parametrize("value", NO_KIND, ids=lambda value: type(value).__name__)
def test_what_is_of_no_kind_is_refused_in_words(name: str, value: Any) -> None:
    with pytest.raises(DeltaruleError) as caught:
        dr.learn(TABLE, **{"predict": "y", name: value})
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 250
    if name != "hold_out":
        assert name in told or name == "trace_rows"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"missing_words": -999}, "missing_words is -999: give words as text"),
        ({"weight": np.ones(ROWS)}, "weight is array.* give a column's name"),
        ({"id": ["x"]}, r"id is \['x'\]: give a column's name"),
        ({"time": 0}, "time is 0: give a column's name"),
        ({"without": None}, "without is None"),
        ({"loss": None}, "loss is None: give a loss's name"),
        ({"intercept": "no"}, "intercept is 'no': give True or False"),
        ({"keep_summary": "no"}, "keep_summary is 'no': give True or False"),
        ({"shuffle": None}, "shuffle is None: give True or False"),
        ({"between": ["x"]}, "between is .* ranges by column"),
        ({"reference": "x"}, "reference is 'x': give levels by column"),
        ({"dates": 1}, "dates is 1"),
        ({"start": None}, "start is None"),
        ({"start": {"x": None}}, "x is None"),
        ({"ridge": np.array([1, 2])}, "ridge is array"),
        ({"ridge": 10**400}, "ridge is 1000.*: it must be a finite number"),
        ({"trace_rows": 1}, "trace_rows is 1"),
        ({"on_step": 1}, "on_step is 1: give a function"),
        ({"engine": 1}, "engine is 1"),
    ],
)
def test_the_setting_and_what_to_give_are_named(settings: dict[str, Any], told: str) -> None:
    for function in (dr.learn, dr.steps, dr.alpha, dr.path):
        with pytest.raises(LearningError, match=told):
            function(TABLE, predict="y", **settings)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("predict", ["y", "n"]),
        ("using", ["x", "z"]),
        ("without", ["z", "n"]),
        ("positive", ["z"]),
        ("freeze", ["z"]),
        ("loss", ["huber"]),
        ("missing_words", ["7"]),
        ("trace_rows", [1, 2]),
    ],
)
@pytest.mark.parametrize("kind", [iter, tuple, pd.Index, pd.Series, np.array, pl.Series])
def test_a_list_of_any_kind_says_what_a_list_says(
    name: str, values: list[Any], kind: Callable[[list[Any]], Iterable[Any]]
) -> None:
    """An iterator can be read but once, and so said nothing where it was read twice."""
    table = {**TABLE, "n": [str(n) for n in TABLE["n"]]} if name == "missing_words" else TABLE

    def weights(given: Iterable[Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = dr.learn(
            table, **{"predict": "y", name: given}
        ).weights.to_dicts()
        return found

    plain = weights(values)
    assert weights(kind(values)) == plain
    if name in ("without", "positive", "freeze", "missing_words"):
        assert dr.learn(table, predict="y").weights.to_dicts() != plain


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
def test_whole_numbers_of_numpy_are_taken_and_saved(kind: type, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"batch": 7, "epochs": 3, "seed": 2, "folds": 4}
    mine = dr.learn(TABLE, predict="y", **{name: kind(value) for name, value in usual.items()})
    mine.save(tmp_path / "m.json")
    wanted = dr.learn(TABLE, predict="y", **usual)
    assert dr.load(tmp_path / "m.json").weights.equals(wanted.weights)


def test_numbers_too_fine_for_a_pass_are_made_floats() -> None:
    wanted = dr.learn(TABLE, predict="y", half_life=2.5).weights
    assert dr.learn(TABLE, predict="y", half_life=np.longdouble(2.5)).weights.equals(wanted)


@pytest.mark.parametrize("no_path", [None, 5, b"m.json", ["m.json"], np.array(["m.json"])])
def test_what_is_no_path_is_refused_in_words(no_path: Any) -> None:
    model = dr.learn(TABLE, predict="y", keep_summary=True)
    for error, use in {
        ReadError: dr.source,
        ModelError: dr.load,
        OutputError: model.save,
    }.items():
        with pytest.raises(error, match="is no path"):
            use(no_path)
    with pytest.raises(ModelError, match="is no path"):
        dr.merge(no_path)
    if no_path is not None:
        with pytest.raises(OutputError, match="is no path"):
            model.export("python", no_path)


def test_arguments_of_methods_are_refused_in_words() -> None:
    model = dr.learn(TABLE, predict="y")
    refused: list[Callable[[], Any]] = [
        lambda: model.explain(TABLE, row="1"),  # type: ignore[call-overload]
        lambda: model.explain(TABLE, row=1.5),  # type: ignore[call-overload]
        lambda: model.diagnose(TABLE, rows=None),  # type: ignore[arg-type]
        lambda: model.compare(TABLE, "other.json"),  # type: ignore[call-overload]
        lambda: model.compare(TABLE, model, cluster=["x"]),  # type: ignore[call-overload]
        lambda: model.to_sql(5),  # type: ignore[arg-type]
        lambda: model.to_sql("t", dialect=["sqlite"]),
        lambda: model.to_sql("t", keep=5),
        lambda: dr.columns(TABLE, dates=5),  # type: ignore[arg-type]
        lambda: dr.columns(TABLE, progress=5),  # type: ignore[arg-type]
    ]
    for call in refused:
        with pytest.raises(LearningError):
            call()


def test_a_single_column_to_keep_is_one_and_not_its_letters() -> None:
    model = dr.learn({**TABLE, "shop": TABLE["n"]}, predict="y", using=["shop"])
    assert model.to_sql("t", keep="shop") == model.to_sql("t", keep=["shop"])
