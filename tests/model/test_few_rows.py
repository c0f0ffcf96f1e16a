"""Rows as dicts go through the compiled tree, and give what tables give."""

import copy
import pickle
import random
import timeit
import warnings
from datetime import date, timedelta

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, PredictionWarning, ValueRefusedError
from deltarule.model.few_rows import MOST_ROWS, FewRows, plain_rows


def table(rows: int = 200) -> list[dict]:
    random.seed(1)
    return [
        {
            "size": random.choice([None, random.gauss(50, 10)]),
            "count": random.randint(0, 9),
            "colour": random.choice(["red", "green", "blue", None]),
            "new": random.random() < 0.5,
            "cost": f"${random.randint(1000, 9999):,}",
            "day": f"2024-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}",
            "price": random.gauss(0, 1),
            "class": random.choice(["a", "b", "c"]),
        }
        for _ in range(rows)
    ]


INPUTS = ["size", "count", "colour", "new", "cost", "day", "size:colour"]


@pytest.fixture(scope="module")
def model() -> dr.Model:
    return dr.learn(table(), predict="price", using=INPUTS)


def by_table(model: dr.Model, rows: list[dict], **settings) -> list[dict]:
    """The predictions of rows as a frame."""
    return model.predict(pl.DataFrame(rows), **settings).to_dicts()


CHANGES = [
    {},
    {"size": None},
    {"size": float("nan")},
    {"size": 7},
    {"size": -1e9},
    {"count": 3.0},
    {"colour": "violet"},
    {"colour": None},
    {"colour": ""},
    {"new": 1},
    {"new": None},
    {"cost": " $2,500.50 "},
    {"cost": "N/A"},
    {"cost": "TBD"},
    {"day": "31 Dec 2023"},
    {"day": None},
    {"other": "ignored"},
]


@pytest.mark.filterwarnings("ignore::deltarule.errors.PredictionWarning")
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_dict_gives_what_its_table_gives(model, change):
    row = {**table()[0], "size": 44.0, "colour": "red", **change}
    assert FewRows(model._scorer).score(row) is not None
    want = by_table(model, [row], flags=True)[0]
    found = model.predict(row, flags=True)
    assert list(found) == list(want)
    assert found["flags"] == want["flags"]
    assert found["price_prediction"] == pytest.approx(want["price_prediction"], rel=1e-12)
    explained = model.explain(pl.DataFrame([row])).to_dicts()[0]
    assert model.explain(row) == pytest.approx(explained, rel=1e-9, abs=1e-12)
    assert list(model.explain(row)) == list(explained)


def test_a_list_gives_a_list_and_the_warning_counts_its_rows(model):
    rows = [{**row, "colour": "violet"} for row in table(5)]
    with pytest.warns(PredictionWarning, match="colour has a level never seen in 5 of 5 rows"):
        found = model.predict(rows)
    with pytest.warns(PredictionWarning) as told:
        want = by_table(model, rows)
    with pytest.warns(PredictionWarning) as again:
        model.predict(rows)
    assert [str(one.message) for one in again] == [str(one.message) for one in told]
    assert [one["price_prediction"] for one in found] == pytest.approx(
        [one["price_prediction"] for one in want], rel=1e-12
    )


def test_classes_and_their_probabilities(model):
    classes = dr.learn(table(), predict="class", using=["size", "colour"])
    rows = table(20)
    found, want = classes.predict(rows), by_table(classes, rows)
    for one, other in zip(found, want, strict=True):
        assert list(one) == list(other)
        assert one.pop("class_prediction") == other.pop("class_prediction")
        assert one == pytest.approx(other, rel=1e-12)


def test_what_is_refused_is_refused_in_the_same_words(model):
    row = table()[0]
    for change, error in (
        ({"size": "many"}, ValueRefusedError),
        ({"size": float("inf")}, ValueRefusedError),
        ({"cost": "2,500.50 kg"}, ValueRefusedError),
        ({"day": "01/02/2024"}, ValueRefusedError),
    ):
        spoilt = {**row, **change}
        with pytest.raises(error) as told:
            by_table(model, [spoilt])
        with pytest.raises(error) as found:
            model.predict(spoilt)
        assert str(found.value) == str(told.value).replace("polars frame", "the table")
    lacking = {name: cell for name, cell in row.items() if name != "colour"}
    with pytest.raises(ColumnError, match="no column 'colour'"):
        model.predict(lacking)


