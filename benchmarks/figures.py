"""The recorded runs as figures: docs/benchmarks.md, its pictures, and the tables of the README.

    python -m benchmarks.figures

Nothing is measured here: results.jsonl, growth.jsonl and other_peers.jsonl are what was. In the
README the tables stand between <!-- speed --> and <!-- /speed -->.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks import growth, machine, other_peers, run
from benchmarks.jobs import JOBS
from benchmarks.report import latest, ratio_of

Record = Mapping[str, Any]
DOCS = machine.ROOT / "docs"
SPEED = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", re.DOTALL)
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 360, 220, 52, 34, 26, 14


def main() -> None:
    results = latest(_lines(run.RESULTS))
    parts = ["# Benchmarks", INTRODUCTION]
    parts += [_job(job, results[job.name]) for job in JOBS if job.name in results]
    parts += _growth(_lines(growth.RESULTS))
    parts += _others(_lines(other_peers.RESULTS))
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    readme = machine.ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(SPEED.sub(lambda _: _short(results), text), encoding="utf-8")


INTRODUCTION = """\
`make bench` runs every job below, each contestant in a process of its own, in turns, on the same
table: the first run is thrown away, the median of the others is shown. *First* is the job alone,
after imports, *warm* the same once more in the same process, *process* from start to end with
imports; peak memory is beyond a bare interpreter's; the error is the largest relative one against
exact answers. `make bench-check` runs what matters anew and names what got slower than the
recorded run, as a ratio to decoding. This page is made of the recorded runs by `python -m
benchmarks.figures`."""


def _job(job: Any, records: Sequence[Record]) -> str:
    beside = next((one for one in records if one["contestant"] == job.beside), None)
    head = ["", "first", f"x {job.beside}", "warm", "process", "peak MB", "error", ""]
    rows = []
    for one in records:
        if "failed" in one:
            rows.append([one["contestant"], "failed", *[""] * 5, one["failed"]])
            continue
        ratio = ratio_of(one, beside, "seconds")
        error = f"{one['error']:.0e}" if "error" in one else ""
        rows.append(
            [
                one["contestant"],
                _seconds(one, "seconds"),
                "" if ratio is None else f"{ratio:.2f}",
                _seconds(one, "warm_seconds"),
                _seconds(one, "process_seconds"),
                f"{one['peak_mb']:,.0f}",
                error,
                one["note"],
            ]
        )
    its = records[0]["machine"]
    where = (
        f"{its['processor']}, {its['cores']} cores, {records[0]['at'][:10]}, commit "
        f"{records[0]['commit']}; median of {records[0]['counted']}."
    )
    return f"## {job.title}\n\n{records[0]['rows']:,} rows. {where}\n\n{_table(head, rows)}"


def _seconds(record: Record, key: str) -> str:
    if key not in record:
        return ""
    more = record.get("left_out_seconds", 0.0)
    return f"{'~' if more else ''}{_time(record[key]['median'] + more)}"


def _time(seconds: float) -> str:
    """Three figures, in ms below a tenth of a second."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.1 else f"{seconds:.3g} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(results: Mapping[str, Sequence[Record]]) -> str:
    """A line for each job: the yardstick, deltarule, the others; first time, and process."""
    rows = []
    for job in JOBS:
        known = {one["contestant"]: one for one in results.get(job.name, ()) if "failed" not in one}
        ours = [one for name, one in known.items() if name.startswith("deltarule")]
        if not ours or job.name.startswith("page_"):
            continue
        others = [
            f"{name} {_seconds(one, 'seconds')}"
            for name, one in known.items()
            if not name.startswith("deltarule") and name != "decode"
        ]
        decode = _seconds(known["decode"], "seconds") if "decode" in known else ""
        told = "; ".join(
            f"{one['contestant'].removeprefix('deltarule').lstrip(', ')} "
            f"{_seconds(one, 'seconds')}".strip()
            for one in ours
        )
        size = next(iter(known.values()))["rows"]
        rows.append([f"{job.title}, {size:,} rows", decode, told, "; ".join(others)])
    return _table(["job", "decoding alone", "deltarule", "others"], rows) + "\n"


