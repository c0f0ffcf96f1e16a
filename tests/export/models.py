"""Models of every loss and kind of column, each with hostile but valid rows to predict.

One list for all that must predict as `model.predict` does: SQL, ONNX, Python and JavaScript.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

import deltarule as dr
from deltarule.model.model import Model

TRAINING, ROWS = 400, 1_000
QUOTED = 'the "real" price\'s §'
UNSEEN = ("never seen", "", "NA", "red ", "Red", "'; DROP TABLE x; --", 'a"b\\', "naïve", "日本")


def _training(seed: int = 1) -> pl.DataFrame:
    """The training rows: a column of each kind, with gaps, rare levels and names with quotes."""
    rng = np.random.default_rng(seed)
    n = TRAINING
    size, age = rng.normal(50, 10, n), rng.integers(0, 90, n)
    colours = ["red", "green", "it's", 'say "hi"', "grün", "日本", "a, b", "back\\slash", "%_"]
    colour = rng.choice(colours, n, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02])
    colour = np.where(rng.random(n) < 0.01, "rare", colour)
    days = rng.integers(0, 4_000, n)
    when = [datetime(2012, 1, 1) + timedelta(days=int(d), minutes=int(d) * 7) for d in days]
    cost = np.round(rng.lognormal(7, 1, n), 2)
    share = np.round(rng.random(n) * 100, 1)
    effect = np.select([colour == "red", colour == "green"], [0.0, 0.4], 0.8)
    score = 0.02 * (size - 50) + effect - 0.005 * age + 0.1 * np.log(cost)
    gap = rng.random(n)
    return pl.DataFrame(
        {
            "size": [None if g < 0.05 else float(v) for g, v in zip(gap, size, strict=True)],
            "age": age,
            QUOTED: size * 3 + rng.normal(0, 5, n),
            "far": rng.normal(0, 1, n) + 1e9,
            "colour": [
                None if 0.1 < g < 0.14 else str(v) for g, v in zip(gap, colour, strict=True)
            ],
            "shape": rng.choice(["round", "square", "flat"], n, p=[0.5, 0.3, 0.2]),
            "code": rng.choice([1, 2, 3, 10], n),
            "new": rng.random(n) < 0.3,
            "member": [
                None if 0.2 < g < 0.24 else ("yes" if v < 0.4 else "no")
                for g, v in zip(gap, rng.random(n), strict=True)
            ],
            "cost": [f"${v:,.2f}" for v in cost],
            "share": [f"{v:.1f}".replace(".", ",") + " %" for v in share],
            "weight": [f"{v * 3:,.1f} kg" for v in share],
            "rupees": [f"₹{v % 97 + 1},{v % 90 + 10},{v % 900 + 100}" for v in days],
            "fee": [f"{v:_.2f} EUR".replace(".", ",").replace("_", ".") for v in cost],
            "when": when,
            "day": [one.date() for one in when],
            "written": [f"{one.day:02d}/{one.month:02d}/{one.year}" for one in when],
            "month": [f"{one:%Y-%m}" for one in when],
            "quarter": [f"{one.year}Q{(one.month + 2) // 3}" for one in when],
            "week": [f"{one.isocalendar().year}-W{one.isocalendar().week:02d}" for one in when],
            "exposure": rng.uniform(0.5, 3, n),
            "price": 10 * score + rng.normal(0, 0.3, n),
            "value": np.exp(score + rng.normal(0, 0.3, n)),
            "claims": rng.poisson(np.exp(score * 0.5)),
            "paid": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2, np.exp(score * 0.4), n)),
            "sold": np.where(rng.random(n) < 1 / (1 + np.exp(-score)), "yes", "no"),
            "class": np.array(["low 'x'", "mid", "hïgh"])[
                np.clip(np.digitize(score + rng.normal(0, 0.4, n), [0.7, 1.2]), 0, 2)
            ],
        }
    )


@functools.cache
def training() -> pl.DataFrame:
    """The training rows of all models."""
    return _training()


INPUTS = ("size", "age", QUOTED, "colour", "new", "code")
NUMBERS = ("size", "age", QUOTED)
FUNCTIONS = (
    "size + age", "size - 2 * age", "age / (size - 40)", "age % 7", "size ** 2", "-age",
    "abs(size - 50)", "sign(size - 50)", "sqrt(size - 40)", "exp(-abs(size) / 40)", "ln(age)",
    "log(size)", "log(age, 3)", "log10(age)", "log2(age)", "log1p(age)", "floor(size)",
    "ceil(size)", "round(size / 3)", "round(size, 1)", "round(size, -1)", "sin(size)", "cos(age)",
    "tan(size / 50)", "atan(size - 50)", "coalesce(size, age)", "nullif(age, 30)",
    "greatest(size, age)", "least(size, age, 20)", "1 / age", "size ** 0.5", "(size - 50) ** 3",
    "age ** -1", "cast(size as integer)", "cast(new as double)", "cast(size > 50 as double)",
)  # fmt: skip
CONDITIONS = (
    "case when size > 50 and age < 40 then 1 when size is null then 2 else 0 end",
    "case when not (age between 20 and 60) or new then size else -1 end",
    "case code when 1 then 10 when 2 then age end",
    "if(age in (10, 20, 30, 40, 50, 60), 1, 0)",
    "case when size >= 45 or age <= 10 then 1 else 0 end",
    "case when size <> age and size = size then 3.5 else age end",
    "boolean(member)",
)
TEXTS = (
    "lower(colour)", "upper(shape)", "trim(colour)", "length(colour)", "substring(colour, 2, 3)",
    "left(shape, 2)", "right(shape, 3)", "concat(shape, '-', colour)", "colour || shape",
    "replace(colour, 'e', 'é')", "case when colour like '%e_' then 1 else 0 end",
    "case when starts_with(colour, 're') then 1 else 0 end",
    "case when ends_with(colour, 'n') then 1 else 0 end",
    "case when contains(colour, ' ') then 1 else 0 end", "category(code)",
    "cast(age as text)", "number(fee, ',')", "coalesce(colour, shape)",
    "case when colour = 'red' or colour in ('it''s', '日本') then shape else 'other' end",
)  # fmt: skip
DATES = (
    'year("when")', 'quarter("when")', "month(day)", "week(day)", 'day("when")', "day_of_year(day)",
    'weekday("when")', 'hour("when")', 'minute("when")', 'days("when")', "days(day)",
    "category(month(day))", "case when day > date '2015-06-01' then 1 else 0 end",
    "cast(day as text)",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model to export: how it is learnt, and from which columns."""

    name: str
    predict: Any
    using: Sequence[str]
    loss: Any = "squared"
    settings: Mapping[str, Any] = field(default_factory=dict)
    dressed: bool = False
    """Whether it reads text that holds numbers or dates, or uses functions of text or dates."""

    @functools.cached_property
    def model(self) -> Model:
        """The model, learnt once."""
        return dr.learn(
            training(), predict=self.predict, using=self.using, loss=self.loss,
            **{"ridge": 0.1, **self.settings},
        )  # fmt: skip

    @functools.cached_property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return list(self.model.record.contract.needs)

    @functools.cached_property
    def rows(self) -> pl.DataFrame:
        """1,000 hostile but valid rows of the columns that it reads."""
        return hostile_rows(self.columns)

    @functools.cached_property
    def expected(self) -> pl.DataFrame:
        """The predictions of these rows."""
        made: pl.DataFrame = self.model.predict(self.rows)
        return made

    @functools.cached_property
    def explained(self) -> pl.DataFrame:
        """The predictions of these rows with contributions."""
        made: pl.DataFrame = self.model.explain(self.rows)
        return made

    def __str__(self) -> str:
        return self.name


