"""Seeded tables, made once in a cache outside the repository.

    python -m benchmarks.tables TABLE ROWS [CACHE]

makes a table and its exact answers where they are not there yet, and prints both paths.

Numbers have scales from 1e-3 to 1e5 and offsets up to fifty times their spread, and share a common
part, so that they are correlated. No weight is near zero, so its relative error means something.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import exact

SEED = 20250801
INPUTS = 20
FILMS = Path(__file__).parents[1] / "src/deltarule/data/movies.csv"
LEVELS = (10, 100, 1000)
MISSING = 0.02

# Raise it when a table or its exact answers are made in another way: the cache is then made anew.
VERSION = 2


def cache() -> Path:
    """Where tables are kept unless another place is asked for."""
    return Path(tempfile.gettempdir()) / "deltarule-benchmarks"


def path_of(table: str, rows: int, folder: Path) -> Path:
    """The table's file."""
    stem, ending = table.split(".")
    return folder / f"{stem}-{rows}-v{VERSION}.{ending}"


def answers_of(path: Path) -> Path:
    """The table's exact answers, which stand beside it."""
    return path.with_name(f"{path.name}.exact.json")


def numbers(rows: int, inputs: int = INPUTS, seed: int = SEED) -> pl.DataFrame:
    """Twenty number columns, or so many, and the target y."""
    rng = np.random.default_rng(seed)
    scales = np.logspace(-3, 5, inputs)
    offsets = np.where(np.arange(inputs) % 3 == 0, 0.0, np.linspace(-50, 50, inputs))
    weights = np.where(np.arange(inputs) % 2 == 0, 1.0, -1.0) * np.linspace(0.5, 1.5, inputs)
    shared = rng.standard_normal(rows)
    target = 100 + 2 * rng.standard_normal(rows)
    columns = {}
    for at in range(inputs):
        standard = rng.standard_normal(rows) + (2 * shared if at % 2 else 0)
        target += weights[at] * standard
        columns[f"x{at + 1}"] = scales[at] * (standard + offsets[at])
    return pl.DataFrame({**columns, "y": target})


def yes_no(rows: int, inputs: int = INPUTS) -> pl.DataFrame:
    """The same numbers, and a target of yes or no as 1 or 0."""
    frame, score = _scored(rows, inputs)
    chance = np.random.default_rng(SEED + 3).random(rows)
    return frame.with_columns(y=pl.Series((chance < 1 / (1 + np.exp(-1.5 * score))) * 1.0))


def counts(rows: int, inputs: int = INPUTS) -> pl.DataFrame:
    """The same numbers, and a target that counts: 0, 1 or 2 for the most part."""
    frame, score = _scored(rows, inputs)
    drawn = np.random.default_rng(SEED + 4).poisson(np.exp(0.5 * score))
    return frame.with_columns(y=pl.Series(drawn * 1.0))


def _scored(rows: int, inputs: int) -> tuple[pl.DataFrame, np.ndarray]:
    """The numbers, and their target with mean 0 and spread 1."""
    frame = numbers(rows, inputs)
    target = frame["y"].to_numpy()
    return frame, (target - target.mean()) / target.std()


def mixed(rows: int) -> pl.DataFrame:
    """Five numbers and three categories, of each 2% missing, and the target y."""
    rng = np.random.default_rng(SEED + 1)
    target = 10 + rng.standard_normal(rows)
    columns: dict[str, pl.Series] = {}
    for at, scale in enumerate([0.01, 1.0, 10.0, 1e3, 1e5]):
        standard = rng.standard_normal(rows)
        target += (at + 1) * 0.3 * standard
        values = pl.Series(scale * (standard + 3 * at))
        columns[f"x{at + 1}"] = _with_gaps(values, rng)
    for size in LEVELS:
        codes = rng.integers(size, size=rows)
        target += rng.standard_normal(size)[codes]
        names = pl.Series([f"level {level}" for level in range(size)])
        columns[f"of_{size}"] = _with_gaps(names.gather(codes), rng)
    return pl.DataFrame({**columns, "y": target})


def flights(rows: int) -> pl.DataFrame:
    """The same as mixed with a date, whose month, weekday and passing matter."""
    frame = mixed(rows)
    rng = np.random.default_rng(SEED + 2)
    days = rng.integers(0, 730, size=rows)
    day = pl.date(2013, 1, 1) + pl.duration(days=pl.Series("days", days))
    frame = frame.with_columns(day.alias("day"))
    effect = pl.col("day").dt.month() % 5 + 0.5 * pl.col("day").dt.weekday()
    return frame.with_columns(pl.col("y") + 0.2 * effect + 0.001 * pl.Series(days))


def _with_gaps(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    missing = pl.Series(rng.random(len(values)) < MISSING)
    return pl.select(pl.when(~missing).then(values)).to_series()


TABLES: dict[str, Callable[[int], pl.DataFrame]] = {
    "numbers.parquet": numbers,
    "numbers.csv": numbers,
    "numbers_200.parquet": lambda rows: numbers(rows, 200),
    "one.csv": lambda rows: pl.DataFrame({"budget": [200_000.0], "gross": [99_750_000.0]}),
    "films.csv": lambda rows: pl.read_csv(FILMS),
    "yes_no.parquet": yes_no,
    "yes_no_50.parquet": lambda rows: yes_no(rows, 50),
    "yes_no_200.parquet": lambda rows: yes_no(rows, 200),
    "counts.parquet": counts,
    "counts_50.parquet": lambda rows: counts(rows, 50),
    "counts_200.parquet": lambda rows: counts(rows, 200),
    "mixed.parquet": mixed,
    "flights.parquet": flights,
}


def make(table: str, rows: int, folder: Path, *, exact_answers: bool = True) -> Path:
    """Write the table and its exact answers, if wanted, each whole or not at all."""
    path = path_of(table, rows, folder)
    answers = answers_of(path)
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"draft-{path.name}")
        frame = TABLES[table](rows)
        write = frame.write_csv if path.suffix == ".csv" else frame.write_parquet
        write(draft)
        draft.replace(path)
    if exact_answers and not answers.exists():
        draft = answers.with_name(f"draft-{answers.name}")
        of = {"numbers": exact.of_numbers, "mixed": exact.of_mixed, "flights": exact.of_mixed}
        of["numbers_200"] = exact.of_numbers
        found = of.get(table.split(".")[0], exact.of_links)(path)
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(answers)
    return path


def make_parts(parts: int, rows: int, folder: Path) -> Path:
    """A folder of Parquet parts of numbers, so many rows each: a table larger than memory."""
    whole = folder / f"numbers-{parts}-parts-of-{rows}-v{VERSION}"
    whole.mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        path = whole / f"part-{part:04}.parquet"
        if not path.exists():
            draft = folder / f"draft-{path.name}"
            numbers(rows, seed=SEED + part).write_parquet(draft)
            draft.replace(path)
    return whole


if __name__ == "__main__":
    name, count, *kept = sys.argv[1:]
    made = make(name, int(count), Path(kept[0]) if kept else cache())
    print(made, answers_of(made), sep="\n")
