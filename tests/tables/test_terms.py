"""Inputs made from columns: expressions, powers, interactions, dates, numbers that hide in text."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.formula.api as smf

import deltarule as dr
from deltarule.errors import ColumnError, LearningError


@pytest.fixture
def films() -> pl.DataFrame:
    """Made-up films, seeded."""
    rng = np.random.default_rng(12)
    n = 400
    genre = rng.choice(["Drama", "Comedy", "Action"], size=n, p=[0.5, 0.3, 0.2])
    country = rng.choice(["US", "UK"], size=n, p=[0.7, 0.3])
    budget = np.exp(rng.normal(2, 0.5, size=n))
    year = rng.integers(1970, 2010, size=n)
    slope = np.select([genre == "Comedy", genre == "Action"], [2.0, 3.0], 1.0)
    gross = slope * budget + 0.1 * (year - 1970) + (country == "UK") * 2 + rng.normal(size=n)
    return pl.DataFrame(
        {"budget": budget, "year": year, "genre": genre, "country": country, "gross": gross}
    )


def weights(model: Any) -> dict[str, float]:
    """Each weight by its input's name and level."""
    return {
        name if level is None else f"{name}={level}": weight
        for name, level, weight in model.weights.select("input", "level", "weight").rows()
    }


def test_an_expression_is_the_column_it_computes(films: pl.DataFrame) -> None:
    made = films.with_columns(log=pl.col("budget").log(), age=pl.col("year") - 1970)
    one = dr.learn(films, predict="gross", using=["log(budget)", "year - 1970"], ridge=0)
    other = dr.learn(made, predict="gross", using=["log", "age"], ridge=0)
    assert list(weights(one).values()) == list(weights(other).values())
    assert one.record.held_out == other.record.held_out
    assert one.predict(films).equals(other.predict(made))


def test_an_expression_is_kept_in_the_model_as_text(films: pl.DataFrame, tmp_path: Path) -> None:
    model = dr.learn(films, predict="gross", using=["log( budget )", "genre"])
    assert model.record.contract.columns[0].expression == "log(budget)"
    model.save(tmp_path / "m.json")
    again = dr.load(tmp_path / "m.json")
    assert again.predict(films).equals(model.predict(films))
    # It needs what the expression reads, whatever else is there.
    assert again.predict({"genre": "Drama", "budget": 5.0, "extra": 1}) == model.predict(
        {"budget": 5.0, "genre": "Drama"}
    )
    with pytest.raises(dr.DeltaruleError, match="no column 'budget'"):
        again.predict({"genre": "Drama"})


@pytest.mark.parametrize(
    "hostile",
    [
        "read_csv('/etc/passwd')",
        "(select 1)",
        "sum(budget)",
        "__import__('os')",
        "budget; drop table films",
        "log(" * 2000 + "budget" + ")" * 2000,
        "",
    ],
)
def test_a_hostile_expression_in_a_model_file_is_refused(
    films: pl.DataFrame, tmp_path: Path, hostile: str
) -> None:
    path = tmp_path / "m.json"
    dr.learn(films, predict="gross", using=["log(budget)"]).save(path)
    text = path.read_text()
    assert '"expression":"log(budget)"' in text
    path.write_text(text.replace('"expression":"log(budget)"', f'"expression":"{hostile}"'))
    with pytest.raises(dr.DeltaruleError) as refused:
        dr.load(path)
    assert "\n" not in str(refused.value)


def test_powers(films: pl.DataFrame) -> None:
    model = dr.learn(films, predict="gross", using=["poly(budget, 3)"], ridge=0)
    assert [name for name in weights(model) if name != "(intercept)"] == [
        "budget",
        "budget ** 2",
        "budget ** 3",
    ]
    known = np.polynomial.polynomial.polyfit(films["budget"], films["gross"], 3)
    np.testing.assert_allclose(list(weights(model).values()), known, rtol=1e-8)


@pytest.mark.parametrize("power", ["0", "11", "x", "-1", "1.5", ""])
def test_a_power_that_is_none(films: pl.DataFrame, power: str) -> None:
    with pytest.raises(dr.DeltaruleError, match="power"):
        dr.learn(films, predict="gross", using=[f"poly(budget, {power})"])


