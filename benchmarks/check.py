"""Compare with the last recorded run: what got slower, as ratios to what stands beside it.

    python -m benchmarks.check [--only JOB] [--slack 1.25]

Times differ from machine to machine; ratios to decoding, or to the job's own yardstick in the same
run, differ less. It runs each job's yardstick and deltarule anew, names what got slower by more
than the slack, and ends with 1 if anything did. Jobs that were never recorded are named too.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import run
from benchmarks.job import Job
from benchmarks.jobs import JOBS
from benchmarks.report import latest, ratio_of

TIMES = {"seconds": "first", "warm_seconds": "warm", "process_seconds": "process"}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default="", metavar="JOB", help="jobs whose name begins so")
    parser.add_argument("--slack", type=float, default=1.25, help="what counts as slower")
    parser.add_argument("--recorded", type=Path, default=run.RESULTS, metavar="FILE")
    parser.add_argument("--rows", type=int, metavar="N", help="smaller tables, to try it out")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where tables are kept")
    asked = parser.parse_args(words)
    recorded = latest(asked.recorded.read_text(encoding="utf-8").splitlines())
    jobs = [job for job in JOBS if job.name.startswith(asked.only) and (asked.only or not job.long)]
    slower = []
    for job in jobs:
        if job.name not in recorded:
            print(f"{job.name}: never recorded: make bench does")
            continue
        now = _measured(job, asked.rows, asked.cache)
        for contestant, time, before, after in compared(job, recorded[job.name], now):
            line = f"{job.name}, {contestant}, {time}: {before:.2f} -> {after:.2f} x {job.beside}"
            print(line)
            if after > before * asked.slack:
                slower.append(line)
    print("\nslower than recorded:" if slower else "\nnothing got slower")
    print("\n".join(f"  {line}" for line in slower))
    return int(bool(slower))


def compared(
    job: Job, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, float, float]]:
    """Each of deltarule's times in both runs, by that of the job's yardstick in the same run."""
    by_name = [{one["contestant"]: one for one in records} for records in (before, after)]
    for name, now in by_name[1].items():
        then = by_name[0].get(name)
        if not name.startswith("deltarule") or then is None or "failed" in {*now, *then}:
            continue
        for key, what in TIMES.items():
            ratios = [
                ratio_of(one, records.get(job.beside), key)
                for one, records in zip((then, now), by_name, strict=True)
            ]
            if ratios[0] is not None and ratios[1] is not None:
                yield name, what, ratios[0], ratios[1]


def _measured(job: Job, rows: int | None, cache: Path | None) -> Sequence[Mapping[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        words = ["--only", job.name, "--contestants", f"{job.beside},deltarule", "--counted", "2"]
        words += ["--results", str(results)]
        words += ["--rows", str(rows)] if rows else []
        words += ["--cache", str(cache)] if cache else []
        run.main(words)
        return latest(results.read_text(encoding="utf-8").splitlines())[job.name]


if __name__ == "__main__":
    sys.exit(main())