def test_what_is_not_plain_is_left_to_tables():
    assert plain_rows({"a": 1, "b": "x", "c": None, "d": True, "e": 0.5}) is not None
    assert plain_rows({"a": [1, 2]}) is None
    assert plain_rows({1: "a"}) is None
    assert plain_rows({"a": 1 + 2j}) is None
    assert plain_rows([]) is None
    assert plain_rows([{"a": 1}, {"a": "1"}]) is None
    assert plain_rows([{"a": 1}, {"a": 1.5}, {"a": None}]) is not None
    assert plain_rows([{"a": 1}] * (MOST_ROWS + 1)) is None
    assert plain_rows(pl.DataFrame({"a": [1]})) is None


def test_odd_cells_of_several_rows_are_missing_as_in_a_table(model):
    rows = table(4)
    rows[1]["cost"] = "12 €"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, want = model.predict(rows), by_table(model, rows)
    assert [one["price_prediction"] for one in found] == pytest.approx(
        [one["price_prediction"] for one in want], rel=1e-12
    )


def test_a_row_without_an_offset_has_no_prediction():
    rows = [{**row, "base": 2.0} for row in table()]
    for target in ("price", "new"):
        settings = {"using": ["size", "count"], "offset": "base"}
        shifted = dr.learn(rows, predict=target, **settings)
        row = {**rows[0], "base": None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert set(shifted.predict(row).values()) == {None}
            assert shifted.predict(row) == by_table(shifted, [rows[1], row])[1]
            assert shifted.predict(row) == by_table(shifted, [row, rows[1]])[0]


@pytest.mark.parametrize("texts", [False, True])
def test_a_row_of_twenty_inputs_takes_microseconds(texts):
    random.seed(2)
    one = (lambda: random.choice("abcdef")) if texts else (lambda: random.gauss(0, 1))
    rows = [{f"x{i}": one() for i in range(20)} | {"y": random.gauss(0, 1)} for _ in range(300)]
    model = dr.learn(rows, predict="y")
    model.predict(rows[0])
    # The best of many: other work on the machine only ever adds.
    best = min(timeit.repeat(lambda: model.predict(rows[0]), number=20, repeat=200)) / 20
    assert best < 40e-6
    compiled = model._few._compiled
    best = min(
        timeit.repeat(
            lambda: compiled.predictions(compiled.inputs(rows[0], [])), number=20, repeat=200
        )
    )
    assert best / 20 < 20e-6


def test_a_model_of_very_many_weights_is_left_to_tables(model, monkeypatch):
    monkeypatch.setattr("deltarule.model.few_rows.MOST_TERMS", 3)
    row = table()[0]
    few = FewRows(model._scorer)
    assert few.score(row) is None
    monkeypatch.undo()
    assert FewRows(model._scorer).score(row) is not None


def test_a_model_that_has_compiled_its_tree_can_be_copied_and_pickled(model):
    row = table()[0]
    wanted = model.predict(row)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.predict(row) == wanted


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y"])
def test_dates_in_text_take_microseconds_too(form):
    random.seed(2)

    def day() -> str:
        return (date(2000, 1, 1) + timedelta(days=random.randint(0, 5_000))).strftime(form)

    rows = [{"day": day(), "x": random.gauss(0, 1), "y": random.gauss(0, 1)} for _ in range(300)]
    model = dr.learn(rows, predict="y", using=["days(day)", "x"])
    compiled, row = model._few._compiled, rows[0]
    # The best of many: other work on the machine only ever adds.
    best = min(timeit.repeat(lambda: compiled.inputs(row, []), number=20, repeat=200)) / 20
    assert best < 5e-6


@pytest.mark.parametrize("cell", [["a"], {"a": 1}, timedelta(1)], ids=str)
def test_what_has_no_text_is_refused_in_one_line(cell):
    rows = pl.DataFrame({"x": range(20), "kind": list("ab") * 10, "y": range(20)})
    model = dr.learn(rows, predict="y")
    for table in ([{"x": 1, "kind": cell}] * 2, pl.DataFrame({"x": [1], "kind": [cell]})):
        with pytest.raises(ValueRefusedError, match=r"column 'kind' is (list|struct|duration)"):
            model.predict(table)
    with pytest.raises(ValueRefusedError, match="is not a number") as caught:
        model.predict(pl.DataFrame({"x": [[1]], "kind": ["a"]}))
    assert "\n" not in str(caught.value)
