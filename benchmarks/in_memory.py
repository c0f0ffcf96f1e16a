"""Jobs whose table is in memory before the clock starts: yes/no, counts, a lasso path.

deltarule gets the table as a polars frame, as it stands. The peers get arrays, and as their guides
advise, standardised: that is not on their clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks.answer import Answer

Exact = Mapping[str, Any]

# Peers stop by the size of the gradient, here of the mean loss on standardised inputs. At the start
# that is some 0.3 (yes/no) or 1 (counts).
TOLERANCE = 1e-9
STRENGTHS, FOLDS, SHORTEST = 100, 5, 1e-3


@dataclass(frozen=True)
class Arrays:
    """Standardised inputs (n, p), the target (n,), and the way back to the columns' own units."""

    inputs: Any
    target: Any
    mean: Any
    spread: Any

    def own(self, weight: Any, intercept: float) -> list[float]:
        """The weights in the columns' own units, the intercept last."""
        weights = weight / self.spread
        return [*weights, float(intercept - self.mean @ weights)]


def frame(path: str) -> Any:
    """The table as polars reads it."""
    import polars as pl

    return pl.read_parquet(path)


def arrays(path: str) -> Arrays:
    """The table as rows of numbers."""
    return _arrays(path, "C")


def columns(path: str) -> Arrays:
    """The table as columns of numbers, which glum prefers."""
    return _arrays(path, "F")


def _arrays(path: str, order: Any) -> Arrays:
    import numpy as np
    import polars as pl

    table = pl.read_parquet(path)
    names = [name for name in table.columns if name != "y"]
    inputs = np.empty((table.height, len(names)), order=order)
    mean, spread = np.empty(len(names)), np.empty(len(names))
    for at, name in enumerate(names):
        column = table[name].to_numpy()
        mean[at], spread[at] = column.mean(), column.std()
        inputs[:, at] = (column - mean[at]) / spread[at]
    return Arrays(inputs, table["y"].to_numpy(), mean, spread)


def deltarule_logistic(table: Any, exact: Exact) -> Answer:
    return _deltarule(table, "logistic")


def deltarule_poisson(table: Any, exact: Exact) -> Answer:
    return _deltarule(table, "poisson")


def defaults_logistic(table: Any, exact: Exact) -> Answer:
    return _deltarule(table, "logistic", ridge="auto")


def defaults_poisson(table: Any, exact: Exact) -> Answer:
    return _deltarule(table, "poisson", ridge="auto")


def _deltarule(table: Any, loss: str, *, ridge: float | str = 0) -> Answer:
    import deltarule as dr

    # The peers hold weights by nothing either.
    model = dr.learn(table, predict="y", loss=loss, ridge=ridge)
    learnt = model.record.learnt[0]
    figures = {"passes": float(learnt.passes), "sampled": float(learnt.sampled)}

    def values() -> list[float]:
        weights = [one.weight for one in model.record.weights]
        return [*weights, model.record.intercept[0].weight]

    figures |= {"steps": float(learnt.steps), "ridge": float(learnt.ridge)}
    # With a ridge the weights are not those of the peers.
    return Answer(None if learnt.ridge else f"gradient {loss}", values, figures)


def lbfgs_logistic(table: Arrays, exact: Exact) -> Answer:
    return _sklearn_logistic(table, "lbfgs")


def cholesky_logistic(table: Arrays, exact: Exact) -> Answer:
    return _sklearn_logistic(table, "newton-cholesky")


def _sklearn_logistic(table: Arrays, solver: str) -> Answer:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf, solver=solver, tol=TOLERANCE, max_iter=1000)
    model.fit(table.inputs, table.target)
    return Answer(
        "gradient logistic",
        lambda: table.own(model.coef_[0], model.intercept_[0]),
        {"iterations": float(model.n_iter_[0])},
    )


def lbfgs_poisson(table: Arrays, exact: Exact) -> Answer:
    return _sklearn_poisson(table, "lbfgs")


def cholesky_poisson(table: Arrays, exact: Exact) -> Answer:
    return _sklearn_poisson(table, "newton-cholesky")


def _sklearn_poisson(table: Arrays, solver: str) -> Answer:
    from sklearn.linear_model import PoissonRegressor

    model = PoissonRegressor(alpha=0, solver=solver, tol=TOLERANCE, max_iter=1000)
    model.fit(table.inputs, table.target)
    return Answer(
        "gradient poisson",
        lambda: table.own(model.coef_, model.intercept_),
        {"iterations": float(model.n_iter_)},
    )


def glum_logistic(table: Arrays, exact: Exact) -> Answer:
    return _glum(table, "binomial", "logistic")


def glum_poisson(table: Arrays, exact: Exact) -> Answer:
    return _glum(table, "poisson", "poisson")


def _glum(table: Arrays, family: str, loss: str) -> Answer:
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(family=family, alpha=0, gradient_tol=TOLERANCE)
    model.fit(table.inputs, table.target)
    return Answer(
        f"gradient {loss}",
        lambda: table.own(model.coef_, model.intercept_),
        {"iterations": float(model.n_iter_)},
    )


def read_alone(table: Any, exact: Exact) -> Answer:
    """The moments of each fold, by deltarule's one read, and nothing made of them."""
    from deltarule.tables.frames import open_table
    from deltarule.tables.one_read import Keep, read
    from deltarule.tables.request import Request

    read(open_table(table)[0], Request(predict=["y"]), keep=Keep(0))
    return Answer()


def lasso(table: Any, exact: Exact) -> Answer:
    """The same read, then the path on five folds and on all rows."""
    import numpy as np

    from deltarule.moments.moments import total
    from deltarule.moments.problem import LinearProblem
    from deltarule.solvers.lasso_path import lasso_cv, lasso_path
    from deltarule.tables.frames import open_table
    from deltarule.tables.one_read import Keep, read
    from deltarule.tables.request import Request

    found = read(open_table(table)[0], Request(predict=["y"]), keep=Keep(0))
    began = perf_counter()
    p = len(found.schema.inputs)
    problem = LinearProblem(range(p), [p], True, {}, None)
    strengths = np.array(exact["lasso_strengths"])
    path = lasso_cv(found.folds, problem, strengths=strengths)
    whole = lasso_path(problem.of(total(found.folds)), strengths)
    figures = {"path_seconds": perf_counter() - began}
    figures["held_out_rmse"] = float(np.sqrt(np.min(path.mean()[:, 0])))
    last = {name: array[-1] for name, array in whole.weights.items()}
    return Answer("lasso", lambda: last["weight"][:, 0].tolist(), figures)


def lasso_cv(table: Arrays, exact: Exact) -> Answer:
    """scikit-learn's LassoCV with as many strengths and folds."""
    import numpy as np
    from sklearn.linear_model import LassoCV

    strengths = np.array(exact["lasso_strengths"])
    model = LassoCV(alphas=strengths, cv=FOLDS, tol=1e-8).fit(table.inputs, table.target)
    errors = model.mse_path_.mean(axis=1)
    return Answer(figures={"held_out_rmse": float(np.sqrt(errors.min()))})
