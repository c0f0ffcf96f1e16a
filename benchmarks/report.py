"""Stage two: results -> a table for each job.

python -m benchmarks.report [FILE]     the latest run of each job in the file
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.jobs import JOBS, Job

Record = Mapping[str, Any]

HEAD = ("", "seconds", "spread", "x {}", "warm", "x {}", "process", "peak MB", "error")

MEANING = """\
seconds   the job alone, after imports, the first time in its process: the median, and the spread
warm      the same once more in the same process
process   from start to end, with imports
peak      memory beyond a bare interpreter's, with the table where it is held
error     the largest relative one; of a gradient, its norm by that at the start
~         partly estimated, as its note says"""


def of_job(job: Job, records: Sequence[Record]) -> str:
    """The job's table, what its columns mean, and whether its limits were held."""
    beside = next((r for r in records if r["contestant"] == job.beside and "failed" not in r), None)
    rows = [
        tuple(head.format(job.beside) for head in HEAD),
        *(_row(record, beside) for record in records),
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    lines = [f"\n{job.name}: {job.title}, {records[0]['rows']:,} rows", _where(records[0]), ""]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines += ["", *(_notes(record) for record in records)]
    return "\n".join([*lines, *_limits(job, records, beside)])


def _row(record: Record, beside: Record | None) -> tuple[str, ...]:
    name = record["contestant"]
    if "failed" in record:
        return (name, "failed", *[""] * (len(HEAD) - 2))
    more = record["left_out_seconds"]
    about = "~" if more else ""

    def time(key: str) -> str:
        return f"{about}{record[key]['median'] + more:.2f}" if key in record else "-"

    def times(key: str) -> str:
        ratio = ratio_of(record, beside, key)
        return "-" if ratio is None else f"{about}{ratio:.2f}"

    spread = record["seconds"]
    return (
        name,
        time("seconds"),
        f"{spread['low'] + more:.2f}-{spread['high'] + more:.2f}",
        times("seconds"),
        time("warm_seconds"),
        times("warm_seconds"),
        time("process_seconds"),
        f"{record['peak_mb']:.0f}",
        f"{record['error']:.0e}" if "error" in record else "-",
    )


def ratio_of(record: Record, beside: Record | None, key: str) -> float | None:
    """The median by that of what stands beside it in the same run."""
    if beside is None or key not in record or key not in beside:
        return None
    ratio: float = (record[key]["median"] + record["left_out_seconds"]) / beside[key]["median"]
    return ratio


def _where(record: Record) -> str:
    its, versions = record["machine"], record["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{its['processor']}, {its['cores']} cores, {its['memory_gb']} GB, {its['system']}; "
        f"commit {record['commit']}\n{named}\n{MEANING}"
    )


def _notes(record: Record) -> str:
    told = [record["note"], f"{record['counted']} counted"]
    if "failed" in record:
        told = [f"FAILED: {record['failed']}"]
    for name, value in record.get("figures", {}).items():
        told.append(f"{name.replace('_', ' ')} {value:.4g}")
    if "error_of" in record:
        told.append(f"error of {record['error_of'].replace('_', ' ')}")
    return f"  {record['contestant']}: {'; '.join(told)}"


def _limits(job: Job, records: Sequence[Record], beside: Record | None) -> list[str]:
    ours = next((r for r in records if r["contestant"] == "deltarule" and "failed" not in r), None)
    if job.limits is None or ours is None:
        return []
    found = [
        (f"deltarule / {job.beside}", ratio_of(ours, beside, "seconds"), job.limits.beside, ".2f"),
        ("the same, warm", ratio_of(ours, beside, "warm_seconds"), job.limits.beside, ".2f"),
        ("peak memory, MB", ours["peak_mb"], job.limits.peak_mb, ".0f"),
        ("relative error", ours["error"], job.limits.error, ".0e"),
    ]
    return [
        "",
        *(
            f"{name}: {value:{form}} (limit {limit:g}): {'held' if value <= limit else 'NOT HELD'}"
            for name, value, limit, form in found
            if value is not None and limit is not None
        ),
    ]


def latest(lines: Sequence[str]) -> dict[str, list[Record]]:
    """The records of each job's last run."""
    found: dict[str, list[Record]] = {}
    for record in map(json.loads, lines):
        known = found.get(record["job"])
        if known and known[0]["at"] == record["at"]:
            known.append(record)
        else:
            found[record["job"]] = [record]
    return found


def main(file: Path) -> None:
    if not file.exists():
        sys.exit(f"no such file: {file}: make bench writes it")
    found = latest(file.read_text(encoding="utf-8").splitlines())
    for job in JOBS:
        if job.name in found:
            print(of_job(job, found[job.name]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("results.jsonl"))