def _growth(lines: Sequence[str]) -> list[str]:
    """A picture and a table for each curve, of its latest run."""
    found: dict[str, list[Record]] = {}
    for record in map(json.loads, lines):
        known = found.setdefault(record["curve"], [])
        if known and known[0]["at"] != record["at"]:
            known.clear()
        known.append(record)
    parts = ["## How it grows"] if found else []
    for name, records in found.items():
        title = growth.CURVES[name].title
        good = [one for one in records if "failed" not in one]
        rows = [
            [
                f"{one['size']:,}",
                *(
                    ["failed", "", one["failed"]]
                    if "failed" in one
                    else [_time(one["seconds"]), _time(one["warm"]), f"{one['peak_mb']:,.0f}"]
                ),
            ]
            for one in records
        ]
        picture = DOCS / f"growth-{name}.svg"
        picture.write_text(_picture(title.partition(",")[0], good), encoding="utf-8")
        parts.append(
            f"### With {title}\n\n![Seconds by {escape(title)}]({picture.name})\n\n"
            + _table([name, "first", "warm", "peak MB"], rows)
        )
    return parts


def _picture(title: str, records: Sequence[Record]) -> str:
    """Seconds by size, both logarithmic: the first time and warm."""
    sizes = [one["size"] for one in records]
    times = [one[key] for one in records for key in ("seconds", "warm")]
    x0, x1 = math.log10(min(sizes)), math.log10(max(sizes))
    y0, y1 = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(size: float, seconds: float) -> tuple[float, float]:
        x = LEFT + wide * (math.log10(size) - x0) / ((x1 - x0) or 1)
        y = TOP + high * (y1 - math.log10(seconds)) / ((y1 - y0) or 1)
        return round(x, 1), round(y, 1)

    marks = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" font-family="sans-serif" font-size="11" fill="#777">',
        f'<text x="{LEFT}" y="14">{escape(title)}</text>',
    ]
    for power in range(y0, y1 + 1):
        _, y = at(sizes[0], 10**power)
        marks.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#7773"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10.0**power:g} s</text>')
    for size in sizes:
        x, _ = at(size, 1)
        label = f"{size:,}" if size < 1_000 else f"{size:.0e}".replace("e+0", "e")
        marks.append(f'<text x="{x}" y="{HEIGHT - 14}" text-anchor="middle">{label}</text>')
    for key, colour in (("seconds", "#c2410c"), ("warm", "#0369a1")):
        points = [at(one["size"], one[key]) for one in records]
        line = " ".join(f"{x},{y}" for x, y in points)
        marks.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        marks += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points]
        name = "first" if key == "seconds" else key
        x, y = points[-1]
        offset = -8 if key == "seconds" else 14
        marks.append(
            f'<text x="{x}" y="{y + offset}" text-anchor="end" fill="{colour}">{name}</text>'
        )
    return "\n".join([*marks, "</svg>\n"])


def _others(lines: Sequence[str]) -> list[str]:
    """The peers of `make bench-peers`, of their latest run."""
    records = [json.loads(line) for line in lines]
    records = [one for one in records if one["at"] == records[-1]["at"]]
    if not records:
        return []
    rows = [
        [
            one["contestant"],
            one["version"],
            _time(one["seconds"]) if "seconds" in one else "skipped",
            _time(one["warm"]) if "warm" in one else "",
            f"{one['error']:.0e}" if "error" in one else "",
            one.get("skipped") or one["note"],
        ]
        for one in records
    ]
    head = ["", "version", "first", "warm", "error", ""]
    where = "An environment of their own (`make bench-peers`)"
    return [
        f"## Further peers\n\n{where}, {records[0]['rows']:,} rows of 20 numbers to weights: "
        f"seconds after imports, with reading.\n\n{_table(head, rows)}"
    ]


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


if __name__ == "__main__":
    main()
