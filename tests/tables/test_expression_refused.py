# ruff: noqa: E501 - lists of many texts, some of them strange
"""Expressions that are refused: at once, in one line that says what to do."""

import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import ColumnError, ExpressionError
from deltarule.tables.expressions.expression import check, parse

# Refused, in one line

DEEP = 5_000
HOSTILE = [
    *("", " ", "\n", "()", "*", "x.*", "count(*)", "1", "1 + 1", "'x'", "null", "true", "date '2020-01-01'"),
    *("(select 1)", "select x from t", "x in (select y from t)", "exists(select 1)", "x; drop table t"),
    *("x;", "x;y", "sum(x)", "avg(x)", "max(x)", "count(x)", "sum(x) over ()", "row_number() over (order by x)"),
    *("lag(x)", "read_csv('/etc/passwd')", "read_parquet(x)", "glob('/*')", "pg_read_file('x') || x"),
    *("load_extension(x)", "sqlite_version()", "random()", "now()", "current_date()", "getenv('HOME')", "x + rand()"),
    *("?", "x + ?", ":a", "$1", "@a", "x -> x + 1", "list_transform(x, y -> y)", "[x]", "x[1]", "{'a': x}"),
    *("array[x]", "struct(x)", "map(x)", "x.y", "t.x.y", "x -- y", "x /* y */", "x /* y", "x {# y #}", "--x"),
    *("x # y", "{{ x }}", "{% x %}", "x collate nocase", "x ~ 'a+'", "regexp_matches(x, '(a+)+$')", "x similar to 'a'"),
    *("x rlike 'a'", "x ilike 'a'", "x glob 'a*'", "x like y", "x like 'a' escape 'b'", "x like 1", "x as y", "x y"),
    *("x, y", "(x, y)", "x in ()", "x in (y)", "x in y", "x in (1, null)", "x in (1, 'a')", "x is true", "x is y"),
    *("x ^ 2", "x & 1", "x | 1", "~x", "x << 1", "x // 2", "x == 1", "x <=> 1", "x is not distinct from y", "-x ** 2"),
    *("x ** 2 ** 3", "1 < x < 3", "x = y = z", "log()", "log(x, 2, 3)", "round(x, y)", "round(x, 1.5)", "round(x, 99)"),
    *("substr(x, 0)", "substr(x, -1)", "left(x, -1)", "logg(x)", "x(y)", "(x)(y)", '"log"(x)', "x::blob", "x::varchar(10)"),
    *("cast(x as int[])", "cast(x as decimal(9, 2))", "try_cast(x as int)", "date '2020-02-30' > x", "date 'today' > x"),
    *("x + interval '1' day", "interval '1 day'", "extract(epoch from x)", "extract(dow from x)", "date(x)", "number(x, ';')"),
    *("case", "case when x end", "case x end", "case when x then 1", "if(x)", "if(a, b, c, d)", "x +", "+ x +", "x is", "not"),
    *("(x", "x)", "((x)", "'x", '"x', "x 'y'", "0x1F + x", "1_000 + x", "1e400 * x", "9" * 400 + " * x", "N'a' || x"),
    *("b'01' || x", "x'41' || x", "\0", "x\0", '"\0"', "\ud800", "'\ud800' || x", "x + \u202e1", "x `y`", "`x`", "[x]"),
    *("log(distinct x)", "log(x order by x)", "log(x) filter (where y)", "log(x ignore nulls)", "log(base => x)"),
    *("x at time zone 'utc'", "x::double::", "unary(x)", "and(x, y)", "like(x, 'a')", "between(x, 1, 2)", "x and 1 = 'a'"),
    *("1 + 'a' || x", "log('a') + x", "'a' + x", "lower(1) || x", "not 1 + x", "abs(x, y)", "coalesce()", "greatest()"),
    *("(" * DEEP, "(" * DEEP + "x" + ")" * DEEP, "((((" * 30 + "x", "abs(" * 99 + "x" + ")" * 99, "not " * 999 + "x"),
    *("- " * 999 + "x", "case " * 999, "case end when " * 99, "cast(" * 500, "date(" * 24 + "x" + ")" * 24),
    *("int(" * 99, "1/(" * 99, "x" + "+x" * 101, "x" + "+x" * 1500, "x" * 10_001, "nullif(" * 24 + "x" + ",1)" * 24),
    *("x" + "::double" * 99, "x" + " is not null" * 99, "number(category(" * 9 + "x" + "))" * 9, "x in (" + "1," * 1999 + "1)"),
    *("x like '" + "_" * 9000 + "'", "x like '" + "%a" * 900 + "'", "[" * DEEP, "{" * DEEP, "x" + "[1" * 999, "'" * 999),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:40]))
