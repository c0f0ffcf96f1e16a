"""The shells do what scikit-learn asks of its own models, and what deltarule does beside that."""

import doctest
import inspect
import pickle
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from joblib import parallel_config
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import deltarule as dr
from deltarule.errors import DeltaruleError
from deltarule.estimators import DeltaClassifier, DeltaRegressor
from deltarule.fit.settings import Settings

FEATURES = ["size", "age", "colour", "new"]


@parametrize_with_checks(
    [
        DeltaRegressor(),
        DeltaRegressor(intercept=False),
        DeltaRegressor(loss="absolute"),
        DeltaClassifier(),
        DeltaClassifier(ridge=0.1),
    ]
)
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    check(estimator)


def test_nor_where_arrays_of_other_libraries_are_let_in() -> None:
    # scipy reads the switch as it loads, so this takes a process of its own.
    code = (
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "from deltarule.estimators import DeltaClassifier, DeltaRegressor\n"
        "done = 0\n"
        "for shell in (DeltaRegressor(), DeltaClassifier()):\n"
        "    for estimator, check in estimator_checks_generator(shell):\n"
        "        if 'array_api' in str(check):\n"
        "            check(estimator)\n"
        "            done += 1\n"
        "assert done == 2, done\n"
    )
    environment = {"SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=True)


@pytest.fixture(scope="module")
def sold(mixed: pl.DataFrame) -> pl.DataFrame:
    """The rows that have a price."""
    return mixed.filter(pl.col("price").is_not_null())


@pytest.fixture(scope="module")
def dear(sold: pl.DataFrame) -> Any:
    """Whether a price is high, in words; told well but not perfectly."""
    noise = np.random.default_rng(5).normal(0, 20, sold.height)
    return np.where(sold["price"].to_numpy() + noise > 80, "dear", "cheap")


def table(n: int = 100, p: int = 3, *, seed: int = 40) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, p))
    return inputs, inputs @ np.arange(1, p + 1) + rng.normal(size=n)


# Thin: the same settings, the same answers.


@pytest.mark.parametrize("shell", [DeltaRegressor, DeltaClassifier])
def test_arguments_are_the_settings(shell: Any) -> None:
    settings = {one.name for one in fields(Settings)} - {
        *("predict", "weight", "progress", "engine")
    }
    assert set(shell().get_params()) == settings
    ours, theirs = (inspect.signature(one).parameters for one in (shell, Settings))
    apart = {name for name in settings if ours[name].default != theirs[name].default}
    # Of a default that is made anew each time None takes the place.
    assert {name for name in apart if ours[name].default is not None} <= {"loss"}
    assert DeltaRegressor(between={"x0": (0, 0.9)}).fit(*table()).coef_[0] == 0.9
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        shell(depth=3)


def test_a_regressor_is_learn_to_the_last_bit(sold: pl.DataFrame) -> None:
    mine = DeltaRegressor(ridge=0.1, levels=2).fit(sold[FEATURES], sold["price"])
    model = dr.learn(sold.select(*FEATURES, "price"), predict="price", ridge=0.1, levels=2)
    assert mine.model_.to_dict() == model.to_dict()
    assert (
        mine.predict(sold[FEATURES]).tolist() == model.predict(sold)["price_prediction"].to_list()
    )
    assert mine.n_iter_ == model.record.learnt[0].steps


def test_a_classifier_is_logistic_loss_to_the_last_bit(sold: pl.DataFrame, dear: Any) -> None:
    mine = DeltaClassifier().fit(sold[FEATURES], dear)
    both = sold.select(FEATURES).with_columns(y=pl.Series(dear))
    model = dr.learn(both, predict="y")
    assert mine.classes_.tolist() == ["cheap", "dear"]
    chance = model.predict(both)["y_probability_dear"].to_numpy()
    assert mine.predict_proba(sold[FEATURES])[:, 1].tolist() == chance.tolist()
    score = model.explain(both)["y=dear_score"].to_numpy()
    assert mine.decision_function(sold[FEATURES]).tolist() == score.tolist()
    assert (mine.predict(sold[FEATURES]) == np.where(chance > 0.5, "dear", "cheap")).all()
    assert mine.score(sold[FEATURES], dear) > 0.7