# statsmodels' formulas code interactions as R does: as independent a reference as there is.
@pytest.mark.parametrize(
    ("using", "formula"),
    [
        (["budget:genre"], "gross ~ budget:C(genre)"),
        (["budget", "budget:genre"], "gross ~ budget + budget:C(genre)"),
        (["budget", "genre", "budget:genre"], "gross ~ budget * C(genre)"),
        (["genre:budget", "genre"], "gross ~ C(genre) + budget:C(genre)"),
        (["genre:country"], "gross ~ C(genre):C(country)"),
        (["genre", "country", "genre:country"], "gross ~ C(genre) * C(country)"),
        (["genre", "genre:country"], "gross ~ C(genre) + C(genre):C(country)"),
        (["country", "genre:country"], "gross ~ C(country) + C(genre):C(country)"),
        (["budget:year"], "gross ~ budget:year"),
        (["budget", "year", "budget:year"], "gross ~ budget * year"),
    ],
)
def test_interactions_fit_as_formulas_do(
    films: pl.DataFrame, using: list[str], formula: str
) -> None:
    model = dr.learn(films, predict="gross", using=using, ridge=0)
    known = smf.ols(formula, films.to_pandas()).fit()
    np.testing.assert_allclose(model.predict(films).to_series(), known.fittedvalues, rtol=1e-8)
    assert model.record.fit[0].residual_sd == pytest.approx(float(known.mse_resid) ** 0.5, rel=1e-9)
    # No input is there twice: every weight has its standard error.
    assert model.weights["standard_error"].null_count() == 0


def test_interactions_are_measured_from_the_reference_level_asked_for(films: pl.DataFrame) -> None:
    rare = films["country"].value_counts().sort("count")["country"][0]
    using, reference = ["genre", "genre:country"], {"country": rare, "genre": "Drama"}
    model = dr.learn(films, predict="gross", using=using, ridge=0, reference=reference)
    of_genre = {
        genre: films.filter(genre=genre, country=rare)["gross"].mean()
        for genre in films["genre"].unique()
    }
    drama = of_genre.pop("Drama")
    for genre, mean in of_genre.items():
        assert weights(model)[f"genre={genre}"] == pytest.approx(mean - drama, rel=1e-8)
    for wrong in ({"country": "Atlantis"}, {"year": "2001"}):
        with pytest.raises(dr.DeltaruleError, match=r"no level 'Atlantis'|no category"):
            dr.learn(films, predict="gross", using=using, reference=wrong)


@pytest.mark.parametrize("main", [False, True])
def test_levels_beyond_the_most_slopes_share_one(main: bool) -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(60), np.arange(60, 0, -1) + 4)
    x = rng.normal(size=len(codes))
    y = x * rng.normal(size=60)[codes] + 0.1 * rng.normal(size=len(codes))
    table = pl.DataFrame({"x": x, "g": [f"g{code}" for code in codes], "y": y})
    using = ["x", "x:g"] if main else ["x:g"]
    model = dr.learn(
        table, predict="y", using=using, ridge=0, reference={"g": "g59"} if main else {}
    )
    own = [59, *range(50)] if main else list(range(50))
    design = [np.ones_like(x), *(x * (codes == code) for code in own), x * ~np.isin(codes, own)]
    known = np.column_stack(design) @ np.linalg.lstsq(np.column_stack(design), y, rcond=None)[0]
    np.testing.assert_allclose(model.predict(table).to_series(), known, rtol=1e-7, atol=1e-9)


def test_a_level_never_crossed_has_the_shared_slope(films: pl.DataFrame) -> None:
    model = dr.learn(films, predict="gross", using=["budget", "genre", "budget:genre"], ridge=0)
    row = {"budget": 10.0, "genre": "Western"}
    found = model.predict(row)["gross_prediction"]
    assert np.isfinite(found)


