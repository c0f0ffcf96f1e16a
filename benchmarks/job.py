"""The words of jobs.py: a job, its contestants, its limits."""

from dataclasses import dataclass

OURS = ("benchmarks.ours", "deltarule.fit")
POLARS = ("numpy", "polars")


@dataclass(frozen=True)
class Contestant:
    """One way to do a job.

    `does` is module:function, `loads` what its process imports before the clock starts. With
    `once` it is too slow for more than one run: that one counts, and nothing is thrown away.
    `holds` is module:function, and loads the table before the clock starts.
    """

    name: str
    does: str
    loads: tuple[str, ...]
    note: str = ""
    once: bool = False
    holds: str = ""


@dataclass(frozen=True)
class Limits:
    """What deltarule owes: times what is beside it, MB beyond the interpreter's, relative error."""

    beside: float
    peak_mb: float | None
    error: float


@dataclass(frozen=True)
class Job:
    """One table and what is to be found in it."""

    name: str
    title: str
    table: str
    rows: int
    contestants: tuple[Contestant, ...]
    limits: Limits | None = None
    beside: str = "decode"
    """The contestant whose time the others' are shown in."""
    long: bool = False
    """Whether it is left to `--all`, so that `make bench` takes less than 15 minutes."""