def test_what_is_no_expression_is_refused_at_once_in_one_line(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    said = str(refused.value)
    assert time.process_time() - start < 1
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 1000
    assert ": " in said


@pytest.mark.parametrize("text", [None, 1, b"x", ["x"], {"x": 1}])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(ExpressionError, match="an expression is a text"):
        parse(text)


WORDS = "x y log ( ) ( ) , + - * / % ** = < and or not case when then else end between in is null"
WORDS += (
    " like 'a%' cast as integer :: date '2020-01-01' number category 1 2.5 \" ' -- /* ; [ { . ?"
)


@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=30))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_any_heap_of_words_is_read_or_refused(words: list[str]) -> None:
    text = " ".join(words)
    try:
        expression = parse(text)
    except ExpressionError as refused:
        assert "\n" not in str(refused)  # noqa: PT017
    else:
        assert parse(expression.text) == expression


@given(text=st.text(max_size=40))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError as refused:
        assert str(refused).isprintable()  # noqa: PT017
    else:
        assert parse(expression.text) == expression


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("logg(x)", "did you mean log"),
        ("xyzzy(x)", "there are abs, atan, "),
        ("round(x, 1, 2)", "round takes 1 or 2 arguments, not 3"),
        ("x + coalesce()", "coalesce takes 1 or more arguments, not 0"),
        ("-x ** 2", "two ways"),
        ("1 < x < 3", "a < b and b < c"),
        ("x ^ 2", "x ** 2"),
        ("x == 2", "with one ="),
        ("x == 'a'", "with one ="),
        ("x > 2 && y > 3", "& has no meaning here: say `and`, `or`"),
        ("x > 2 & y > 3", "say `and`"),
        ("x > 2 | y > 3", "`or`"),
        ("t.x", "without its table"),
        ("x -- y", "comment"),
        ("x::money", "there is no type 'money': there are double"),
        ("1 + 1", "no column"),
        ("x +", "cannot be read near '+'"),
        ("when * 2", "near 'when': a column called so is written \"when\""),
    ],
)
def test_a_refusal_says_what_to_do(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert str(refused.value).startswith(repr(text))
    assert said in str(refused.value)


TYPED = {
    "n": pl.Int64(), "t": pl.String(), "b": pl.Boolean(), "d": pl.Date(), "m": pl.Datetime("ms"),
    "e": pl.Duration("us"), "l": pl.List(pl.Int64()), "k": pl.Categorical(), "o": pl.Binary(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("log(t)", "log takes a number, but column 't' (String) is a text: number(...)"),
        ("t + 1", "+ takes a number, but column 't' (String)"),
        ("k * 2", "but column 'k' (Categorical"),
        ("n || t", "|| takes a text, but column 'n' (Int64) is a number: cast"),
        ("d - 1", "column 'd' (Date) is a date: days(...)"),
        ("m - d", "column 'm' (Datetime(time_unit='ms'"),
        ("e * 2", "is a duration: days(...)"),
        ("n and b", "and takes a boolean, but column 'n' (Int64)"),
        ("not t", "boolean(...) reads yes and no"),
        ("n = t", "= takes values of one kind"),
        ("d > '01/02/2020'", "'01/02/2020', which is no date as 2020-01-31 is"),
        ("d in ('2020-01-01', 'soon')", "'soon', which is no date"),
        ("m < '2020-02-31'", "'2020-02-31', which is no date"),
        ("n > '5'", "> takes values of one kind"),
        ("case when b then n else t end", "case takes values of one kind"),
        ("coalesce(n, 'a')", "coalesce takes values of one kind"),
        ("n in ('a')", "in takes values of one kind"),
        ("year(n)", "year takes a date, but column 'n' (Int64)"),
        ("year(t)", "cast(... as date)"),
        ("coalesce(t, t) + 1", "'coalesce(t, t)' is a text"),
        ("number(d)", "number takes a number, but column 'd' (Date)"),
        ("boolean(d)", "boolean takes yes and no, but column 'd' (Date)"),
        ("days(n)", "days takes a date or duration"),
        ("cast(n as date)", "cast cannot make a date of column 'n' (Int64)"),
        ("category(e)", "is a duration, which has no text"),
        ("l is null", "column 'l' (List(Int64)) is of a type that no expression reads"),
        ("length(o)", "column 'o' (Binary) is of a type"),
        ("hour(n)", "hour takes a time"),
    ],
)
def test_a_type_that_does_not_fit_is_refused_with_its_column(text: str, said: str) -> None:
    expression = parse(text)
    with pytest.raises(ExpressionError) as refused:
        check(expression, TYPED, name="films.csv")
    assert str(refused.value).startswith("films.csv, ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ExpressionError):
        expression.polars(TYPED)


def test_a_column_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ColumnError, match=r"films.csv has no column 'bugdet': did you mean budget"):
        check(parse("log(bugdet)"), {"budget": pl.Int64()}, name="films.csv")
    for text in ("genre = Drama", 'genre <> "Drama"', "not genre = Drama"):
        with pytest.raises(ColumnError, match=r"it has genre; text .* single quotes: 'Drama'$"):
            check(parse(text), {"genre": pl.String()}, name="films.csv")
    with pytest.raises(ColumnError, match="bugdet"):
        parse("log(bugdet)").polars({"budget": pl.Int64()})


@pytest.mark.parametrize(
    "text",
    [
        "x = 1000000000000000003",
        "x in (1, 9007199254740993)",
        "x between 1 and 18446744073709551615",
        "x <> -9007199254740993",
    ],
)
def test_whole_numbers_that_are_not_told_from_their_neighbours_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="not told from their neighbours"):
        parse(text)


