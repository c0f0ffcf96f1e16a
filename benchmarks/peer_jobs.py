"""What runs in the peers' environment: a function for each, and the clock. It imports none of ours.

python peer_jobs.py FUNCTION TABLE ANSWERS
"""

import json
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

Weights = list[float]
TAKEN = 20_000


def _arrays(path: str) -> tuple[Any, Any, Any, Any]:
    """Standardised inputs (n, p), the target (n,), and the inputs' means and spreads."""
    import polars as pl

    frame = pl.read_parquet(path)
    inputs = frame.drop("y").to_numpy(writable=True)
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    inputs -= mean
    inputs /= spread
    return inputs, frame["y"].to_numpy(), mean, spread


def _own(weight: Any, intercept: float, mean: Any, spread: Any) -> Weights:
    own = weight / spread
    return [*own.tolist(), float(intercept - mean @ own)]


def torch_lbfgs(path: str) -> tuple[Weights, float]:
    import torch

    X, y, mean, spread = _arrays(path)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y.copy())
    weight = torch.zeros(X.shape[1], dtype=torch.float64, requires_grad=True)
    start = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, start],
        max_iter=200,
        tolerance_grad=1e-10,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((inputs @ weight + start - targets) ** 2).mean() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    found = weight.detach().numpy()
    return _own(found, float(start.detach()[0]), mean, spread), 0.0


def torch_lstsq(path: str) -> tuple[Weights, float]:
    import numpy as np
    import torch

    X, y, mean, spread = _arrays(path)
    design = torch.from_numpy(np.column_stack([X, np.ones(len(y))]))
    found = torch.linalg.lstsq(design, torch.from_numpy(y.copy())[:, None]).solution[:, 0].numpy()
    return _own(found[:-1], found[-1], mean, spread), 0.0


def skglm_linear(path: str) -> tuple[Weights, float]:
    from skglm import Lasso

    X, y, mean, spread = _arrays(path)
    model = Lasso(alpha=1e-12, tol=1e-10, max_iter=1000).fit(X, y)
    return _own(model.coef_, float(model.intercept_), mean, spread), 0.0


def pyfixest_ols(path: str) -> tuple[Weights, float]:
    import numpy as np
    import pandas as pd
    from pyfixest import feols

    X, y, mean, spread = _arrays(path)
    names = [f"x{at + 1}" for at in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names).assign(y=y)
    found = feols(f"y ~ {' + '.join(names)}", data=frame).coef()
    return _own(np.array([found[name] for name in names]), found["Intercept"], mean, spread), 0.0


def river_linear(path: str) -> tuple[Weights, float]:
    import numpy as np
    from river import linear_model, optim

    X, y, mean, spread = _arrays(path)
    began = perf_counter()
    model = linear_model.LinearRegression(optimizer=optim.SGD(0.01), intercept_lr=0.01)
    names = [f"x{at + 1}" for at in range(X.shape[1])]
    for row, target in zip(X[:TAKEN].tolist(), y[:TAKEN].tolist(), strict=True):
        model.learn_one(dict(zip(names, row, strict=True)), target)
    left_out = (perf_counter() - began) * (len(y) / min(TAKEN, len(y)) - 1)
    found = np.array([model.weights[name] for name in names])
    return _own(found, model.intercept, mean, spread), left_out


def vowpal(path: str) -> tuple[Weights, float]:
    import numpy as np
    from vowpalwabbit import Workspace

    X, y, mean, spread = _arrays(path)
    vw = Workspace("--quiet --passes 1 --loss_function squared")
    names = [f"x{at + 1}" for at in range(X.shape[1])]
    for row, target in zip(X.tolist(), y.tolist(), strict=True):
        cells = " ".join(f"{name}:{value!r}" for name, value in zip(names, row, strict=True))
        vw.learn(f"{target!r} | {cells}")
    # Its weights are what its predictions say: at zero, and at one of each input.
    zero = float(vw.predict("| "))
    found = np.array([float(vw.predict(f"| {name}:1")) - zero for name in names])
    return _own(found, zero, mean, spread), 0.0


def h2o_glm(path: str) -> tuple[Weights, float]:
    import h2o
    import polars as pl
    from h2o.estimators import H2OGeneralizedLinearEstimator

    h2o.init(nthreads=-1, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.csv"
        pl.read_parquet(path).write_csv(file)
        frame = h2o.import_file(str(file))
    model = H2OGeneralizedLinearEstimator(family="gaussian", lambda_=0)
    names = [name for name in frame.columns if name != "y"]
    model.train(x=names, y="y", training_frame=frame)
    found = model.coef()
    return [*(found[name] for name in names), found["Intercept"]], 0.0


PACKAGES = {
    "torch_lbfgs": "torch",
    "torch_lstsq": "torch",
    "skglm_linear": "skglm",
    "pyfixest_ols": "pyfixest",
    "river_linear": "river",
    "vowpal": "vowpalwabbit",
    "h2o_glm": "h2o",
}


def main(does: str, table: str, answers: str) -> None:
    import_module(PACKAGES[does])
    job: Callable[[str], tuple[Weights, float]] = globals()[does]
    seconds = []
    for _ in range(2):
        began = perf_counter()
        weights, left_out = job(table)
        seconds.append(perf_counter() - began + left_out)
    exact = json.loads(Path(answers).read_text(encoding="utf-8"))["weights"]
    error = max(abs(one - right) / abs(right) for one, right in zip(weights, exact, strict=True))
    said = {"seconds": seconds[0], "warm": seconds[1], "error": error}
    print(json.dumps(said | {"version": version(PACKAGES[does])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
