"""A wide table takes no more memory than stated, however polars' row groups are cut."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

INPUTS, ROWS = 200, 250_000
LEARN = """
import json, os, sys, threading, time
# What is in flight goes with the processors: two of them, on whatever machine.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import deltarule as dr

def memory():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) << 10

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, memory())
        time.sleep(0.002)

dr.learn(sys.argv[1], predict="y", ridge=0)  # loads what learning needs
before = memory()
threading.Thread(target=watch, daemon=True).start()
model = dr.learn(sys.argv[2], predict="y", ridge=0)
weights = {one.input: one.weight for one in model.record.weights}
print(json.dumps([model.record.rows, weights, peak - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process uses from /proc")
@pytest.mark.parametrize("group", [None, 250_000, 20_000])
def test_a_wide_table_takes_less_than_its_bound(tmp_path: Path, group: int | None) -> None:
    rng = np.random.default_rng(0)
    # Its 400 MB repeat, which writes and reads them fast.
    block = rng.integers(-8, 8, size=(ROWS // 10, INPUTS)) / 8
    frame = pl.DataFrame({f"x{at}": np.tile(block[:, at], 10) for at in range(INPUTS)})
    error = pl.Series(rng.standard_normal(ROWS))
    frame = frame.with_columns(y=2 * pl.col("x0") - pl.col("x7") + 3 + error)
    few, all_rows = tmp_path / "few.parquet", tmp_path / "all.parquet"
    frame.head(1_000).write_parquet(few)
    frame.write_parquet(all_rows, row_group_size=group, compression="lz4")
    X = np.column_stack([np.ones(ROWS // 10), block])
    sums = X.T @ frame["y"].to_numpy().reshape(10, -1).sum(axis=0)
    right = np.linalg.solve(10 * X.T @ X, sums)
    del frame
    command = [sys.executable, "-c", LEARN, str(few), str(all_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, weights, used = json.loads(done.stdout)
    assert rows == ROWS
    found = [weights[f"x{at}"] for at in range(INPUTS)]
    np.testing.assert_allclose(found, right[1:], rtol=0, atol=1e-12)
    # 300 MB, and room for an allocator that holds on to more. Batches of 131,072 rows, decoded
    # ahead as those of few columns are, took 1.2 GB.
    assert used < 330e6