@pytest.mark.parametrize("text", ["x < 9.1e15", "x < 9007199254740992", "x < 1e18", "x > -9.3e15"])
def test_large_numbers_are_kept_as_they_can_be_read(text: str) -> None:
    written = parse(text).text
    assert parse(written).text == written
    (known,) = (float(part) for part in text.split()[2:])
    assert float(written.split()[2]) == known


def test_columns_of_large_whole_numbers_are_compared_exactly() -> None:
    frame = pl.DataFrame({"a": [2**60, 2**60, None], "b": [2**60 + 1, 2**60, 1]})
    for text, known in {
        "a = b": [False, True, None],
        "a < b": [True, False, None],
        "a <> b": [True, False, None],
        f"cast(b as text) = '{2**60}'": [False, True, False],
    }.items():
        assert frame.select(parse(text).polars(frame.schema)).to_series().to_list() == known


@pytest.mark.parametrize(
    "text",
    [
        "coalesce(number('abc'), x)",
        "coalesce(number(upper('abc')), x)",
        "case when boolean('abc') then x else 0 end",
        "coalesce(cast('abc' as double), x)",
        "coalesce(cast('abc' as integer), x)",
        "coalesce(cast('abc' as boolean), x > 0)",
        "days(coalesce(cast('abc' as date), d))",
    ],
)
def test_a_text_that_does_not_read_is_refused_by_its_name(text: str) -> None:
    """No column is meant, so none is missed."""
    with pytest.raises(ExpressionError, match=r"'(abc|ABC)' is no (number|boolean|date)"):
        parse(text)
