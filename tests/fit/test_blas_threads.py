"""Fits keep BLAS to one thread, also the BLAS that comes with scipy and is loaded by a wide fit."""

import json
import subprocess
import sys

# A process of its own, in which nothing has loaded scipy.
PROCESS = """
import json, os, sys
import numpy as np
import deltarule as dr
from threadpoolctl import threadpool_info
from deltarule.solvers.cholesky import Cholesky

threads, of = [], Cholesky.of.__func__

def watched(cls, matrix, **how):
    found = of(cls, matrix, **how)
    if len(matrix) > 128:
        blas = [one for one in threadpool_info() if one["user_api"] == "blas"]
        threads.append([one["num_threads"] for one in blas])
    return found

Cholesky.of = classmethod(watched)
rng = np.random.default_rng(0)
x = rng.standard_normal((600, 150))
table = {f"x{at}": x[:, at] for at in range(150)}
table["y"] = x.sum(axis=1) + rng.standard_normal(600)
assert "scipy.linalg" not in sys.modules
dr.learn(table, predict="y")
print(json.dumps(threads))
"""


def test_a_wide_fit_that_loads_scipy_has_one_blas_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, timeout=120, check=True
    )
    threads = json.loads(done.stdout)
    assert threads
    # numpy's and scipy's are two libraries here, or one.
    assert all(number == 1 for libraries in threads for number in libraries)