def test_weights_bear_the_names_of_their_inputs(sold: pl.DataFrame) -> None:
    mine = DeltaRegressor().fit(sold[FEATURES], sold["price"])
    weights = mine.model_.weights
    told = [
        name if level is None else f"{name}={level}"
        for name, level in weights.select("input", "level").rows()
    ]
    assert told[0] == "(intercept)"
    assert mine.input_names_.tolist() == told[1:]
    assert "colour=green" in told
    assert "size=(missing)" in told
    assert [mine.intercept_, *mine.coef_] == weights["weight"].to_list()


def test_predictions_are_inputs_times_weights(sold: pl.DataFrame) -> None:
    inputs, targets = table()
    mine = DeltaRegressor().fit(inputs, targets)
    np.testing.assert_allclose(mine.predict(inputs), inputs @ mine.coef_ + mine.intercept_)


# Tables of all kinds.


def frames(frame: pl.DataFrame) -> dict[str, Any]:
    pandas = frame.to_pandas()
    return {
        "polars": frame,
        "pandas": pandas,
        "pandas, categories": pandas.astype({"colour": "category"}),
        "pandas, objects": pandas.astype({"colour": object}),
        "pandas, another index": pandas.set_index(pandas.index[::-1] * 7),
        "pandas, nullable": pandas.convert_dtypes(),
        "arrow": frame.to_arrow(),
    }


@pytest.mark.parametrize("kind", frames(pl.DataFrame({"colour": ["red"]})))
def test_a_frame_of_any_library_gives_the_same(kind: str, sold: pl.DataFrame) -> None:
    made = frames(sold.select(FEATURES))[kind]
    before = pickle.dumps(made)
    known = DeltaRegressor().fit(sold[FEATURES], sold["price"].to_numpy())
    mine = DeltaRegressor().fit(made, sold["price"].to_numpy())
    assert pickle.dumps(made) == before
    assert mine.feature_names_in_.tolist() == FEATURES
    np.testing.assert_allclose(mine.coef_, known.coef_, rtol=1e-12)
    np.testing.assert_allclose(mine.predict(made), known.predict(sold[FEATURES]), rtol=1e-12)
    assert mine.predict(made[:5]).shape == (5,)


@pytest.mark.parametrize("form", ["array", "list"])
def test_text_in_an_array_or_list_is_a_category(form: str, sold: pl.DataFrame) -> None:
    rows = [list(row) for row in sold.select(FEATURES).rows()]
    made = np.array(rows, dtype=object) if form == "array" else rows
    known = DeltaRegressor().fit(sold[FEATURES], sold["price"])
    mine = DeltaRegressor().fit(made, sold["price"])
    assert not hasattr(mine, "feature_names_in_")
    assert "x2=green" in mine.input_names_.tolist()
    np.testing.assert_allclose(mine.predict(made), known.predict(sold[FEATURES]), rtol=1e-12)


def test_gaps_and_unseen_levels_still_predict(sold: pl.DataFrame) -> None:
    mine = DeltaRegressor().fit(sold[FEATURES], sold["price"])
    odd = pl.DataFrame({"size": [None], "age": [40], "colour": ["mauve"], "new": [True]})
    assert np.isfinite(mine.predict(odd)).all()
    inputs, targets = table()
    assert np.isfinite(DeltaRegressor().fit(inputs, targets).predict([[np.nan, 1, 2]])).all()


def test_expressions_are_inputs(sold: pl.DataFrame) -> None:
    mine = DeltaRegressor(using=["log(size)", "colour"]).fit(sold[FEATURES], sold["price"])
    assert mine.input_names_[0] == "log(size)"
    assert mine.coef_.shape == mine.input_names_.shape


