"""Where it ran and with what: processor, memory, versions, commit. The standard library alone."""

import os
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("deltarule", "numpy", "polars", "scipy", "scikit-learn", "glum", "pandas", "pyarrow")


@cache
def described() -> dict[str, Any]:
    """The machine, the versions and the commit, beside each result."""
    return {
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version()}
        | {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _commit(),
    }


@cache
def bare_mb() -> float:
    """The most memory that an interpreter takes which does nothing but ask for this figure."""
    code = "from benchmarks.machine import peak_mb; print(peak_mb())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def peak_mb() -> float:
    """The most memory that this process has had resident, in MB of 1e6 bytes.

    Linux's VmHWM, which begins with the process. ru_maxrss does not: it starts from what the
    parent had at the fork, so a large parent hides a small child.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit, with + where src has changes that are not in it."""
    commit, changes = _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "src")
    return f"{commit}+" if commit and changes else commit or None


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def descendants() -> list[int]:
    """The processes that this one has begun, and those that they have; of Linux."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    found, new = [], [os.getpid()]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def tree_seconds() -> float:
    """The processor seconds of this process and of all that it has begun; of Linux."""
    ticks = 0
    for process in (os.getpid(), *descendants()):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
