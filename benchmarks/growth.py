"""How learning grows: with rows, inputs, levels, classes, steps, folds and strengths.

    python -m benchmarks.growth [--quick] [--only CURVE] [--most ROWS]

Each point is learnt in a process of its own, and again while it is warm. The results go to
growth.jsonl; `python -m benchmarks.figures` draws them into docs/benchmarks.md.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import machine

RESULTS = Path(__file__).with_name("growth.jsonl")
CELLS = 4_000_000


@dataclass(frozen=True)
class Curve:
    """What grows, to which sizes; the first three alone with --quick."""

    title: str
    sizes: tuple[int, ...]


CURVES = {
    "rows": Curve(
        "rows of 20 numbers, Parquet", (10**4, 10**5, 10**6, 3 * 10**6, 10**7, 3 * 10**7, 10**8)
    ),
    "inputs": Curve(
        f"inputs, {CELLS:,} cells, at most 100,000 rows", (2, 10, 50, 200, 1000, 2000, 5000)
    ),
    "levels": Curve(
        "levels of a category, 300,000 rows, of more levels 3 rows each, one level after the other",
        (10, 100, 1000, 10**4, 10**5, 10**6),
    ),
    "classes": Curve("classes, 5,000 rows of 10 numbers", (2, 5, 10, 26, 50, 100)),
    "steps": Curve("steps of descent, 100,000 rows of 20 numbers", (10, 100, 1000, 10**4, 10**5)),
    "folds": Curve("folds, 500,000 rows of 20 numbers", (2, 5, 10, 20, 50)),
    "strengths": Curve("strengths of ridge on 5 folds' sums, 20 numbers", (1, 4, 16, 64, 256)),
}
MOST_ROWS = 10**6
# A table of more rows is a folder of parts of so many, as it would not fit in memory when made.
PART = 10**7


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="the first three sizes of each")
    parser.add_argument("--only", default="", metavar="CURVE", choices=["", *CURVES])
    parser.add_argument("--most", type=int, default=MOST_ROWS, metavar="ROWS", help="rows at most")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.point:
        print(json.dumps(_point(asked.point[0], int(asked.point[1]))))
        return 0
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for name, curve in CURVES.items():
        if asked.only not in ("", name):
            continue
        for size in curve.sizes[: 3 if asked.quick else None]:
            if name == "rows" and size > asked.most:
                continue
            words = ["-m", "benchmarks.growth", "--point", name, str(size)]
            done = subprocess.run(
                [sys.executable, *words],
                cwd=machine.ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            said = (done.stderr.strip().splitlines() or ["?"])[-1]
            found = {"failed": said} if done.returncode else json.loads(done.stdout)
            record = {"at": at, "curve": name, "size": size} | found | machine.described()
            with asked.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps(record) + "\n")
            shown = found.get("failed") or f"{found['seconds']:.2f} s, {found['warm']:.2f} s warm"
            print(f"{name} {size:,}: {shown}", flush=True)
    return 0


def _point(name: str, size: int) -> dict[str, Any]:
    """The seconds of learning for the first time and again, and the peak memory beyond nothing."""
    job = _job(name, size)
    seconds = []
    for _ in range(2):
        began = perf_counter()
        job()
        seconds.append(perf_counter() - began)
    peak = machine.peak_mb() - machine.bare_mb()
    return {"seconds": seconds[0], "warm": seconds[1], "peak_mb": peak}


def _job(name: str, size: int) -> Callable[[], Any]:
    """What is timed; its table is made before."""
    import numpy as np
    import polars as pl

    import deltarule as dr
    from benchmarks.tables import cache, make, make_parts, numbers

    rng = np.random.default_rng(size)
    if name == "rows":
        path = (
            make("numbers.parquet", size, cache(), exact_answers=False)
            if size <= PART
            else make_parts(size // PART, PART, cache())
        )
        return lambda: dr.learn(path, predict="y")
    if name == "inputs":
        wide = numbers(min(100_000, CELLS // size), size)
        return lambda: dr.learn(wide, predict="y")
    if name == "levels":
        # In any order most rows of the first thousands would have a level of their own: a name.
        codes = np.sort(rng.integers(size, size=max(300_000, 3 * size)))
        target = rng.normal(size=size)[codes] + rng.normal(size=len(codes))
        table = pl.DataFrame({"of": pl.Series(codes).cast(pl.String), "y": target})
        return lambda: dr.learn(table, predict="y", levels=size + 1)
    if name == "classes":
        inputs = rng.normal(size=(5_000, 10))
        scores = inputs @ rng.normal(size=(10, size)) + rng.gumbel(size=(5_000, size))
        table = pl.DataFrame(inputs).with_columns(y=pl.Series(scores.argmax(axis=1)).cast(str))
        return lambda: dr.learn(table, predict="y")
    if name == "steps":
        table = numbers(100_000)
        how = {"learner": "descent", "steps": size, "tolerance": 0.0}
        return lambda: dr.learn(table, predict="y", ridge=0, **how)
    table = numbers(500_000)
    if name == "folds":
        return lambda: dr.learn(table, predict="y", folds=size)
    from deltarule.moments.problem import LinearProblem
    from deltarule.solvers.least_squares import ridge_path

    sums, strengths = dr.learn(table, predict="y").moments(), np.logspace(-6, 1, size)
    problem = LinearProblem(range(20), [20], True, {}, None)
    return lambda: ridge_path(sums, problem, strengths=strengths)


if __name__ == "__main__":
    sys.exit(main())
