"""Stage one: every contestant of every job in a process of its own -> results.jsonl.

    python -m benchmarks.run [--quick] [--all] [--only JOB]

The first run of each contestant is thrown away, then three are counted (one with --quick).
Long jobs are left to --all. A contestant whose packages are not there is skipped, by name.
Contestants take turns, A B C A B C, so that a machine that drifts does so for all of them.
Tables are made once, in a cache outside the repository.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks import machine, report
from benchmarks.jobs import JOBS, Contestant, Job

RESULTS = Path(__file__).with_name("results.jsonl")


def main(words: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(words)
    jobs = [job for job in JOBS if job.name.startswith(asked.only)]
    if not (asked.only or asked.all):
        jobs = [job for job in jobs if not job.long]
    if not jobs:
        print(f"no job is called {asked.only}: {', '.join(job.name for job in JOBS)}")
        return 2
    counted = asked.counted or (1 if asked.quick else 3)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    failed = False
    for job in jobs:
        rows = asked.rows or job.rows
        contestants = [
            c
            for c in job.contestants
            if c.name.startswith(tuple(asked.contestants)) and _is_there(c)
        ]
        _note(f"{job.name}: making the table, if it is not there")
        path, answers = _table(job, rows, asked.cache)
        runs = _rounds(contestants, path, answers, thrown=asked.thrown, counted=counted)
        records = [
            {"at": at, "job": job.name, "rows": rows, "thrown": asked.thrown}
            | summed(contestant, runs[contestant.name])
            | machine.described()
            for contestant in contestants
        ]
        with asked.results.open("a", encoding="utf-8") as results:
            results.writelines(json.dumps(record) + "\n" for record in records)
        print(report.of_job(job, records), flush=True)
        failed |= any("failed" in record for record in records)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="count one run, not three")
    parser.add_argument("--all", action="store_true", help="long jobs too: over an hour")
    parser.add_argument("--only", default="", metavar="JOB", help="jobs whose name begins so")
    parser.add_argument("--counted", type=int, metavar="N", help="count so many runs")
    parser.add_argument("--thrown", type=int, default=1, metavar="N", help="throw so many away")
    parser.add_argument("--rows", type=int, metavar="N", help="smaller tables, to try it out")
    parser.add_argument(
        "--contestants", type=lambda names: names.split(","), default=[""], metavar="A,B"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where tables are kept")
    return parser


def _is_there(contestant: Contestant) -> bool:
    """Whether its packages are installed; else it is skipped, and that is said."""
    for name in contestant.loads:
        top = name.split(".")[0]
        if find_spec(top) is None:
            _note(f"  {contestant.name}: skipped, as {top} is not installed")
            return False
    return True


def _table(job: Job, rows: int, cache: Path | None) -> tuple[Path, Path]:
    """The job's table and its exact answers, made by another process: this one stays small."""
    words = [job.table, str(rows), *([str(cache)] if cache else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", *words],
        cwd=machine.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path, answers = done.stdout.splitlines()
    return Path(path), Path(answers)


def _rounds(
    contestants: Sequence[Contestant], path: Path, answers: Path, *, thrown: int, counted: int
) -> dict[str, list[dict[str, Any]]]:
    """The counted runs of each contestant, taken in turn."""
    runs: dict[str, list[dict[str, Any]]] = {contestant.name: [] for contestant in contestants}
    for number in range(thrown + counted):
        for contestant in contestants:
            if number and contestant.once:
                continue
            run = one(contestant, path, answers)
            counts = number >= thrown or contestant.once or "failed" in run
            which = "counted" if counts else "thrown away"
            took = "failed" if "failed" in run else f"{run['seconds']:.2f} s"
            _note(f"  {contestant.name}: {took} ({which})")
            if counts:
                runs[contestant.name].append(run)
    return runs


def one(contestant: Contestant, path: Path, answers: Path) -> dict[str, Any]:
    """One run in a fresh process: what it said of itself, and its time as seen from outside.

    Process seconds leave out the second time the job is done: they are from the start to the
    first line, and from the last line to the end.
    """
    again = not contestant.once
    words = [contestant.does, ",".join(contestant.loads), contestant.holds]
    words += [str(path), str(answers), str(int(again))]
    began = perf_counter()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.child", *words],
        cwd=machine.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        for line in child.stdout:
            lines.append((perf_counter(), line))
        wrong = child.stderr.read()
    ended = perf_counter()
    if child.returncode != 0 or len(lines) != 1 + again:
        return {"failed": (wrong.strip().splitlines() or ["it said nothing"])[-1]}
    first, *more = [json.loads(line) for _, line in lines]
    first["process_seconds"] = (lines[0][0] - began) + (ended - lines[-1][0])
    first["peak_mb"] -= machine.bare_mb()
    if more:
        first["warm_seconds"] = more[0]["seconds"]
        first["warm_peak_mb"] = more[0]["peak_mb"] - machine.bare_mb()
    return first


def summed(contestant: Contestant, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of results: medians, spreads, the worst error, and every run behind them."""
    named = {"contestant": contestant.name, "note": contestant.note, "counted": len(runs)}
    wrong = [run["failed"] for run in runs if "failed" in run]
    if wrong:
        return named | {"failed": wrong[0]}
    for name in ("seconds", "warm_seconds", "process_seconds", "import_seconds"):
        values = [run[name] for run in runs if name in run]
        if values:
            named[name] = {"median": median(values), "low": min(values), "high": max(values)}
    for name in ("peak_mb", "warm_peak_mb", "left_out_seconds"):
        if name in runs[0]:
            named[name] = median(run[name] for run in runs)
    figures = runs[0]["figures"]
    named["figures"] = {name: median(run["figures"][name] for run in runs) for name in figures}
    if "error" in runs[0]:
        named["error"] = max(run["error"] for run in runs)
        named["error_of"] = runs[0]["error_of"]
    return named | {"runs": runs}


def _note(text: str) -> None:
    """Progress, for whoever waits; results go to the other stream."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
