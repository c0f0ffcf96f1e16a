"""Tables of the lessons, each the same at every start.

The films are the shipped data set, in millions of dollars and hours, so that weights are of
moderate size.
"""

from functools import cache
from pathlib import Path

import polars as pl

DATA = Path(__file__).parents[2] / "data"


def one_film() -> pl.DataFrame:
    """Mad Max: its budget and gross, in dollars."""
    return pl.DataFrame({"budget": [200_000.0], "gross": [99_750_000.0]})


@cache
def films() -> pl.DataFrame:
    """All films with budget and gross known, in millions of dollars, hours and points."""
    table = pl.read_csv(DATA / "movies.csv", infer_schema_length=None)
    million = 1_000_000
    return table.filter(pl.col("budget").is_not_null() & (pl.col("gross") > 0)).select(
        pl.col("title"),
        (pl.col("budget") / million).alias("budget"),
        (pl.col("gross") / million).alias("gross"),
        (pl.col("us_gross") / million).alias("us_gross"),
        (pl.col("running_time") / 60).round(3).alias("hours"),
        pl.col("imdb_rating").alias("rating"),
        "year",
    )


@cache
def some_films() -> pl.DataFrame:
    """Sixty films without missing values, evenly spread over the list."""
    known = films().drop_nulls()
    return known.gather_every(known.height // 60).head(60)


def rated_films() -> pl.DataFrame:
    """Budget in dollars, as the file has it, beside the rating in points."""
    return films().drop_nulls("rating").with_columns((pl.col("budget") * 1_000_000).round(0))


def economy() -> pl.DataFrame:
    """Sixteen years of an economy with collinear columns (Longley 1967, NIST)."""
    return pl.DataFrame(
        {
            "product": [234.289, 259.426, 258.054, 284.599, 328.975, 346.999, 365.385, 363.112,
                        397.469, 419.180, 442.769, 444.546, 482.704, 502.601, 518.173, 554.894],
            "population": [107.608, 108.632, 109.773, 110.929, 112.075, 113.270, 115.094, 116.219,
                           117.388, 118.734, 120.445, 121.950, 123.366, 125.368, 127.852, 130.081],
            "employed": [60.323, 61.122, 60.171, 61.187, 63.221, 63.639, 64.989, 63.761,
                         66.019, 67.857, 68.169, 66.513, 68.655, 69.564, 69.331, 70.551],
        }
    )  # fmt: skip


def seen_wave() -> pl.DataFrame:
    """Ten training points of a sine wave, with errors."""
    return pl.DataFrame(
        {
            "x": [-1.0, -0.21, 0.12, 0.18, 0.48, 0.52, 0.54, 0.61, 0.68, 1.0],
            "y": [0.07, -0.7, 0.7, 0.8, 0.51, 1.17, 0.07, 1.18, 1.58, 0.36],
        }
    )


def unseen_wave() -> pl.DataFrame:
    """Thirty held-out points of the same wave, evenly spread."""
    return pl.DataFrame(
        {
            "x": [-0.97, -0.9, -0.84, -0.77, -0.7, -0.64, -0.57, -0.5, -0.43, -0.37,
                  -0.3, -0.23, -0.17, -0.1, -0.03, 0.03, 0.1, 0.17, 0.23, 0.3,
                  0.37, 0.43, 0.5, 0.57, 0.64, 0.7, 0.77, 0.84, 0.9, 0.97],
            "y": [-0.2, -0.87, -0.3, -0.41, -0.07, -0.55, -0.34, -0.8, -0.74, -0.76,
                  -0.91, 0.08, -0.25, -0.23, -0.12, 0.36, 0.87, 0.4, 0.59, 0.31,
                  0.44, 0.97, 1.0, 0.7, 1.19, 1.2, 0.64, 0.84, 0.52, 0.18],
        }
    )  # fmt: skip


def penguins() -> pl.DataFrame:
    """Penguins without missing measurements, lengths in centimetres."""
    table = pl.read_csv(DATA / "penguins.csv", infer_schema_length=None)
    return table.drop_nulls("beak_length_mm").select(
        "species",
        (pl.col("beak_length_mm") / 10).round(2).alias("beak_length"),
        (pl.col("flipper_length_mm") / 10).round(2).alias("flipper_length"),
    )


def adelies() -> pl.DataFrame:
    """Adelie penguins: whether each is male, beside how many millimetres its beak is over 39."""
    table = pl.read_csv(DATA / "penguins.csv", infer_schema_length=None)
    known = table.filter(pl.col("species") == "Adelie").drop_nulls(["sex", "beak_length_mm"])
    return known.select(
        (pl.col("beak_length_mm") - 39).round(1).alias("beak_over_39"),
        (pl.col("sex") == "MALE").alias("male"),
    )
