"""Peers in an environment of their own: PyTorch, skglm, pyfixest, River, Vowpal Wabbit, H2O.

    python -m benchmarks.other_peers --install FOLDER     make the environment
    python -m benchmarks.other_peers FOLDER [--rows N]    measure -> other_peers.jsonl

What does not install, or needs what is not there (H2O needs Java), is skipped, and why is said.
All learn the weights of the same Parquet table of 20 numbers, standardised by each as its guide
says. River and Vowpal Wabbit take the rows one by one; of River a part, the rest at its pace.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine

RESULTS = Path(__file__).with_name("other_peers.jsonl")
ROWS, RUNS = 1_000_000, 3
LONGEST = 300
# What all of them need, and each one's packages as pip names them.
BASE = ("numpy", "polars", "pyarrow", "pandas")


@dataclass(frozen=True)
class Peer:
    """A library, what installs it, and the function of peer_jobs.py that learns with it."""

    name: str
    installs: str
    does: str
    note: str


PEERS = (
    Peer("PyTorch", "torch==2.13.0", "torch_lbfgs", "full-batch L-BFGS in float64"),
    Peer("PyTorch, lstsq", "torch==2.13.0", "torch_lstsq", "its own least squares"),
    Peer("skglm", "skglm", "skglm_linear", "an almost unpenalised lasso"),
    Peer("pyfixest", "pyfixest", "pyfixest_ols", "with standard errors"),
    Peer("River", "river", "river_linear", "row by row; of 20,000 rows, the others at their pace"),
    Peer("Vowpal Wabbit", "vowpalwabbit", "vowpal", "row by row, one pass over the rows"),
    Peer("H2O", "h2o", "h2o_glm", "a server of its own, which needs Java"),
)


def install(folder: Path) -> int:
    """Make the environment; each library on its own, so that one that fails hides no other."""
    if not (folder / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *BASE], check=True)
    for package in dict.fromkeys(peer.installs for peer in PEERS):
        done = subprocess.run([*pip, package], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{package}: skipped: {_last(done.stderr)}", flush=True)
    return 0


def measure(folder: Path, rows: int, results: Path, runs: int) -> int:
    """Each peer in a process of its own, in turns."""
    from benchmarks.tables import answers_of, cache, make

    table = make("numbers.parquet", rows, cache())
    answers = answers_of(table)
    found: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in PEERS}
    for _ in range(runs):
        for peer in PEERS:
            if not any("skipped" in one for one in found[peer.name]):
                found[peer.name].append(_one(peer, folder, table, answers))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with results.open("a", encoding="utf-8") as file:
        for peer in PEERS:
            record = {"at": at, "rows": rows, "contestant": peer.name, "note": peer.note}
            record |= _summed(found[peer.name]) | machine.described()
            file.write(json.dumps(record) + "\n")
            told = record.get("skipped") and f"skipped: {record['skipped']}"
            print(f"{peer.name}: {told or format(record['seconds'], '.3g') + ' s'}", flush=True)
    return 0


def _one(peer: Peer, folder: Path, table: Path, answers: Path) -> dict[str, Any]:
    python = str((folder / "bin/python").absolute())
    script = Path(__file__).with_name("peer_jobs.py")
    words = [python, str(script), peer.does, str(table), str(answers)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"skipped": f"it took longer than {LONGEST} s", "version": ""}
    # Some say goodbye after it.
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"skipped": _last(done.stderr), "version": ""}
    said: dict[str, Any] = json.loads(lines[-1])
    return said


def _summed(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if any("skipped" in one for one in runs):
        return next(one for one in runs if "skipped" in one)
    return {
        "version": runs[0]["version"],
        "seconds": median(one["seconds"] for one in runs),
        "warm": median(one["warm"] for one in runs),
        "error": max(one["error"] for one in runs),
        "counted": len(runs),
    }


def _last(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if not line.startswith("WARNING")]
    return (lines or ["it said nothing"])[-1][:200]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="the environment")
    parser.add_argument("--install", action="store_true", help="make it")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args(words)
    if asked.install:
        return install(asked.folder)
    return measure(asked.folder, asked.rows, asked.results, asked.runs)


if __name__ == "__main__":
    sys.exit(main())
