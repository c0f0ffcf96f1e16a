"""Models as ONNX predict and explain as the model does, in onnxruntime."""

import math

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ExportError, MissingExtraError
from deltarule.export.onnx import feeds
from deltarule.scorer.runtime.errors import RefusedError
from tests.export.models import CASES, Case, difference

REFUSED = {
    "functions of text": "no onnx can be made of this model: ONNX has no operator for lower: give "
    "what it computes as a column of its own"
}


def given(content: bytes, case: Case) -> dict[str, np.ndarray]:
    """The inputs of a case's rows; a cell that its column cannot be read from is missing."""
    rows = [{k: None if v != v else v for k, v in row.items()} for row in case.rows.to_dicts()]
    for row in rows:
        while True:
            try:
                feeds(content, [row])
                break
            except RefusedError as error:
                row[error.column] = None
    return feeds(content, rows)


def session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def named(case: str) -> Case:
    return next(one for one in CASES if one.name == case)


@pytest.mark.parametrize("case", [one for one in CASES if one.name not in REFUSED], ids=str)
def test_a_file_predicts_and_explains_as_the_model(case):
    content = case.model.to_onnx(explain=True)
    runtime = session(content)
    assert [one.name for one in runtime.get_outputs()] == case.explained.columns
    assert [one.name for one in runtime.get_inputs()] == case.columns
    found = [values.tolist() for values in runtime.run(None, given(content, case))]
    gaps = [[None if value == "" else value for value in values] for values in found]
    assert not difference(case.explained, gaps)


def test_without_contributions_it_gives_predictions_alone():
    case = named("logistic")
    runtime = session(case.model.to_onnx())
    assert [one.name for one in runtime.get_outputs()] == case.expected.columns


@pytest.mark.parametrize("name", REFUSED)
def test_what_onnx_cannot_express_is_refused_by_name(name):
    with pytest.raises(ExportError) as error:
        named(name).model.to_onnx()
    assert str(error.value) == REFUSED[name]


def test_a_level_that_is_the_empty_text_is_refused():
    table = pl.DataFrame({"colour": ["", "red", "blue"] * 20, "y": np.arange(60.0) % 7})
    with pytest.raises(ExportError, match=r"is a level of .coalesce.*: give that level a name"):
        dr.learn(table, predict="y", using="coalesce(colour, '')").to_onnx()


@pytest.mark.parametrize(
    ("using", "says"),
    [
        ("number(cost)", "no operator for number"),
        ("cast(size as text)", "ONNX writes no number as text"),
        ("case when colour < 'm' then 1 else 0 end", "no order of texts"),
        ("least(colour, shape)", "no order of texts"),
    ],
)
def test_an_expression_beyond_onnx_says_what_to_give_instead(using, says):
    table = pl.DataFrame(
        {
            "cost": ["1", "2", "3", "x4"][:3] * 10,
            "size": [1.5, 2.0, 3.25] * 10,
            "colour": ["a", "n", "z"] * 10,
            "shape": ["x", "a", "m"] * 10,
            "y": np.arange(30.0) % 7,
        }
    )
    if using == "number(cost)":
        table = table.with_columns(cost=pl.col("cost") + " USD")
    model = dr.learn(table, predict="y", using=[f"coalesce({using})", "size"], ridge=1.0)
    with pytest.raises(ExportError, match=says):
        model.to_onnx()


def test_all_is_float64_and_says_what_it_takes():
    for name in ("three losses", "functions of numbers", "functions of dates", "numbers in text"):
        model = onnx.load_from_string(named(name).model.to_onnx(explain=True))
        assert [(one.domain, one.version) for one in model.opset_import] == [
            ("", 20),
            ("ai.onnx.ml", 3),
        ]
        kinds = {one.data_type for one in model.graph.initializer}
        assert onnx.TensorProto.FLOAT not in kinds
        assert {one.op_type for one in model.graph.node if one.domain} <= {"LabelEncoder"}
        casts = [one for one in model.graph.node if one.op_type == "Cast"]
        assert onnx.TensorProto.FLOAT not in {one.attribute[0].i for one in casts}
        assert all("missing" in one.doc_string for one in model.graph.input)
        assert "Opset 20" in model.graph.doc_string


def test_gaps_are_nan_and_empty_text_and_infinite_numbers_have_no_prediction():
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "x": [None if at % 5 == 0 else float(at % 11) for at in range(80)],
            "c": [None if at % 7 == 0 else "ab"[at % 2] for at in range(80)],
            "y": rng.normal(size=80),
        }
    )
    model = dr.learn(table, predict="y", ridge=0.1)
    x = np.array([math.nan, 3.0, math.inf, -math.inf, 2.0])
    texts = np.array(["a", "", "b", "a", "new"], dtype=object)
    [found] = session(model.to_onnx()).run(None, {"x": x, "c": texts})
    rows = pl.DataFrame({"x": [None, 3.0, 2.0], "c": ["a", None, "new"]})
    expected = model.predict(rows)["y_prediction"]
    assert found[[0, 1, 4]] == pytest.approx(expected.to_numpy(), rel=1e-9)
    assert np.isnan(found[2:4]).all()


def test_many_levels_and_levels_that_are_numbers():
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "level": [f"l'{n}" for n in rng.integers(0, 600, 4000)],
            "code": pl.Series(rng.choice([1, 2, 30], 4000)).cast(pl.String).cast(pl.Categorical),
            "y": rng.normal(size=4000),
        }
    )
    model = dr.learn(table, predict="y", using=["level", "code"], levels=700, ridge=1.0)
    content = model.to_onnx(explain=True)
    rows = table[:500].with_columns(code=pl.col("code").cast(pl.String))
    found = session(content).run(None, feeds(content, rows.to_dicts()))
    assert not difference(model.explain(table[:500]), [one.tolist() for one in found])


def test_a_column_with_the_name_of_a_prediction_is_refused():
    table = {"y_prediction": [1.0, 2, 3, 4], "t1": [1.0, 0, 1, 1], "y": [1.0, 2, 3, 5]}
    model = dr.learn(table, predict="y", using=["y_prediction", "t1"])
    with pytest.raises(ExportError, match="'y_prediction' is a column that is read and one"):
        model.to_onnx()
    other = dr.learn(table, predict="y", using=["t1"])
    [found] = session(other.to_onnx()).run(None, {"t1": np.array([1.0, 0.0])})
    assert found == pytest.approx(other.predict({"t1": [1.0, 0.0]})["y_prediction"])


def test_without_onnx_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'deltarule\[onnx\]'"):
        named("squared").model.to_onnx()