def test_dates_become_parts_that_are_said(films: pl.DataFrame) -> None:
    start = dt.datetime(2020, 1, 1)
    dates = [start + dt.timedelta(hours=7 * at) for at in range(len(films))]
    table = films.with_columns(shown=pl.Series(dates))
    model = dr.learn(table, predict="gross", using=["shown"])
    names = [column.name for column in model.record.contract.columns]
    assert names == [
        "days(shown)",
        "category(month(shown))",
        "category(weekday(shown))",
        "category(hour(shown))",
    ]
    told = {one.column: one.done for one in model.record.columns}
    assert "category(month(shown))" in told["shown"]
    parts = dr.learn(table, predict="gross", using=["shown"], dates=["year", "days"])
    # 117 days: always the same year.
    assert [c.name for c in parts.record.contract.columns] == ["days(shown)"]
    assert [c.name for c in parts.record.contract.left_out] == ["category(year(shown))"]
    again = model.predict(table.select("shown"))
    assert again.equals(model.predict(table))


def test_dates_in_a_csv_are_those_of_the_frame(films: pl.DataFrame, tmp_path: Path) -> None:
    days = [dt.date(2001, 1, 1) + dt.timedelta(days=3 * at) for at in range(len(films))]
    table = films.with_columns(day=pl.Series(days))
    table.write_csv(tmp_path / "t.csv")
    one = dr.learn(tmp_path / "t.csv", predict="gross", using=["day", "budget"])
    other = dr.learn(table, predict="gross", using=["day", "budget"])
    assert weights(one) == weights(other)
    assert one.predict(tmp_path / "t.csv").equals(other.predict(table))


def test_durations_are_days(films: pl.DataFrame) -> None:
    ran = [dt.timedelta(minutes=60 + at) for at in range(len(films))]
    model = dr.learn(films.with_columns(ran=pl.Series(ran)), predict="gross", using=["ran"])
    assert model.record.contract.columns[0].name == "days(ran)"
    assert model.record.contract.columns[0].low == pytest.approx(1 / 24)


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ("${:,.2f}", "number(price)"),
        ("{:,.0f} kr", "number(price)"),
        ("{:.1f}%", "number(price)"),
        ("€ {:.3f}M", "number(price)"),
    ],
)
@pytest.mark.parametrize("typed", [True, False])
def test_numbers_that_hide_in_text(
    films: pl.DataFrame, tmp_path: Path, shape: str, read: str, typed: bool
) -> None:
    prices = [shape.format(1000 + 7.5 * at) for at in range(len(films))]
    table = films.with_columns(price=pl.Series(prices), gross=pl.Series(range(len(films))))
    source: Any = table
    if not typed:
        source = tmp_path / "t.csv"
        table.write_csv(source)
    model = dr.learn(source, predict="gross", using=["price"], ridge=0)
    column = model.record.contract.columns[0]
    assert (column.name, column.kind, column.expression) == ("price", "number", read)
    assert model.record.fit[0].r2 == pytest.approx(1.0, abs=1e-6)
    (told,) = [one.done for one in model.record.columns if one.column == "price"]
    assert read in told
    # As text again, or as the number it is.
    assert model.predict({"price": prices[3]})["gross_prediction"] == pytest.approx(3, abs=0.1)


def test_post_codes_in_a_table_with_types_stay_text(films: pl.DataFrame) -> None:
    codes = [f"{10_000 + at % 7}" for at in range(len(films))]
    model = dr.learn(films.with_columns(code=pl.Series(codes)), predict="gross", using=["code"])
    assert model.record.contract.columns[0].kind == "category"


def test_yes_and_no_when_asked(films: pl.DataFrame) -> None:
    words = [["yes", "no"][at % 2] for at in range(len(films))]
    table = films.with_columns(on=pl.Series(words))
    asked = dr.learn(table, predict="gross", using=["boolean(on)"])
    assert asked.record.contract.columns[0].kind == "boolean"
    assert dr.learn(table, predict="gross", using=["on"]).record.contract.columns[0].kind == (
        "category"
    )


