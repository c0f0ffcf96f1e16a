# ruff: noqa: E501 - lists of many texts, some of them strange
"""Values of expressions, against SQLite's and Python's own; row by row, and in bounded time."""

import datetime as dt
import decimal
import math
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import DeltaruleError, ExpressionError
from deltarule.tables.expressions import functions
from deltarule.tables.expressions.expression import Expression, parse
from deltarule.tables.expressions.values import Value, constant, types
from tests.tables.expressions import DRAWN, computed, one

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, math.nan, math.inf, -math.inf, 1e-300, 1e300]),
    st.integers(-50, 50).map(float),
    st.floats(-1e6, 1e6),
)
TEXTS = st.one_of(st.none(), st.text("abAB _%.x$\\1'", max_size=6))
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS), min_size=1, max_size=12)
SCHEMA = {"x": pl.Float64(), "y": pl.Float64(), "t": pl.String(), "u": pl.String()}


def framed(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row", strict=False)


def by_sqlite(text: str, frame: pl.DataFrame) -> list[Any]:
    """What SQLite says: an independent reading of SQL. Null stands for NaN and for blank text."""
    rows = [[None if isinstance(v, str) and not v.strip() else v for v in r] for r in frame.rows()]
    with sqlite3.connect(":memory:") as base:
        base.execute("pragma case_sensitive_like = on")
        base.execute("create table rows (x real, y real, t text, u text)")
        base.executemany("insert into rows values (?, ?, ?, ?)", rows)
        return [value for (value,) in base.execute(f"select {text} from rows order by rowid")]


def same(found: Any, expected: Any, places: float = 0.0) -> bool:
    if found is None or expected is None or isinstance(expected, str):
        return bool(found is expected or found == expected)
    return math.isclose(found, expected, rel_tol=places, abs_tol=places)


def agree(found: list[Any], expected: list[Any], places: float = 0.0) -> None:
    assert len(found) == len(expected)
    for row, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert same(ours, theirs, places), (row, ours, theirs)


# The same as SQLite says

EXACT = """x + y;x - y;x * y;x / y;-x;- -x;x - -1;x - y - 1;x - (y - 1);x / y / 2;x / (y / 2)
x * (y + 1);x + y * 2;(x + y) * 2;-x * y;-(x * y);1 - -x;2.0 / 4 * x;x < y;x <= y;x > y;x >= y
x = y;x <> y;x != y;x = 1;not x < y;x < y and y > 0;x < y or y > 0;not (x < y or y > 0)
x > 0 or y > 0 and x > y;(x > 0 or y > 0) and x > y;(x < y) = (y > 0);not not x < y
x between y and 2;x not between 0 and y;x between 0 and 1 and y > 0;x + 1 between y and y + 2
x in (1, 2.5, 0);x not in (1, -1);x in (1);t in ('a', 'b''c');x is null;x is not null
not x is null;t is null or x > 1;x + y is null;x / y is not null;x / 0;x / 0 is null
case when x > y then x else y end;case when x > y then 1 end;case x when 1 then 10 when 0 then 20 end
case when x > 0 then 'up' when x < 0 then 'down' else t end;case when x is null then 0 else x end
case t when 'a' then u else t end;case x when y then 1 else 0 end;coalesce(x, y, 0);coalesce(t, u)
nullif(x, y);nullif(x, 1);nullif(t, u);nullif(t, 'a');abs(x);sign(x);floor(x);ceil(x);ceiling(x)
lower(t);upper(t);trim(t);length(t);substr(t, 2);substring(t, 2, 3);substr(t, 1, 0);t || u
t || '-' || u;replace(t, 'a', 'b$1');replace(t, '', 'b');replace(t, '.', '');t like 'a%'
t like '%b';t like '_';t like '%';t like '';t like 'a_%.';t not like '%x%';not t like 'A'
t like '%$\\1%';t = u;t < u;t >= u;t <> 'a';t between 'a' and u;if(x > 0, x, y)
length(t || u) > 2 and x > 0;t = 'a' or t = 'b' or x > 0""".replace("\n", ";").split(";")


@pytest.mark.parametrize("text", EXACT)
@given(rows=ROWS)
@DRAWN
def test_an_expression_says_what_sqlite_says(text: str, rows: list[Any]) -> None:
    frame = framed(rows)
    theirs = re.sub(r"\bif\(", "iif(", text)
    agree(computed(text, frame), by_sqlite(theirs, frame))


@pytest.mark.parametrize("text", ["sqrt(x)", "exp(x)", "ln(x)", "atan(x)", "log2(x)", "log10(x)"])
@given(rows=ROWS)
@DRAWN
def test_a_function_is_sqlites_to_the_last_digits(text: str, rows: list[Any]) -> None:
    frame = framed(rows)
    # Two libraries' logarithms may differ in the last two bits.
    agree(computed(text, frame), by_sqlite(text, frame), 1e-15)


def number_texts() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["x", "y", "1.0", "2.5", "-1.0", "0.0", "null", "1e3"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join),
            inner.map(lambda a: f"({a})"),
            inner.map(lambda a: f"- {a}"),
            inner.map(lambda a: f"ABS( {a} )"),
            st.tuples(inner, inner).map(lambda ab: "coalesce({},{})".format(*ab)),
            st.tuples(truths(inner), inner, inner).map(
                lambda abc: "case when {} then {}\nelse {} end".format(*abc)
            ),
        )

    return st.recursive(leaves, grown, max_leaves=8)