def test_columns_in_another_order_are_refused_as_everywhere_in_scikit_learn(
    sold: pl.DataFrame,
) -> None:
    mine = DeltaRegressor().fit(sold[FEATURES], sold["price"])
    with pytest.raises(ValueError, match="same order"):
        mine.predict(sold[FEATURES[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        mine.predict(sold.select(FEATURES).to_pandas().to_numpy())


def test_numbers_as_column_names_are_no_names() -> None:
    inputs, targets = table()
    mine = DeltaRegressor().fit(pd.DataFrame(inputs), targets)
    assert not hasattr(mine, "feature_names_in_")
    assert mine.predict(pd.DataFrame(inputs)).tolist() == mine.predict(inputs).tolist()
    assert mine.coef_.tolist() == DeltaRegressor().fit(inputs, targets).coef_.tolist()


@pytest.mark.parametrize("kind", ["float32", "float16", "longdouble", "int8", "uint64", "bool"])
def test_numbers_of_every_width(kind: str) -> None:
    inputs = np.random.default_rng(6).integers(0, 2, (50, 3)).astype(kind)
    targets = inputs.astype(float) @ [1, 2, 3] + np.arange(50) % 7
    np.testing.assert_array_equal(
        DeltaRegressor().fit(inputs, targets).coef_,
        DeltaRegressor().fit(inputs.astype(float), targets).coef_,
    )


def test_a_long_array_is_taken_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = table()
    known = DeltaRegressor(ridge=0).fit(inputs, targets)
    monkeypatch.setattr("deltarule.estimators.BATCH_ROWS", 33)
    mine = DeltaRegressor(ridge=0).fit(inputs, targets)
    np.testing.assert_allclose(mine.coef_, known.coef_, rtol=1e-12)
    np.testing.assert_allclose(mine.predict(inputs), known.predict(inputs), rtol=1e-12)


# Targets.


def test_several_targets_at_once() -> None:
    inputs, targets = table()
    both = pd.DataFrame({"one": targets, "two": targets[::-1] ** 2})
    # Held-out rows choose one ridge for all targets, so none is chosen here.
    mine = DeltaRegressor(ridge=0).fit(inputs, both)
    assert mine.model_.outputs == ["one", "two"]
    assert mine.coef_.shape == (2, 3)
    assert mine.intercept_.shape == (2,)
    assert mine.predict(inputs).shape == (100, 2)
    for at, name in enumerate(both):
        alone = DeltaRegressor(ridge=0).fit(inputs, both[name])
        np.testing.assert_allclose(mine.coef_[at], alone.coef_, rtol=1e-12)
    assert DeltaRegressor().fit(inputs, both.to_numpy()).model_.outputs == ["y0", "y1"]


def test_a_target_has_its_own_name_unless_a_feature_has_it() -> None:
    inputs, targets = table()
    frame = pl.DataFrame(inputs, schema=["y", "sample_weight", "gross"])
    assert DeltaRegressor().fit(frame, targets).model_.outputs == ["y_"]
    mine = DeltaRegressor().fit(frame, pl.Series("gross", targets), np.ones(100))
    assert mine.model_.outputs == ["gross_"]
    assert mine.model_.record.contract.row_weight == "sample_weight_"
    assert mine.coef_.tolist() == DeltaRegressor().fit(inputs, targets).coef_.tolist()


LABELS: list[list[Any]] = [
    ["no", "yes"],
    ["10", "9"],
    ["b c", "a=b", "NA"],
    [False, True],
    [3, 7],
    [3, 20, 100],
    [-1.0, 1.0],
]


@pytest.mark.parametrize("kind", ["array", "polars", "pandas", "objects"])
@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_classes_keep_their_own_kind(labels: list[Any], kind: str) -> None:
    inputs, targets = table()
    noisy = targets + np.random.default_rng(8).normal(0, 3, 100)
    y = np.array(labels)[np.digitize(noisy, [0.0, 2.0][: len(labels) - 1])]
    text = kind == "objects" and isinstance(labels[0], str)
    made = {"polars": pl.DataFrame, "pandas": pd.DataFrame}.get(kind, np.array)(inputs)
    mine = DeltaClassifier(ridge=0).fit(made, y.astype(object) if text else y)
    assert mine.classes_.tolist() == sorted(labels)
    chance = mine.predict_proba(made)
    assert chance.sum(axis=1) == pytest.approx(np.ones(100))
    scores, k = mine.decision_function(made), len(labels)
    assert mine.coef_.shape == ((1, 3) if k == 2 else (k, 3))
    assert mine.intercept_.shape == ((1,) if k == 2 else (k,))
    np.testing.assert_allclose(
        scores.reshape(100, -1), inputs @ mine.coef_.T + mine.intercept_, rtol=1e-9, atol=1e-9
    )
    both = np.column_stack([np.zeros(100), scores]) if k == 2 else scores
    np.testing.assert_allclose(chance, softmax(both, axis=1), rtol=1e-9)
    # The order is that of `classes_`: scikit-learn's own finds the same.
    known = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cg").fit(inputs, y)
    np.testing.assert_allclose(chance, known.predict_proba(inputs), atol=1e-5)
    assert (mine.predict(made) == known.predict(inputs)).all()


@pytest.mark.parametrize("names", [("$3.0", "$4.0"), ("1,000", "2"), ("", "b"), ("NA", "b")])
def test_classes_whose_names_read_as_numbers_or_gaps_stay_the_names_they_are(
    names: tuple[str, str],
) -> None:
    inputs, _ = table()
    labels = np.where(inputs[:, 0] > 0.5, *names)
    fitted = DeltaClassifier().fit(inputs, labels)
    assert fitted.classes_.tolist() == sorted(names)
    assert (fitted.predict(inputs) == labels).mean() > 0.9


def test_only_losses_of_classes_are_for_classes() -> None:
    inputs, _ = table()
    labels = np.digitize(inputs[:, 0], [-0.5, 0.5])
    with pytest.raises(ValueError, match="classes take auto, logistic or softmax"):
        DeltaClassifier(loss="squared").fit(inputs, labels)
    with pytest.raises(ValueError, match="Only binary classification is supported by logistic"):
        DeltaClassifier(loss="logistic").fit(inputs, labels)


# In scikit-learn's hands.


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_in_a_pipeline_with_set_output(output: str, sold: pl.DataFrame) -> None:
    prepare = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    pandas = sold.select(FEATURES).to_pandas()
    line = make_pipeline(prepare, DeltaRegressor()).set_output(transform=output)
    line.fit(pandas, sold["price"].to_numpy())
    plain = DeltaRegressor().fit(sold[FEATURES], sold["price"])
    np.testing.assert_allclose(line.predict(pandas), plain.predict(sold[FEATURES]), rtol=1e-9)
    assert hasattr(line[-1], "feature_names_in_") == (output != "default")


def test_searched_over_settings() -> None:
    inputs, targets = table(60)
    grid = {"deltaregressor__ridge": [0, 0.1, 100], "deltaregressor__lasso": [0, 0.1]}
    line = make_pipeline(StandardScaler(), DeltaRegressor())
    found = GridSearchCV(line, grid, cv=3, error_score="raise").fit(inputs, targets)
    assert found.best_params_["deltaregressor__ridge"] != 100
    assert found.best_score_ > 0.8
    losses = GridSearchCV(DeltaRegressor(), {"loss": ["squared", "huber"]}, error_score="raise")
    assert losses.fit(inputs, targets).best_score_ > 0.8


def test_cross_validated_side_by_side(dear: Any, sold: pl.DataFrame) -> None:
    one = cross_val_score(DeltaClassifier(), sold[FEATURES], dear, cv=4)
    with parallel_config(backend="threading"):
        two = cross_val_score(DeltaClassifier(), sold[FEATURES], dear, cv=4, n_jobs=2)
    assert one.tolist() == two.tolist()
    chance = cross_val_predict(DeltaClassifier(), sold[FEATURES], dear, method="predict_proba")
    assert chance.shape == (sold.height, 2)


def test_chosen_by_their_weights() -> None:
    inputs, targets = table(p=4)
    inputs[:, 1] = 5.0  # constant: left out, and its weight is 0
    chosen = RFE(DeltaRegressor(), n_features_to_select=2).fit(inputs, targets)
    assert chosen.support_.tolist() == [False, False, True, True]
    assert DeltaRegressor().fit(inputs, targets).coef_[1] == 0


# Sample weights.


@pytest.mark.parametrize("shell", [DeltaRegressor(), DeltaClassifier(ridge=0)])
def test_an_integer_weight_is_so_many_copies(shell: Any) -> None:
    inputs, targets = table()
    if shell.__class__ is DeltaClassifier:
        targets = targets + np.random.default_rng(8).normal(0, 3, 100) > 0
    times = np.random.default_rng(9).integers(0, 4, 100)
    weighted = clone(shell).fit(inputs, targets, sample_weight=times)
    copies = clone(shell).fit(inputs.repeat(times, axis=0), targets.repeat(times))
    np.testing.assert_allclose(weighted.coef_, copies.coef_, rtol=1e-8)
    ones = clone(shell).fit(inputs, targets, sample_weight=1.0)
    assert ones.coef_.tolist() == clone(shell).fit(inputs, targets).coef_.tolist()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (-np.ones(100), "zero or below in every row"),
        (np.where(np.arange(100) == 6, -1.0, 1.0), "row 7: a row's weight of -1 is below 0"),
        (np.zeros(100), "sample_weight is zero"),
        (np.full(100, np.nan), "sample_weight contains NaN"),
        (np.full(100, np.inf), "sample_weight contains infinity"),
        (np.ones(99), r"sample_weight has shape \(99,\): it must be \(100,\)"),
        (np.ones((100, 1)), r"sample_weight has shape \(100, 1\)"),
        (["a"] * 100, "could not convert string to float"),
    ],
)
def test_weights_that_count_nothing_are_refused(weights: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DeltaRegressor().fit(*table(), sample_weight=weights)


# What is kept.


@pytest.mark.parametrize("shell", [DeltaRegressor(), DeltaClassifier()])
def test_the_model_can_be_saved_and_the_shell_pickled(
    shell: Any, sold: pl.DataFrame, dear: Any, tmp_path: Path
) -> None:
    y = dear if isinstance(shell, DeltaClassifier) else sold["price"]
    mine = clone(shell).fit(sold[FEATURES], y)
    mine.model_.save(tmp_path / "m.json")
    loaded = dr.load(tmp_path / "m.json").predict(sold)
    known = mine.predict(sold[FEATURES])
    assert loaded.to_series().to_list() == known.tolist()
    assert pickle.loads(pickle.dumps(mine)).predict(sold[FEATURES]).tolist() == known.tolist()
    again = clone(mine).fit(sold[FEATURES], y)
    assert again.coef_.tobytes() == mine.coef_.tobytes()
    with pytest.raises(NotFittedError):
        clone(mine).predict(sold[FEATURES])


def test_the_page_about_it_is_true(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(films, tmp_path / "movies.csv")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "scikit-learn.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 10
    assert failed == 0


# Nonsense.

X, Y = table()


@pytest.mark.parametrize(
    ("settings", "inputs", "targets", "said"),
    [
        ({}, np.where(X.max() == X, np.inf, X), Y, "Input X contains infinity"),
        ({}, X + 1j, Y, "Complex data not supported"),
        ({}, X[:, 0], Y, "Expected 2D array, got 1D array"),
        ({}, X[:, :0], Y, "0 feature"),
        ({}, X[:0], Y[:0], "0 sample"),
        ({}, X[:1], Y[:1], "1 sample"),
        ({}, X, Y[:-1], "inconsistent numbers of samples"),
        ({}, X, np.where(Y.max() == Y, np.nan, Y), "Input y contains NaN"),
        ({}, X, np.where(Y.max() == Y, np.inf, Y), "Input y contains infinity"),
        ({}, X, [None] * 100, "NaN"),
        ({}, X, None, "requires y to be passed"),
        ({}, X, ["a"] * 100, "could not convert string to float"),
        ({}, np.ones((100, 2)), Y, "no column to use as an input .*x0: always 1"),
        ({}, pd.DataFrame(X, columns=["a", "a", "b"]), Y, "unique|more than one column"),
        ({}, pl.DataFrame({"a": [1.0, float("inf")]}), [1, 2], "column 'a', row 2 is infinite"),
        ({}, pl.DataFrame({"a": []}, schema={"a": pl.Float64}), [], "0 sample"),
        ({"alpha": 0}, X, Y, "alpha is 0: it must be above 0"),
        ({"ridge": -1}, X, Y, "ridge is -1"),
        ({"ridge": None}, X, Y, "ridge is None"),
        ({"loss": "hinge"}, X, Y, "hinge"),
        ({"loss": "poisson"}, X, Y, "takes numbers of 0 or more"),
        ({"learner": "magic"}, X, Y, "there is no learner 'magic'"),
        ({"folds": 1}, X, Y, "folds is 1"),
        ({"freeze": "z"}, X, Y, "there is no weight called 'z': there is x0, x1, x2"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    settings: dict[str, Any], inputs: Any, targets: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        DeltaRegressor(**settings).fit(inputs, targets)


def test_a_refusal_is_deltarules_own() -> None:
    with pytest.raises(ValueError, match="alpha is 0") as refused:
        DeltaRegressor(alpha=0).fit(X, Y)
    assert isinstance(refused.value.__cause__, DeltaruleError)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros(100), "y has one class, .*0.*: it takes two"),
        (Y, "continuous"),
        (np.where(Y.max() == Y, np.nan, 1.0), "Input y contains NaN"),
        (None, "requires y to be passed"),
    ],
)
def test_what_is_no_class_is_refused(labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DeltaClassifier().fit(X, labels)


@pytest.mark.parametrize("made", [sparse.csr_array(X), sparse.csc_matrix(X)])
def test_sparse_arrays_are_refused(made: Any) -> None:
    with pytest.raises(TypeError, match="Sparse data was passed"):
        DeltaRegressor().fit(made, Y)


@pytest.mark.parametrize(
    "made", [pa.array([1.0, 2.0]), pd.Series([1.0, 2.0]), pl.Series([1.0, 2.0]), {"a": [1, 2]}, "a"]
)
def test_what_is_no_table_is_refused(made: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        DeltaRegressor().fit(made, [1.0, 2.0])


def test_values_that_are_neither_numbers_nor_text_are_refused_by_their_column() -> None:
    odd = X.astype(object)
    odd[3, 1] = {"a": 1}
    with pytest.raises(TypeError, match=r"column 'x1' mixes dict and float.*string or a number"):
        DeltaRegressor().fit(odd, Y)


def test_without_scikit_learn_it_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import deltarule\n"
        "from deltarule.errors import MissingExtraError\n"
        "deltarule.learn({'x': [1.0, 2, 3], 'y': [1.0, 2, 4]}, predict='y')\n"
        "try:\n"
        "    import deltarule.estimators\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == (
        "deltarule.estimators needs scikit-learn: pip install 'deltarule[sklearn]'"
    )
