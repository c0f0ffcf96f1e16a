"""Drift beside the read alone: CPU seconds of both, in processes of their own that take turns.

    python -m benchmarks.drift [--rows N] [--counted N]

A table of 16 numbers, 3 categories and a target, as CSV and as Parquet, made once in the cache.
Results go to drift.jsonl.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

import deltarule as dr
from benchmarks import machine, tables
from deltarule.model.predictor import Predictor
from deltarule.tables.frames import open_table
from deltarule.tables.schema_source import batches, read_as_learnt

RESULTS = Path(__file__).with_name("drift.jsonl")
PART = 500_000
LIMIT = 1.5


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--counted", type=int, default=3)
    parser.add_argument("--once", nargs=3, metavar=("WHAT", "MODEL", "TABLE"))
    asked = parser.parse_args(words)
    if asked.once:
        print(json.dumps(_once(*asked.once)))
        return 0
    slow = False
    for ending in ("csv", "parquet"):
        table, model = _made(asked.rows, ending)
        runs: dict[str, list[dict[str, float]]] = {"read": [], "drift": []}
        for _ in range(1 + asked.counted):
            for what, found in runs.items():
                found.append(_in_process(what, model, table))
        cpu = {what: median(one["cpu"] for one in found[1:]) for what, found in runs.items()}
        peak = max(one["peak_mb"] for one in runs["drift"])
        times = cpu["drift"] / cpu["read"]
        record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "job": f"drift_{ending}",
            "rows": asked.rows,
            "cpu_seconds": cpu,
            "times": times,
            "peak_mb": peak,
            "runs": runs,
        } | machine.described()
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(record) + "\n")
        print(
            f"{ending}: {asked.rows:,} rows, read alone {cpu['read']:.2f} s of CPU, drift "
            f"{cpu['drift']:.2f} s, {times:.2f} times, {peak:.0f} MB"
        )
        slow |= times > LIMIT
    return int(slow)


def _made(rows: int, ending: str) -> tuple[Path, Path]:
    folder = tables.cache()
    folder.mkdir(parents=True, exist_ok=True)
    csv, parquet = (folder / f"drift_{rows}.{one}" for one in ("csv", "parquet"))
    model = folder / f"drift_{rows}.json"
    if not parquet.exists():
        rng = np.random.default_rng(0)
        with csv.open("wb") as file:
            for start in range(0, rows, PART):
                _part(rng, min(PART, rows - start)).write_csv(file, include_header=not start)
        pl.scan_csv(csv).sink_parquet(parquet)
        dr.learn(pl.read_csv(csv, n_rows=200_000), predict="y").save(model)
    return (csv if ending == "csv" else parquet), model


def _part(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    numbers = {f"x{at}": rng.normal(size=rows).round(6) for at in range(16)}
    levels = {f"level{at}": rng.choice(list("abcdefgh"), rows) for at in range(3)}
    y = sum(numbers.values(), rng.normal(size=rows)).round(6)
    return pl.DataFrame({**numbers, **levels, "y": y})


def _in_process(what: str, model: Path, table: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.drift", "--once", what, str(model), str(table)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _once(what: str, model: str, table: str) -> dict[str, float]:
    """CPU and wall seconds of the read alone, or of drift, without those of starting."""
    known, began, before = dr.load(model), perf_counter(), _cpu()
    if what == "read":
        scorer = Predictor(known.record)
        source = read_as_learnt(open_table(table)[0], scorer.contract)
        rows = sum(one.height for one in batches(source, scorer.compares, scorer.contract.expects))
    else:
        rows = known.drift(table).rows
    assert rows, "it has rows"
    # That of rusage begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"cpu": _cpu() - before, "wall": perf_counter() - began, "peak_mb": peak}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
