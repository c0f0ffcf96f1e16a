"""The peers' ways to do each job, written as their own guides say, and decoding alone.

Imports stand inside: a peer's process loads what that peer needs, before the clock starts.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from benchmarks.answer import Answer

Exact = Mapping[str, Any]

BATCH_ROWS = 131_072
STEPS, STEPS_TAKEN = 1000, 20
SUBSET = 200_000
FOLDS = 5


def decode(path: str, exact: Exact) -> Answer:
    """Nothing but decoding: every batch is looked at by nobody."""
    import polars as pl

    lazy = pl.scan_csv(path) if path.endswith(".csv") else pl.scan_parquet(path)
    for _ in lazy.collect_batches(chunk_size=BATCH_ROWS):
        pass
    return Answer()


def gram(path: str, exact: Exact) -> Answer:
    """The normal equations by hand: read, centre, multiply, solve."""
    import numpy as np

    X, y = _arrays(path)
    mean, y_mean = X.mean(axis=0), y.mean()
    X -= mean
    weights = np.linalg.solve(X.T @ X, X.T @ (y - y_mean))
    return Answer("weights", lambda: [*weights, y_mean - mean @ weights])


def streamed_gram(path: str, exact: Exact) -> Answer:
    """The normal equations by hand, batch by batch: never more than one of them in memory."""
    import numpy as np
    import polars as pl

    lazy = pl.scan_csv(path) if path.endswith(".csv") else pl.scan_parquet(path)
    shift = None
    for batch in lazy.collect_batches(chunk_size=BATCH_ROWS):
        rows = batch.to_numpy()
        if shift is None:
            shift = rows.mean(axis=0)
            gram, sums, count = np.zeros((len(shift), len(shift))), np.zeros(len(shift)), 0
        rows = rows - shift
        gram += rows.T @ rows
        sums += rows.sum(axis=0)
        count += len(rows)
    gram -= np.outer(sums, sums) / count
    spread = np.sqrt(np.diag(gram))
    gram /= np.outer(spread, spread)
    weights = np.linalg.solve(gram[:-1, :-1], gram[:-1, -1]) * spread[-1] / spread[:-1]
    mean = shift + sums / count
    return Answer("weights", lambda: [*weights, mean[-1] - mean[:-1] @ weights])


def glum_numbers(path: str, exact: Exact) -> Answer:
    """glum's normal regression without a penalty; it standardises by itself."""
    import polars as pl
    from glum import GeneralizedLinearRegressor

    frame = pl.read_csv(path) if path.endswith(".csv") else pl.read_parquet(path)
    y = frame["y"].to_numpy()
    model = GeneralizedLinearRegressor(family="normal", alpha=0, gradient_tol=1e-10)
    model.fit(frame.drop("y").to_numpy(order="fortran"), y)
    return Answer("weights", lambda: [*model.coef_, model.intercept_])


def polars_ols(path: str, exact: Exact) -> Answer:
    """polars-ols: least squares as an expression of polars."""
    import polars as pl
    import polars_ols  # noqa: F401 - it adds to polars' expressions

    frame = pl.read_csv(path) if path.endswith(".csv") else pl.read_parquet(path)
    inputs = [pl.col(name) for name in frame.columns if name != "y"]
    fitted = pl.col("y").least_squares.ols(*inputs, add_intercept=True, mode="coefficients")
    found = frame.select(fitted.alias("w")).unnest("w").row(0)
    return Answer("weights", lambda: list(found))


def statsmodels_ols(path: str, exact: Exact) -> Answer:
    """statsmodels' OLS by QR, with its standard errors."""
    import numpy as np
    import statsmodels.api as sm

    X, y = _arrays(path)
    found = sm.OLS(y, np.column_stack([X, np.ones(len(y))])).fit(method="qr")
    assert len(found.bse) == X.shape[1] + 1
    return Answer("weights", lambda: list(found.params))


def linear_regression(path: str, exact: Exact) -> Answer:
    """scikit-learn's LinearRegression with its default settings.

    It counts directions as dependent whose scale is far below the largest column's.
    """
    from sklearn.linear_model import LinearRegression

    X, y = _arrays(path)
    model = LinearRegression().fit(X, y)
    return Answer("weights", lambda: [*model.coef_, model.intercept_])


