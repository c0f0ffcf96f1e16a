"""Small tables in a process that goes on: the warm time is what counts."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from benchmarks.answer import Answer

Exact = Mapping[str, Any]
COLUMNS = ["budget", "genre", "release_date"]
TIMES = 1000


def films(path: str, exact: Exact) -> Answer:
    import deltarule as dr

    dr.learn(path, predict="gross", using=COLUMNS)
    return Answer()


def sklearn_films(path: str, exact: Exact) -> Answer:
    import polars as pl
    from sklearn.linear_model import LinearRegression

    table = pl.read_csv(path, columns=["gross", *COLUMNS], try_parse_dates=True)
    table = table.drop_nulls().to_dummies(["genre"], drop_first=True)
    days = pl.col("release_date").cast(pl.Date).dt.epoch("d")
    table = table.with_columns(days)
    LinearRegression().fit(table.drop("gross").to_numpy(), table["gross"].to_numpy())
    return Answer()


@cache
def _iris() -> Any:
    import polars as pl
    from sklearn.datasets import load_iris

    data = load_iris()
    names = [name.split(" (")[0].replace(" ", "_") for name in data.feature_names]
    frame = pl.DataFrame(data.data, schema=names)
    species = [str(data.target_names[one]) for one in data.target]
    return frame.with_columns(species=pl.Series(species))


def iris(path: str, exact: Exact) -> Answer:
    import deltarule as dr

    dr.learn(_iris(), predict="species")
    return Answer()


def sklearn_iris(path: str, exact: Exact) -> Answer:
    from sklearn.linear_model import LogisticRegression

    table = _iris()
    LogisticRegression(max_iter=1000).fit(table.drop("species").to_numpy(), table["species"])
    return Answer()


@cache
def _numbers() -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100, 5))
    return inputs, inputs @ np.arange(5) + rng.normal(size=100)


def estimator(path: str, exact: Exact) -> Answer:
    from deltarule.estimators import DeltaRegressor

    DeltaRegressor().fit(*_numbers())
    return Answer()


def sklearn_estimator(path: str, exact: Exact) -> Answer:
    from sklearn.linear_model import LinearRegression

    LinearRegression().fit(*_numbers())
    return Answer()


@cache
def _model() -> Any:
    import deltarule as dr
    from benchmarks.tables import numbers

    return dr.learn(numbers(1000), predict="y")


def row(path: str, exact: Exact) -> Answer:
    model = _model()
    values = {name: (one.low + one.high) / 2 for name, one in model.record.contract.known.items()}
    for _ in range(TIMES):
        model.predict(values)
    return Answer()


def sklearn_row(path: str, exact: Exact) -> Answer:
    import numpy as np
    from sklearn.linear_model import LinearRegression

    inputs, targets = _numbers()
    model, values = LinearRegression().fit(inputs, targets), np.zeros((1, 5))
    for _ in range(TIMES):
        model.predict(values)
    return Answer()


@cache
def _goods() -> tuple[Any, Any]:
    """A price and a kind of seven, and what they cost."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    kinds = rng.integers(7, size=1000)
    price = rng.normal(size=1000)
    inputs = pl.DataFrame({"price": price, "kind": pl.Series(kinds).cast(pl.String)})
    return inputs, price + kinds + rng.normal(size=1000)


@cache
def _of_goods() -> Any:
    import polars as pl

    import deltarule as dr

    inputs, targets = _goods()
    return dr.learn(inputs.with_columns(y=pl.Series(targets)), predict="y")


def category(path: str, exact: Exact) -> Answer:
    model = _of_goods()
    for at in range(TIMES):
        model.predict({"price": at / TIMES, "kind": str(at % 7)})
    return Answer()


@cache
def _pipeline() -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    coded = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    return make_pipeline(coded, LinearRegression()).fit(*_goods())


def sklearn_category(path: str, exact: Exact) -> Answer:
    rows, model = _goods()[0], _pipeline()
    for at in range(TIMES):
        model.predict(rows[at])
    return Answer()