def truths(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["<", "<=", "=", "<>", ">", ">="])
    plain = st.one_of(
        st.tuples(numbers, operator, numbers).map(" ".join),
        numbers.map(lambda a: f"({a}) is  not null"),
        st.tuples(numbers, numbers).map(lambda ab: "({}) BETWEEN {} and 2".format(*ab)),
        numbers.map(lambda a: f"{a} not in (1, 2.5)"),
    )
    return st.one_of(
        plain,
        plain.map(lambda a: f"not {a}"),
        st.tuples(plain, st.sampled_from(["and", "OR"]), plain).map(" ".join),
        st.tuples(plain, plain, plain).map(lambda abc: "({} or {}) and {}".format(*abc)),
    )


@given(text=st.one_of(number_texts(), truths(number_texts())), rows=ROWS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_formula_is_read_as_sqlite_reads_it_and_kept_so(text: str, rows: list[Any]) -> None:
    frame = framed(rows)
    try:
        expression = parse(text)
    except ExpressionError as refused:
        # The only reason that these texts have to be refused.
        assert "no column" in str(refused), text  # noqa: PT017
        return
    again = parse(expression.text)
    assert again == expression
    assert again.text == expression.text
    ours = computed(text, frame)
    agree(ours, by_sqlite(text, frame))
    # Not by SQLite: our 1 / 1000 is its integer division.
    agree(ours, computed(expression.text, frame))


# The same as Python says


def missing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that knows no null, no NaN and no error, as one that makes null of them."""

    def safe(*values: Any) -> Any:
        if any(value is None or value != value for value in values):
            return None
        try:
            found = function(*values)
        except (ValueError, ZeroDivisionError):
            return None
        except OverflowError:
            return math.inf
        return None if isinstance(found, complex) or found != found else found

    return safe


def sql_round(x: float, places: int) -> float:
    """Half away from zero."""
    unit = decimal.Decimal(1).scaleb(-places)
    return float(decimal.Decimal(x).quantize(unit, decimal.ROUND_HALF_UP))


def power(x: float, y: float) -> float:
    if math.isinf(x) and x < 0 and not math.isinf(y) and not y.is_integer() and y > 0:
        return math.inf  # IEEE 754 has it so
    if x < 0 and not math.isinf(x) and not math.isinf(y) and y.is_integer():
        try:
            return math.pow(x, y)
        except OverflowError:
            return -math.inf if y % 2 else math.inf
    return math.pow(x, y)


OF_NUMBERS: dict[str, Callable[..., Any]] = {
    "x % y": math.fmod,
    "mod(x, y)": math.fmod,
    "x ** y": power,
    "power(x, y)": power,
    "pow(x, 2)": lambda x, y: x * x,
    "log(x)": lambda x, y: math.log(x),
    "log(x, 2)": lambda x, y: math.log(x) / math.log(2),
    "log1p(x)": lambda x, y: math.log1p(x),
    "sin(x)": lambda x, y: math.sin(x),
    "cos(x)": lambda x, y: math.cos(x),
    "tan(x)": lambda x, y: math.tan(x),
    "cast(x as integer)": lambda x, y: x if math.isinf(x) else float(math.trunc(x)),
    "x::double": lambda x, y: x,
    "x::boolean": lambda x, y: x != 0,
    "greatest(x, 3)": lambda x, y: max(x, 3),
}


@pytest.mark.parametrize("text", OF_NUMBERS)
@given(rows=ROWS)
@DRAWN
def test_a_function_of_numbers_is_pythons(text: str, rows: list[Any]) -> None:
    function, both = missing(OF_NUMBERS[text]), "y" in text
    frame = framed(rows)
    expected = [function(x, y if both else 0.0) for x, y, _, _ in rows]
    if text.startswith("greatest"):
        expected = [3.0 if value is None else value for value in expected]
    agree(computed(text, frame), expected, 1e-15 if text != "tan(x)" else 1e-12)


@given(
    values=st.lists(st.integers(-(10**9), 10**9), min_size=1), places=st.sampled_from([0, 1, 2, -1])
)
@DRAWN
def test_halves_are_rounded_away_from_zero(values: list[int], places: int) -> None:
    frame = pl.DataFrame({"x": [value / 8 for value in values]})  # exact: halves are halves
    expected = [sql_round(x, places) for x in frame["x"]]
    agree(computed(f"round(x, {places})", frame), expected, 1e-15)


@given(rows=ROWS)
@DRAWN
def test_greatest_and_least_leave_nulls_out(rows: list[Any]) -> None:
    frame = framed(rows)
    there = [[v for v in (x, y) if v is not None and v == v] for x, y, _, _ in rows]
    assert computed("greatest(x, y)", frame) == [max(one, default=None) for one in there]
    assert computed("least(x, y)", frame) == [min(one, default=None) for one in there]


OF_TEXT: dict[str, Callable[[str], Any]] = {
    "left(t, 2)": lambda t: t[:2],
    "right(t, 2)": lambda t: t[-2:],
    "right(t, 0)": lambda t: "",
    "starts_with(t, 'a')": lambda t: t.startswith("a"),
    "ends_with(t, '.')": lambda t: t.endswith("."),
    "contains(t, '$')": lambda t: "$" in t,
    "contains(t, '')": lambda t: True,
    "char_length(t)": len,
    "concat(t, '!', t)": lambda t: f"{t}!{t}",
    "t::text": lambda t: t,
    "category(t)": lambda t: t,
    "upper(t)": str.upper,
}


@pytest.mark.parametrize("text", OF_TEXT)
@given(values=st.lists(st.none() | st.text("aäß.$é\n 🎬", max_size=5), min_size=1))
@DRAWN
def test_a_function_of_text_is_pythons(text: str, values: list[str | None]) -> None:
    frame = pl.DataFrame({"t": values}, schema={"t": pl.String})
    cells = [t if t and t.strip() else None for t in values]  # blank is missing
    expected = [None if t is None else OF_TEXT[text](t) for t in cells]
    if text.startswith("concat"):  # which leaves nulls out, as || does not
        expected = ["!" if t is None else value for t, value in zip(cells, expected, strict=True)]
    assert computed(text, frame) == expected


EPOCH = dt.datetime(1970, 1, 1)
OF_TIME: dict[str, Callable[[dt.datetime], float | str]] = {
    "year(d)": lambda d: d.year,
    "quarter(d)": lambda d: (d.month + 2) // 3,
    "month(d)": lambda d: d.month,
    "week(d)": lambda d: d.isocalendar().week,
    "day(d)": lambda d: d.day,
    "day_of_year(d)": lambda d: d.timetuple().tm_yday,
    "extract(doy from d)": lambda d: d.timetuple().tm_yday,
    "weekday(d)": lambda d: d.isoweekday(),
    "extract(isodow from d)": lambda d: d.isoweekday(),
    "hour(d)": lambda d: d.hour,
    "extract(MINUTE from d)": lambda d: d.minute,
    "days(d)": lambda d: (d - EPOCH) / dt.timedelta(days=1),
    "category(month(d))": lambda d: f"{d.month:02}",
    "category(weekday(d))": lambda d: str(d.isoweekday()),
    "category(day_of_year(d))": lambda d: f"{d.timetuple().tm_yday:03}",
    "d > date '2000-02-29'": lambda d: d > dt.datetime(2000, 2, 29),
    "d in (date '2000-02-29')": lambda d: d == dt.datetime(2000, 2, 29),
    "days(cast(d as date))": lambda d: d.toordinal() - EPOCH.toordinal(),
    "cast(d as date) = d": lambda d: d.time() == dt.time(),
}
TIMES = st.none() | st.datetimes(dt.datetime(1, 1, 1)) | st.just(dt.datetime(2000, 2, 29))


@pytest.mark.parametrize("text", OF_TIME)
@given(values=st.lists(TIMES, min_size=1), whole=st.booleans())
@DRAWN
def test_a_part_of_a_date_is_pythons(
    text: str, values: list[dt.datetime | None], whole: bool
) -> None:
    if whole:
        values = [d and dt.datetime(d.year, d.month, d.day) for d in values]
    frame = pl.DataFrame({"d": values}, schema={"d": pl.Datetime("us")})
    if whole:
        frame = frame.cast(pl.Date)
    expected = [None if d is None else OF_TIME[text](d) for d in values]
    agree(computed(text, frame), expected, 1e-15)


def test_times_and_durations_are_read_too() -> None:
    noon = dt.datetime(2020, 6, 1, 12, 30)
    frame = pl.DataFrame({"d": [noon]}, schema={"d": pl.Datetime("ns", "Europe/Berlin")})
    frame = frame.with_columns(d=pl.lit(noon).dt.replace_time_zone("Europe/Berlin"))
    # A zone's own clock counts.
    assert computed("hour(d)", frame) == [12]
    assert computed("days(d) - days(date '2020-06-01')", frame) == [pytest.approx(12.5 / 24)]
    assert computed("category(d)", frame) == ["2020-06-01 12:30:00"]
    assert one("days(e)", e=dt.timedelta(hours=36)) == 1.5
    assert one("minute(e)", e=dt.time(7, 8)) == 8


# What has no value

UNDEFINED = (
    "x / 0|0 / (x - x)|x % 0|log(0 * x)|log(-x)|ln(-x)|log10(-x)|log2(x - x)|log1p(-1 - x)|sqrt(-x)"
    "|(0 * x) ** -1|(-x) ** 0.5|log(x, 1)|log(x, 0)|log(x, -2)|sin(x * 1e308 * 10)"
)


@pytest.mark.parametrize("text", UNDEFINED.split("|"))
def test_what_has_no_value_is_missing(text: str) -> None:
    assert one(text, x=1.0) is None
    assert one(f"({text}) is null", x=1.0) is True


def test_nan_is_missing_and_too_large_a_number_stays_infinite_for_the_table_to_refuse() -> None:
    assert one("x is null", x=math.nan) is True
    assert one("x = x", x=math.nan) is None
    assert one("coalesce(x, 7)", x=math.nan) == 7
    assert one("exp(x)", x=1000.0) == math.inf
    assert one("x * x", x=-1e200) == math.inf
    assert one("10 ** x", x=400) == math.inf


def test_division_is_true_whatever_the_width_of_the_integers() -> None:
    for dtype in (pl.Int8, pl.UInt64, pl.Int64, pl.Float32, pl.Decimal(10, 0), pl.Boolean):
        frame = pl.DataFrame({"n": [1]}).cast(dtype)
        assert computed("n / 2", frame) == [0.5], dtype
        assert computed("n * 1000 - 2000", frame) == [-1000.0], dtype
    assert one("log10(n) = 3", n=1000) is True


# Row by row, and in bounded time

EACH_ROW = [
    *EXACT,
    *OF_NUMBERS,
    "number(x)",
    "category(x)",
    "x::text",
    "boolean(x > 0)",
    "round(x, 2)",
]


@pytest.mark.parametrize("text", EACH_ROW[::3])
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS), min_size=2, max_size=40),
    data=st.data(),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_batch_by_batch_is_the_same_as_all_at_once(text: str, rows: list[Any], data: Any) -> None:
    frame = framed(rows)
    cut = data.draw(st.integers(1, len(rows) - 1))
    whole = computed(text, frame)
    parts = [*computed(text, frame[:cut]), *computed(text, frame[cut:])]
    eager = computed(text, frame, "in-memory")
    assert [repr(value) for value in parts] == [repr(value) for value in whole]
    assert [repr(value) for value in eager] == [repr(value) for value in whole]


def test_long_tables_go_through_the_streaming_engine() -> None:
    frame = pl.DataFrame({"x": range(300_000), "t": ["$1,234"] * 300_000})
    expressions = [parse(text) for text in ("log(x) + x % 7", "number(t)", "x ** 0.5", "x")]
    lazy = frame.lazy().select(one.polars(frame.schema) for one in expressions)
    batches = list(lazy.collect_batches(chunk_size=131_072))
    assert [batch.height for batch in batches] == [131_072, 131_072, 300_000 - 2 * 131_072]
    found = pl.concat(batches)
    assert found.columns == [one.text for one in expressions]
    assert found.equals(lazy.collect(engine="in-memory"))


def probe(slot: str, kind: str) -> Value:
    kinds = {"day": "date", "clock": "datetime", "same": kind, "value": kind}
    if slot in ("word", "whole"):
        return constant("," if slot == "word" else 1.0)
    return Value(pl.col("probe"), kinds.get(slot, slot), "it")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", functions.FUNCTIONS)
def test_no_argument_is_written_out_more_often_than_is_counted(name: str) -> None:
    function = functions.FUNCTIONS[name]
    tried = 0
    for kind in types():
        arguments = [probe(slot.rstrip("?+"), kind) for slot in function.takes.split()]
        try:
            value = functions.apply(name, arguments, said="it")
        except ExpressionError:
            continue
        tried += 1
        drawn = sum(one.constant is None for one in arguments)
        assert str(value.expr).count('col("probe")') <= function.uses * drawn, kind
    assert tried


NESTED = {
    "{}": "1/({})|abs({})|coalesce({}, 1)|case when true then {} end|case {} when 1 then 1 end"
    "|nullif({}, 1)|round({}, 1)|({}) ** 2|({}) % 3|greatest({}, 1)|log({})|({})::integer|-({})"
    "|number(category({}))|number(boolean({}))|if(({}) in (1), 1, 2)|if(({}) between 1 and 2, 1, 0)"
}["{}"].split("|")


@pytest.mark.parametrize("form", NESTED)
def test_nesting_is_refused_before_it_costs_time_or_memory(form: str) -> None:
    frame = pl.DataFrame({"x": [0.5, 1.0]})
    start, reached = time.process_time(), 0
    text = "x"
    for depth in range(1, 30):
        text = form.format(text)
        try:
            computed(text, frame)
        except ExpressionError:
            break
        except pl.exceptions.InvalidOperationError:
            pass  # boolean(0.5) and the like
        reached = depth
    assert reached >= 1
    assert depth <= 26
    assert time.process_time() - start < 20


def test_a_deep_caller_gets_a_refusal_or_the_same_expression() -> None:
    text = "case when x then " * 20 + "y" + " end" * 20
    expected = parse(text)

    def deeper(frames: int) -> Expression | None:
        if frames:
            return deeper(frames - 1)
        try:
            return parse(text)
        except ExpressionError as refused:
            assert "nested too deeply" in str(refused)  # noqa: PT017
            return None

    room = sys.getrecursionlimit()
    found = [deeper(frames) for frames in range(0, room - 200, 50)]
    assert found[0] == expected
    assert all(one in (None, expected) for one in found)


def test_every_error_is_ours() -> None:
    assert issubclass(ExpressionError, DeltaruleError)