def scaled_regression(path: str, exact: Exact) -> Answer:
    """The same on standardised columns, as its own guide advises where scales differ."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = _arrays(path)
    scaler, model = StandardScaler(), LinearRegression()
    make_pipeline(scaler, model).fit(X, y)
    weights = model.coef_ / scaler.scale_
    return Answer("weights", lambda: [*weights, model.intercept_ - scaler.mean_ @ weights])


def loop(path: str, exact: Exact) -> Answer:
    """Descent over the rows in memory: twenty of the thousand steps, the rest at the same pace."""
    import numpy as np

    began = perf_counter()
    Z, y = _arrays(path)
    Z -= Z.mean(axis=0)
    Z /= Z.std(axis=0)
    weights, intercept = np.zeros(Z.shape[1]), 0.0
    read_seconds = perf_counter() - began
    began = perf_counter()
    for _ in range(STEPS_TAKEN):
        delta = Z @ weights + intercept - y
        weights = weights - exact["alpha"] * (delta @ Z) / len(y)
        intercept -= exact["alpha"] * delta.mean()
    seconds = perf_counter() - began
    return Answer(
        f"descent {STEPS_TAKEN}",
        lambda: [intercept, *weights],
        {"read_seconds": read_seconds, "steps_seconds": seconds},
        left_out_seconds=seconds / STEPS_TAKEN * (STEPS - STEPS_TAKEN),
    )


def gram_path(path: str, exact: Exact) -> Answer:
    """The same idea by hand: a Gram matrix for each fold, every strength solved from those."""
    import numpy as np

    from benchmarks.exact import STRENGTHS

    began = perf_counter()
    X, y = _arrays(path)
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    rows = np.column_stack([np.ones(len(y)), X, y])
    read_seconds = perf_counter() - began
    began = perf_counter()
    folds = [rows[fold::FOLDS].T @ rows[fold::FOLDS] for fold in range(FOLDS)]
    whole, errors = sum(folds), np.zeros(len(STRENGTHS))
    unpenalised = np.diag([0.0, *np.ones(X.shape[1])])
    for own in folds:
        others = whole - own
        for at, strength in enumerate(STRENGTHS):
            penalised = others[:-1, :-1] + strength * others[0, 0] * unpenalised
            delta = np.append(np.linalg.solve(penalised, others[:-1, -1]), -1.0)
            errors[at] += delta @ own @ delta
    figures = {"read_seconds": read_seconds, "path_seconds": perf_counter() - began}
    return Answer("ridge_path", lambda: np.sqrt(errors / len(y)).tolist(), figures)


def ridge_cv(path: str, exact: Exact) -> Answer:
    """scikit-learn's Ridge in a loop, on a part of the rows; the rest at the same pace."""
    import numpy as np
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import StandardScaler

    from benchmarks.exact import STRENGTHS

    began = perf_counter()
    X, y = _arrays(path)
    all_rows = len(y)
    X, y = StandardScaler().fit_transform(X[:SUBSET]), y[:SUBSET]
    read_seconds = perf_counter() - began
    began = perf_counter()
    errors = np.zeros(len(STRENGTHS))
    for others, own in KFold(FOLDS).split(X):
        X_others, y_others, X_own, y_own = X[others], y[others], X[own], y[own]
        for at, strength in enumerate(STRENGTHS):
            model = Ridge(alpha=strength * len(others)).fit(X_others, y_others)
            errors[at] += ((model.predict(X_own) - y_own) ** 2).sum()
    seconds = perf_counter() - began
    return Answer(
        "ridge_path",
        lambda: np.sqrt(errors / len(y)).tolist(),
        {"read_seconds": read_seconds, "path_seconds": seconds},
        left_out_seconds=seconds * (all_rows / len(y) - 1),
    )


def glum_mixed(path: str, exact: Exact) -> Answer:
    """glum on a pandas frame with categories; gaps filled with the mean and marked."""
    import pandas as pd
    from glum import GeneralizedLinearRegressor

    frame = _dated(pd.read_parquet(path))
    y = frame.pop("y").to_numpy()
    for name in list(frame.columns):
        if name.startswith(("of_", "day ")):
            frame[name] = frame[name].astype("category")
        elif frame[name].isna().any():
            frame[f"{name} is missing"] = frame[name].isna().astype(float)
            frame[name] = frame[name].fillna(frame[name].mean())
    model = GeneralizedLinearRegressor(
        family="normal",
        alpha=0,
        drop_first=True,
        cat_missing_method="convert",
        gradient_tol=1e-10,
    ).fit(frame, y)
    head = frame.head(len(exact["predictions"]))
    return Answer("predictions", lambda: model.predict(head).tolist())


def pipeline_mixed(path: str, exact: Exact) -> Answer:
    """scikit-learn's pipeline: fill and mark gaps, a sparse column for each level, then solve."""
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = _dated(pd.read_parquet(path))
    y = frame.pop("y").to_numpy()
    prepare = make_column_transformer(
        (
            make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    )
    # Columns are sparse, so it solves in rounds: the default tol of 1e-6 leaves four digits.
    model = make_pipeline(prepare, LinearRegression(tol=1e-12)).fit(frame, y)
    head = frame.head(len(exact["predictions"]))
    return Answer("predictions", lambda: model.predict(head).tolist())


def _dated(frame: Any) -> Any:
    """Days as a number, months and weekdays as text, in place of a pandas column of dates."""
    import pandas as pd

    if "day" in frame:
        day = pd.to_datetime(frame["day"])
        frame["day month"] = day.dt.month.astype(str)
        frame["day weekday"] = day.dt.weekday.astype(str)
        frame["day"] = (day - pd.Timestamp("1970-01-01")).dt.days.astype(float)
    return frame


def _arrays(path: str) -> tuple[Any, Any]:
    """The inputs, (n, p), and the target, (n,), read by polars."""
    import polars as pl

    frame = pl.read_csv(path) if path.endswith(".csv") else pl.read_parquet(path)
    return frame.drop("y").to_numpy(writable=True), frame["y"].to_numpy()
