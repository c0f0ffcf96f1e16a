"""Pairs of tables, with and without a known shift, of the kinds of columns that tables have."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import deltarule

DATA = Path(__file__).resolve().parents[1] / "data"
FILMS = Path(deltarule.__file__).parent / "data" / "movies.csv"
LEVELS = [f"l{at:03}" for at in range(400)]
# Shares of levels as those of words: the k-th has a share of about 1 / k.
ZIPF = 1 / np.arange(1, len(LEVELS) + 1)


def drawn(seed: int, rows: int) -> pl.DataFrame:
    """Rows of one world: skewed numbers, gaps, categories of few and of many levels, ids, dates."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=rows), rng.lognormal(0, 1.5, rows)
    few = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    gap = pl.Series(rng.uniform(size=rows) < 0.2)
    days = rng.integers(0, 700, rows).tolist()
    y = 2 * x + np.log(z) + (few == "a") + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "id": rng.permutation(10**6)[:rows],
            "x": x,
            "skewed": z,
            "zeros": np.where(rng.uniform(size=rows) < 0.7, 0.0, rng.exponential(3, rows)),
            "count": rng.poisson(2.0, rows),
            "gaps": pl.Series(rng.normal(5, 1, rows)).set(gap, None),
            "few": few,
            "many": rng.choice(LEVELS, rows, p=ZIPF / ZIPF.sum()),
            "yes": rng.uniform(size=rows) < 0.3,
            "day": [date(2024, 1, 1) + timedelta(one) for one in days],
            "constant": 7,
            "y": y,
            "late": y + x > 0,
        }
    )


Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


@dataclass(frozen=True)
class Shifted:
    """A change of a table, and the columns that it changes."""

    columns: tuple[str, ...]
    change: Change


def _some(table: pl.DataFrame, rng: np.random.Generator, share: float) -> pl.Expr:
    return pl.lit(pl.Series(rng.uniform(size=table.height) < share))


def _where(column: str, share: float, to: pl.Expr) -> Change:
    def change(table: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        some = _some(table, rng, share)
        return table.with_columns(pl.when(some).then(to).otherwise(pl.col(column)).alias(column))

    return change


def _both(*changes: Change) -> Change:
    def change(table: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        for one in changes:
            table = one(table, rng)
        return table

    return change


SHIFTS: dict[str, Shifted] = {
    "mean": Shifted(("x",), _where("x", 1.0, pl.col("x") + 0.8)),
    "spread": Shifted(("x",), _where("x", 1.0, pl.col("x") * 3)),
    "narrower": Shifted(("x",), _where("x", 1.0, pl.col("x") * 0.3)),
    "units": Shifted(("skewed",), _where("skewed", 1.0, pl.col("skewed") * 1000)),
    "far out": Shifted(("skewed",), _where("skewed", 0.15, pl.lit(1e6))),
    "fewer zeros": Shifted(("zeros",), _where("zeros", 0.5, pl.lit(2.0))),
    "all zero": Shifted(("zeros",), _where("zeros", 1.0, pl.lit(0.0))),
    "counts": Shifted(("count",), _where("count", 1.0, pl.col("count") + 2)),
    "more gaps": Shifted(("gaps",), _where("gaps", 0.4, pl.lit(None))),
    "no gaps": Shifted(("gaps",), _where("gaps", 1.0, pl.col("gaps").fill_null(5.0))),
    "new gaps": Shifted(("x",), _where("x", 0.2, pl.lit(None))),
    "level gone": Shifted(("few",), _where("few", 1.0, pl.col("few").replace("b", "a"))),
    "level grown": Shifted(("few",), _where("few", 0.4, pl.lit("c"))),
    "new level": Shifted(("few",), _where("few", 0.15, pl.lit("new"))),
    "new levels": Shifted(("many",), _where("many", 0.4, pl.col("many") + "x")),
    "levels shuffled": Shifted(
        ("many",), _where("many", 1.0, pl.col("many").replace(LEVELS, LEVELS[::-1]))
    ),
    "yes": Shifted(("yes",), _where("yes", 0.5, pl.lit(True))),
    "later": Shifted(("day",), _where("day", 1.0, pl.col("day") + timedelta(500))),
    "ids go on": Shifted(("id",), _where("id", 1.0, pl.col("id") + 10**6)),
    "sentinel": Shifted(("count",), _where("count", 0.2, pl.lit(-999))),
    "two": Shifted(
        ("gaps", "x"),
        _both(
            _where("x", 1.0, pl.col("x") + 2),
            _where("gaps", 0.7, pl.lit(None)),
        ),
    ),
}


def halves(table: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A table's rows in two halves, drawn at random."""
    mixed = table.sample(fraction=1, shuffle=True, seed=seed)
    return mixed[: table.height // 2], mixed[table.height // 2 :]
