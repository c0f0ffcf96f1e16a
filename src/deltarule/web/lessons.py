"""Lessons: a table, settings and three sentences each, in teaching order.

The films are the shipped data set, in millions of dollars and hours, so that weights are of
moderate size. Tables of a lesson are deterministic.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from deltarule.web.session import Choices

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Lesson:
    """A lesson: its name and title, three sentences, a table and settings.

    `shown` are the weights of the loss surface, `unseen` held-out rows, `stride` the number of
    steps per frame.
    """

    name: str
    title: str
    sentences: tuple[str, str, str]
    table: Callable[[], pl.DataFrame]
    choices: Choices
    shown: tuple[str, ...] = ()
    unseen: Callable[[], pl.DataFrame] | None = None
    stride: int = 1


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


def _wave(places: int, shift: float) -> pl.DataFrame:
    """A sine wave with deterministic errors, at evenly spaced points from -1 to 1."""
    x = [-1 + 2 * (at + shift) / (places - 1 + 2 * shift) for at in range(places)]
    y = [math.sin(3 * v) + 0.3 * math.sin(37 * v + 5 * at) for at, v in enumerate(x)]
    return pl.DataFrame({"x": [round(v, 4) for v in x], "y": [round(v, 4) for v in y]})


def seen_wave() -> pl.DataFrame:
    """Twelve training points of the wave."""
    return _wave(12, 0.0)


def unseen_wave() -> pl.DataFrame:
    """Thirty held-out points of the same wave."""
    return _wave(30, 0.5)


def penguins() -> pl.DataFrame:
    """Penguins without missing measurements, lengths in centimetres."""
    table = pl.read_csv(DATA / "penguins.csv", infer_schema_length=None)
    return table.drop_nulls("beak_length_mm").select(
        "species",
        (pl.col("beak_length_mm") / 10).round(2).alias("beak_length"),
        (pl.col("flipper_length_mm") / 10).round(2).alias("flipper_length"),
    )


def successes() -> pl.DataFrame:
    """Whether a film made more than twice its budget, beside its rating."""
    known = films().drop_nulls("rating")
    some = known.gather_every(known.height // 160).head(160)
    return some.select("rating", (pl.col("gross") > 2 * pl.col("budget")).alias("success"))


LESSONS = (
    Lesson(
        "one-weight",
        "One weight",
        (
            "Mad Max cost 200,000 dollars and made 99,750,000, and one weight shall turn the one "
            "into the other.",
            "Each step predicts, compares, and moves the weight by alpha * delta * input.",
            "Press Step and watch the delta shrink by the same share each time, until the weight "
            "is 498.75.",
        ),
        one_film,
        Choices(("gross",), ("budget",), alpha=1e-11, intercept=False, start=1.0),
        shown=("budget",),
    ),
    Lesson(
        "too-far",
        "Breaking it with alpha",
        (
            "It is the same film, but alpha is 4.5e-11, so each step goes past the bottom and "
            "comes back.",
            "At 2.5e-11 one step arrives; above 5e-11 each step lands higher on the other side.",
            "Push alpha past the mark called explodes, press Play, and see the error grow without "
            "end.",
        ),
        one_film,
        Choices(("gross",), ("budget",), alpha=4.5e-11, intercept=False, start=1.0),
        shown=("budget",),
    ),
    Lesson(
        "several-inputs",
        "Several inputs",
        (
            "Sixty films, in millions of dollars, are predicted from budget, length and rating.",
            "Each input has a weight of its own, and all of them share one delta.",
            "A weight moves by how much its input was there when the prediction was wrong.",
        ),
        some_films,
        Choices(("gross",), ("budget", "hours", "rating"), standardise=True),
        shown=("budget", "rating"),
    ),
    Lesson(
        "freezing",
        "Freezing a weight",
        (
            "The first guess for the weight of budget was 2.5, and here it is held there.",
            "The other weights learn around it: they explain what 2.5 leaves over.",
            "Take the tick off freeze in the table of weights, and see where budget would go.",
        ),
        some_films,
        Choices(
            ("gross",),
            ("budget", "hours", "rating"),
            standardise=True,
            start={"budget": 2.5},
            freeze=("budget",),
        ),
        shown=("hours", "rating"),
    ),
    Lesson(
        "several-outputs",
        "Several outputs",
        (
            "The same budget now predicts two targets: what a film made worldwide, and in the US.",
            "Each output has its own weights and its own delta, and they learn side by side.",
            "Choose the output to look at; the other one goes on learning.",
        ),
        films,
        Choices(("gross", "us_gross"), ("budget",), standardise=True),
        shown=("budget", "intercept"),
    ),
    Lesson(
        "many-rows",
        "Many rows",
        (
            "These are all 3,154 films whose budget and gross are known, read once.",
            "Their averages of products, the moments, are all that a step needs, so a million "
            "rows would be as quick.",
            "Drag the step slider anywhere: each step is worked out at once.",
        ),
        films,
        Choices(("gross",), ("budget",)),
        shown=("budget", "intercept"),
    ),
    Lesson(
        "batches",
        "All rows, some, or one at a time",
        (
            "A step that sees all sixty films walks straight downhill; here each step sees one "
            "film, and is led by that film alone.",
            "Sixty quick, noisy steps are one epoch, and together they go the same way.",
            "Choose a batch of 10, then all rows, and see the path calm down.",
        ),
        some_films,
        Choices(("gross",), ("budget", "rating"), alpha=0.02, standardise=True, batch=1),
        shown=("budget", "rating"),
    ),
    Lesson(
        "correlation",
        "Correlation",
        (
            "Sixteen years of an economy: its product and its population grew together.",
            "So one weight can stand in for the other, and the bowl is a long, narrow valley.",
            "The first steps fall to its floor, and then it takes thousands to walk along it.",
        ),
        economy,
        Choices(("employed",), ("product", "population"), alpha=0.5, standardise=True),
        shown=("product", "population"),
        stride=10,
    ),
    Lesson(
        "scale",
        "Scale of inputs",
        (
            "Budget is in dollars here, rating in points, so a step that suits the one is nothing "
            "to the other.",
            "An alpha that rating could use would make budget explode, and rating hardly moves.",
            "Tick standardise: both inputs get the same spread, and it takes some ten steps.",
        ),
        rated_films,
        Choices(("gross",), ("budget", "rating")),
        shown=("budget", "rating"),
    ),
    Lesson(
        "overfitting",
        "Overfitting and penalties",
        (
            "Nine powers of x chase twelve points, and after some 200 steps the line bends to meet "
            "their errors too.",
            "The error on the rows it learns from keeps falling, but on the hollow ones, which it "
            "never sees, it rises again.",
            "Set ridge to 0.01: large weights now cost something, and the line stays calm.",
        ),
        seen_wave,
        Choices(("y",), ("poly(x, 9)",), alpha=0.2, standardise=True),
        unseen=unseen_wave,
        stride=10,
    ),
    Lesson(
        "yes-no",
        "Yes or no",
        (
            "Did a film make more than twice its budget? The target is yes (1) or no (0).",
            "The score goes through an S-shaped link, so the prediction is a probability.",
            "Delta is still prediction - target, and the rule is still the same.",
        ),
        successes,
        Choices(("success",), ("rating",), loss="logistic", standardise=True),
        shown=("rating", "intercept"),
    ),
    Lesson(
        "classes",
        "Classes",
        (
            "Which of three species is it? Each species has weights of its own, which make a "
            "score from beak and flipper.",
            "The three scores together become three probabilities, and each has its delta.",
            "Hollow marks are taken for another species: play, and watch them fill.",
        ),
        penguins,
        Choices(
            ("species",),
            ("beak_length", "flipper_length"),
            loss="softmax",
            alpha=1.0,
            standardise=True,
        ),
        shown=("beak_length", "flipper_length"),
    ),
)


def lesson_named(name: str) -> Lesson | None:
    """The lesson of this name, if there is one."""
    return next((one for one in LESSONS if one.name == name), None)
