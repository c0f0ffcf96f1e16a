"""A table ten times the memory it may use is learnt from, in a process that gets no more.

Each test runs a process that loads everything and learns once from a small table, so that threads,
libraries and their arenas are there; then the address space it has is the address space it may
have, with a tenth of the big table on top and some room. RLIMIT_AS counts what is reserved, used
or not: before anything is learnt that is 1.5 GB, of which 0.1 GB are used, so the limit must be set
this late, and the memory in use is watched beside it. A file that is mapped takes address space
too, though no memory of the process's own.
"""

import json
import os
import subprocess
import sys

import pytest

PROCESS = """
import json, os, resource, sys, threading, time
# What is in flight goes with the processors: two of them, on whatever machine.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import numpy as np, polars as pl, pyarrow as pa
import deltarule as dr

def memory(kind):
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines[kind].split()[0]) << 10

ROWS, PART = {rows}, 100_000

def part(at):
    # Numbers of few digits, so that sums of them are exact whatever their order.
    i = np.arange(at, at + PART)
    table = {{f"x{{k}}": ((i * (2 * k + 3)) % 1009) / 8 for k in range(4)}}
    table["c"] = np.array(["red", "green", "blue"])[i % 3]
    table["y"] = 2 * table["x0"] - table["x1"] + 5 * (i % 3 == 0) + i * 7919 % 10007 / 1e4
    return pa.record_batch(table)

def stream(rows):
    batches = (part(at) for at in range(0, rows, PART))
    return pa.RecordBatchReader.from_batches(part(0).schema, batches)

def mapped(path):
    if os.path.isdir(path):
        return sum(entry.stat().st_size for entry in os.scandir(path))
    return os.path.getsize(path)

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, memory("RssAnon"))
        time.sleep(0.005)

{make}
warm = dr.learn(table({few}), predict="y")
big = table(ROWS)
threading.Thread(target=watch, daemon=True).start()
before = memory("RssAnon")
limit = memory("VmSize") + {allowed} + {room} + (mapped(big) if isinstance(big, str) else 0)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
model = dr.learn(big, predict="y")
weights = {{f"{{one.input}} {{one.level}}": one.weight for one in model.record.weights}}
print(json.dumps([model.record.rows, weights, peak - before]))
"""

# From the rows wanted to a table of so many, made as it is read.
MADE = {
    "arrow stream": "table = stream",
    "duckdb": """
import duckdb
con = duckdb.connect(config={"threads": 2, "memory_limit": "50MB"})
inputs = ", ".join(f"((i * {2 * k + 3}) % 1009) / 8 as x{k}" for k in range(4))
def table(rows):
    return con.sql(
        "select * exclude e, 2 * x0 - x1 + 5 * (c = 'red')::int + e as y "
        f"from (select i * 7919 % 10007 / 1e4 as e, {inputs}, "
        f"(['red', 'green', 'blue'])[1 + i % 3] as c from range({rows}) t(i))"
    )
""",
    "parquet": """
import tempfile
import pyarrow.parquet as pq
folder = tempfile.TemporaryDirectory()
def table(rows):
    path = f"{folder.name}/{rows}.parquet"
    with pq.ParquetWriter(path, part(0).schema) as file:
        for at in range(0, rows, PART):
            file.write_batch(part(at))
    return path
""",
    "folder of parts": """
import tempfile
import pyarrow.parquet as pq
folder = tempfile.TemporaryDirectory()
def table(rows):
    path = f"{folder.name}/{rows}"
    os.mkdir(path)
    for start in range(0, rows, rows // 5):
        with pq.ParquetWriter(f"{path}/{start:012}.parquet", part(0).schema) as file:
            for at in range(start, start + rows // 5, PART):
                file.write_batch(part(at))
    return path
""",
    "csv": """
import tempfile
folder = tempfile.TemporaryDirectory()
def table(rows):
    path = f"{folder.name}/{rows}.csv"
    with open(path, "wb") as file:
        for at in range(0, rows, PART):
            pl.from_arrow(part(at)).write_csv(file, include_header=at == 0)
    return path
""",
}
# Batches in flight and the parser take 110 to 175 MB whatever the rows, by how threads are
# scheduled: a tenth of these is 202.
ROWS = 36_000_000
ROW = 5 * 8 + 16
# Addresses that are reserved and hardly used: arenas of threads that happen to start late, stacks.
# What counts is the memory in use, which is watched, and may be a tenth of the table.
ROOM = 256 << 20


def learnt(make: str, *, rows: int, allowed: int) -> tuple[int, dict[str, float], int]:
    """Rows, weights, and the memory that learning took beyond what was there before."""
    code = PROCESS.format(make=make, rows=rows, few=200_000, allowed=allowed, room=ROOM)
    # The limit is on addresses, of which each thread that comes late would set 64 MB aside.
    few_arenas = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=few_arenas,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, weights, used = json.loads(done.stdout.splitlines()[-1])
    return found, weights, used


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process uses from /proc")
@pytest.mark.parametrize("name", MADE)
def test_a_table_ten_times_the_memory_it_may_use(name: str) -> None:
    allowed = ROWS * ROW // 10
    found, weights, used = learnt(MADE[name], rows=ROWS, allowed=allowed)
    assert found == ROWS
    assert weights["x0 None"] == pytest.approx(2, rel=1e-3)
    assert weights["x1 None"] == pytest.approx(-1, rel=1e-3)
    assert used < allowed