def test_a_number_as_a_category(films: pl.DataFrame) -> None:
    table = films.with_columns(code=pl.Series([at % 4 for at in range(len(films))]))
    model = dr.learn(table, predict="gross", using=["category(code)"])
    column = model.record.contract.columns[0]
    assert column.kind == "category"
    assert set(column.known) == {"0", "1", "2", "3"}


def test_the_most_frequent_levels_are_kept(films: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    towns = [f"town {at}" for at in rng.zipf(1.5, size=len(films)).clip(max=40)]
    table = films.with_columns(town=pl.Series(towns))
    model = dr.learn(table, predict="gross", using=["town"], levels=3)
    known = model.record.contract.columns[0].known
    counts = table["town"].value_counts(sort=True)
    top = counts.sort(["count", "town"], descending=[True, False])["town"].head(3).to_list()
    assert set(known) == {*top, "(other)"}
    assert sum(known.values()) == len(films)


# Refusals: one line each.


@pytest.mark.parametrize(
    ("using", "said"),
    [
        (["bugdet"], "budget"),
        (["no such column"], "no column 'no such column'"),
        (["log(bugdet)"], "did you mean budget"),
        (["log(genre)"], "genre"),
        (["log(gross)"], "predicted"),
        (["budget", "budget"], "twice"),
        (["log(budget)", "log( budget )"], "twice"),
        (["sum(budget)"], "sum"),
        (["budget +"], "budget +"),
        (["1"], "1"),
    ],
)
def test_what_cannot_be_an_input(films: pl.DataFrame, using: list[str], said: str) -> None:
    with pytest.raises(dr.DeltaruleError) as refused:
        dr.learn(films, predict="gross", using=using)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_value_that_is_no_number_is_missing_at_prediction_and_named_by_its_row(
    films: pl.DataFrame, write: Callable[..., Path]
) -> None:
    prices = [f"${at}.5" for at in range(len(films))]
    model = dr.learn(films.with_columns(price=pl.Series(prices)), predict="gross", using=["price"])
    missing = model.predict({"price": ["$1", None, "$3"]})["gross_prediction"]
    for table, place in (
        ({"price": ["$1", "cheap", "$3"]}, "row 2"),
        (write("t.csv", "price\n$1\ncheap\n$3\n"), "line 3"),
    ):
        found, notes = model.predict_noticing(table)
        assert list(found["gross_prediction"]) == missing
        told = f"price: 1 cell that is no number treated as missing: 'cheap' ({place})"
        assert told in notes
    with pytest.raises(dr.DeltaruleError, match=r"row 1.*cheap"):
        model.predict({"price": ["cheap", "dear"]})


def test_numbers_that_stop_being_numbers_after_the_look(write: Callable[..., Path]) -> None:
    rows = "".join(f'"1,{at % 900 + 100}",{at % 7}\n' for at in range(10_500))
    rows += "".join(f"cheap {at % 3},{at % 7}\n" for at in range(1_000))
    model = dr.learn(write("t.csv", "price,y\n" + rows), predict="y", using=["price"])
    assert model.record.rows == 11_500
    assert model.record.contract.columns[0].kind == "category"
    assert any("read again" in note for note in model.record.notes)


# At prediction


def test_flags_say_of_each_row_what_is_new(films: pl.DataFrame) -> None:
    model = dr.learn(films, predict="gross", using=["budget", "genre"])
    table = {"genre": ["Drama", "Western", None], "budget": [10.0, 1e9, None], "x": [1, 2, 3]}
    found = model.predict(table, flags=True)
    assert found["flags"] == [
        None,
        "genre: never seen; budget: out of range",
        "budget: missing; genre: missing",
    ]
    assert list(found) == ["gross_prediction", "flags"]


def test_integers_where_fractions_were_and_the_reverse(films: pl.DataFrame) -> None:
    model = dr.learn(films, predict="gross", using=["budget", "log(budget)", "year"])
    whole = pl.DataFrame({"budget": [3, 4], "year": [1980.0, 1981.0]})
    parts = pl.DataFrame({"budget": [3.0, 4.0], "year": [1980, 1981]})
    assert model.predict(whole).equals(model.predict(parts))


def test_what_was_understood_of_a_table(films: pl.DataFrame, tmp_path: Path) -> None:
    table = films.with_columns(
        title=pl.Series([f"film {at}" for at in range(len(films))]),
        price=pl.Series([f"${at}" for at in range(len(films))]),
        day=pl.Series([dt.date(2001, 1, 1) + dt.timedelta(days=at) for at in range(len(films))]),
    ).with_columns(budget=pl.when(pl.col("year") > 1975).then("budget"))
    table.write_csv(tmp_path / "t.csv")
    found = dr.columns(tmp_path / "t.csv")
    assert found.rows == len(films)
    told = {row["column"]: row for row in found.columns.to_dicts()}
    assert set(told) >= {*table.columns, "days(day)"}
    assert told["budget"]["missing"] == table["budget"].null_count()
    assert told["genre"]["kind"] == "category"
    assert "Drama" in told["genre"]["seen"]
    assert "nearly unique" in told["title"]["done"]
    assert "number(price)" in told["price"]["done"]


@pytest.mark.parametrize(
    ("using", "instead"),
    [
        (["poly(x, 3)"], "x - 1000000020"),
        (["x", "x ** 2"], "x - 1000000020"),
        (["poly(x * 2, 2)"], "(x * 2) - 2000000040"),
        (["poly(minus, 2)"], "minus + 1000000020"),
        (["poly(year, 8)"], "year - 2010"),
    ],
)
def test_powers_of_numbers_too_far_from_0_are_refused(using: list[str], instead: str) -> None:
    x = np.arange(40.0)
    y = np.sin(x / 8)
    table = {"x": x + 1e9, "minus": -x - 1e9, "year": x % 20 + 2000, "y": y}
    with pytest.raises(LearningError, match=re.escape(f"write {instead} in its place")):
        dr.learn(table, predict="y", using=using)


def test_powers_of_years_are_those_of_their_middle() -> None:
    x = np.arange(40.0)
    table = {"year": x + 2000, "y": np.sin(x / 8)}
    asked = {"predict": "y", "ridge": 0}
    near = dr.learn(table, using=["poly(year - 2020, 4)"], **asked)
    far = dr.learn(table, using=["poly(year, 4)"], **asked)
    assert far.held_out.rmse == pytest.approx(near.held_out.rmse, rel=1e-4)


QUOTES = pl.DataFrame(
    {
        "a b": np.arange(60) % 7 + 0.5,
        "c": ["x", "y", "z"] * 20,
        "e:f": np.arange(60) % 11 + 0.25,
        'q"q': np.arange(60) % 13 + 0.125,
        "g h": ["u", "v"] * 30,
        "y": np.arange(60) ** 1.5,
    }
)


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        ('"a b":c', "a b:c"),
        ('c:"a b"', "c:a b"),
        ('"a b" : "g h"', "a b:g h"),
        ('"a b":"e:f"', "a b:e:f"),
        ('"q""q":"a b"', 'q"q:a b'),
        ('"e:f"', "e:f"),
        ('"g h"', "g h"),
    ],
)
def test_names_in_quotes_are_those_without(quoted: str, plain: str) -> None:
    made, known = (
        weights(dr.learn(QUOTES, predict="y", using=[one, "a b"], ridge=0))
        for one in (quoted, plain)
    )
    assert made == known


@pytest.mark.parametrize(
    ("term", "told"),
    [
        ('"nope":c', "has no column 'nope'"),
        ('"a b":"a c"', "has no column 'a c': did you mean a b"),
        ("c:nope", "has no column 'nope'"),
        ('log("a b"):c', "an interaction, which is of two columns, and 'log(\"a b\")' is an expr"),
        ('"a b" + 1:"e:f"', 'multiply numbers with *, as in ("a b" + 1) * "e:f"'),
    ],
)
def test_what_is_wrong_with_an_interaction_is_named(term: str, told: str) -> None:
    with pytest.raises((ColumnError, LearningError), match=re.escape(told)):
        dr.learn(QUOTES, predict="y", using=[term])