def hostile_rows(columns: Sequence[str], rows: int = ROWS, seed: int = 2) -> pl.DataFrame:
    """Rows that are valid and far from typical: gaps, NaN, unseen levels, values far out."""
    rng = np.random.default_rng(seed)
    from_training = training()[rng.integers(0, TRAINING, rows)]
    made = {
        name: pl.Series(name, SPOILT.get(name, _as_it_is)(from_training[name], rng))
        for name in columns
    }
    return pl.DataFrame(made)


def _as_it_is(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    return values


def _numbers(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    found = values.cast(pl.Float64).to_list()
    extremes = (None, float("nan"), 0.0, -0.0, -1.0, 1e6, -1e6, 0.5, 2.5, -2.5, 1e-9, 40.0)
    for at in np.flatnonzero(rng.random(len(found)) < 0.3):
        found[at] = extremes[rng.integers(len(extremes))]
    return pl.Series(values.name, found, dtype=pl.Float64)


def _amounts(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Numbers above 0, some far out, some missing."""
    found = [None if u < 0.05 else v * (50 if u > 0.95 else 1)
             for u, v in zip(rng.random(len(values)), values.to_list(), strict=True)]  # fmt: skip
    return pl.Series(values.name, found, dtype=pl.Float64)


def _whole(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    extremes = (None, 0, -1, 10**6, 7, 30, 1)
    return _spoilt(values, rng, extremes)


def _texts(values: pl.Series, rng: np.random.Generator) -> pl.Series:
    return _spoilt(values, rng, (None, *UNSEEN))


def _spoilt(values: pl.Series, rng: np.random.Generator, others: Sequence[Any]) -> pl.Series:
    found = values.to_list()
    for at in np.flatnonzero(rng.random(len(found)) < 0.25):
        found[at] = others[rng.integers(len(others))]
    return pl.Series(values.name, found, dtype=values.dtype)


def _among(*others: Any) -> Callable[[pl.Series, np.random.Generator], pl.Series]:
    return lambda values, rng: _spoilt(values, rng, others)


SPOILT: Mapping[str, Callable[[pl.Series, np.random.Generator], pl.Series]] = {
    "size": _numbers,
    QUOTED: _numbers,
    "far": _among(None, 1e9 - 1e5, 1e9 + 0.25, 0.0),
    "age": _whole,
    "code": _among(None, 4, 10, -3, 1),
    "colour": _texts,
    "shape": _texts,
    "new": _among(None, True, False),
    "member": _among(None, "yes", "No", "TRUE", "off", "1", " y "),
    "cost": _among(
        None, "", "12", "-$5.00", "$1,234,567.89", "($7.50)", "TBD", "1e3", "N/A", "0,126"
    ),
    "share": _among(None, "7 %", "100%", "0,05 %", "1.234,5 %", "-3,5%", "12", "4,25"),
    "weight": _among(None, "", "12", "5kg", "-5 kg", "1,234 kg", "5 lb", "5 kg kg", "kg", "TBD"),
    "rupees": _among(
        None, "₹5", "1,23,456", "₹1,234,567.5", "12,345,67", "9,99,99,999", "1,2,345", "01,23,456"
    ),
    "fee": _among(None, "", "12", "-5,5", "€1.234.567,89", "(7)", "1e3", "3k", "N/A", "1 000,5-"),
    "when": _among(
        None, datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59), datetime(2100, 2, 28, 12),
        datetime(2020, 2, 29, 6, 30), datetime(2016, 1, 3), datetime(2021, 1, 3, 0, 0, 0, 123456),
    ),
    "day": _among(
        None, date(1900, 3, 1), date(2000, 2, 29), date(2020, 12, 31), date(2021, 1, 1),
        date(2018, 12, 31), date(2100, 1, 1),
    ),
    "written": _among(None, "29/02/2020", "1/3/1999", "31/12/2020", "01/01/2021"),
    "month": _among(None, "2020/02", "2031-12", "2021-13", "0999-01", "2015-01-09", "N/A", "Q1",
        "02/2020", "3-2031", "13/2021", "2/20", "12/2021",
    ),
    "quarter": _among(None, "2020-Q4", "2020 q1", "2020Q5", "2020-01", "2015-01-09", ""),
    "week": _among(None, "2020W53", "2021-W53", "2021-w01", "2015-W00", "2015-01-09", "-"),
    "exposure": _amounts,
}  # fmt: skip


def difference(expected: pl.DataFrame, columns: Sequence[Sequence[Any]]) -> str:
    """What differs by more than 1e-9 relative from the expected columns; empty where nothing does.

    What adds up to about 0, such as a contribution, is compared with the largest numbers beside it:
    its last digits are rounding.
    """
    numbers = [one for one in expected if one.dtype.is_numeric()]
    sizes = np.column_stack([one.cast(pl.Float64).fill_null(np.nan) for one in numbers])
    with np.errstate(all="ignore"):
        largest = np.where(np.isfinite(sizes), np.abs(sizes), 0.0).max(axis=1)
    assert len(columns) == expected.width, (len(columns), expected.columns)
    for series, values in zip(expected, columns, strict=True):
        if not series.dtype.is_numeric():
            wrong = np.array([a != b for a, b in zip(series, values, strict=True)])
        else:
            wanted = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
            made = np.array([np.nan if one is None else one for one in values], dtype=float)
            with np.errstate(invalid="ignore"):
                near = np.abs(made - wanted) <= 1e-9 * np.abs(wanted) + 1e-13 * largest
            wrong = ~(near | (made == wanted) | (np.isnan(made) & np.isnan(wanted)))
        if wrong.any():
            at = int(np.argmax(wrong))
            return (
                f"{series.name}: {wrong.sum()} rows, in row {at + 1} {values[at]!r} for "
                f"{series[at]!r}"
            )
    return ""


CASES: tuple[Case, ...] = (
    Case("squared", "price", INPUTS),
    Case("far from zero", "price", ("far", "size", "shape")),
    Case("no intercept", "price", ("size", "colour"), settings={"intercept": False}),
    Case("poly and interactions", "price", ("poly(size, 3)", "size:colour", "colour:shape",
         "age:size", "shape", "size:new")),
    Case("two targets", ["price", "value"], INPUTS),
    Case("two losses", ["price", "sold"], INPUTS, ["squared", "logistic"]),
    Case("three losses", ["class", "claims", "price"], INPUTS, ["softmax", "poisson", "squared"]),
    Case("logistic", "sold", INPUTS, "logistic"),
    Case("softmax", "class", INPUTS, "softmax"),
    Case("poisson", "claims", INPUTS, "poisson"),
    Case("poisson with exposure", "claims", ("size", "colour"), "poisson",
         {"exposure": "exposure"}),
    Case("squared with offset", "price", ("size", "shape"), settings={"offset": "age"}),
    Case("gamma", "value", INPUTS, "gamma"),
    Case("tweedie", "paid", INPUTS, "tweedie(1.5)"),
    Case("huber", "price", INPUTS, "huber"),
    Case("quantile", "price", ("size", "age", "colour"), "quantile(0.9)", {"ridge": 0.0}),
    Case("log of the target", "log(value)", INPUTS),
    Case("powers of the target", ["sqrt(value)", "log10(value + 3) / 2", "log1p(value)"],
         NUMBERS),
    Case("functions of numbers", "price", FUNCTIONS),
    Case("conditions", "price", CONDITIONS[:-1]),
    Case("numbers in text", "price", ("cost", "share", "weight", "rupees", "size"), dressed=True),
    Case("yes and no", "price", ("member", "new", "size"), dressed=True),
    Case("functions of text", "price", TEXTS, dressed=True),
    Case("dates", "price", ("when", "day", "size"), dressed=True),
    Case("dates in text", "price", ("written", "size"), dressed=True),
    Case("periods in text", "price", ("month", "quarter", "week", "size"), dressed=True),
    Case("functions of dates", "price", DATES, dressed=True),
    Case("few levels", "price", ("colour", "shape", "size"), settings={"levels": 2}),
)  # fmt: skip
