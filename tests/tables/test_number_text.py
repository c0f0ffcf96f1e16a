# ruff: noqa: E501, RUF001 - lists of many texts, some of them strange
"""Numbers, yes and no written as text."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.tables.expressions import number_text as spelling
from deltarule.tables.expressions.number_text import cells_of
from deltarule.tables.text_formats import number_format
from tests.tables.expressions import DRAWN, computed, one

# Numbers and yes/no in text

NUMERALS = {
    "1,234": 1234, "$1.2M": 1.2e6, "(5)": -5, "12 %": 12, "12%": 12, "5-": -5, "1'234.50": 1234.5,
    "1’234": 1234, "1 234": 1234, "€ 1\u202f234.5": 1234.5, "1\u00a0234\u00a0567": 1234567, "USD 5": 5,
    "5 kr": 5, "5 DKK": 5, "Rs.500": 500, "1.1M": 1.1e6, "1e5": 1e5, "1E-5": 1e-5, ".5": 0.5, "5.": 5,
    " 7 ": 7, "$-5": -5, "-$5": -5, "($5)": -5, "−3": -3, "+3": 3, "1,234,567.89": 1234567.89,
    "2bn": 2e9, "2 B": 2e9, "12K": 12e3, "12k": 12e3, "007": 7, "NA": None, "-": None, "": None,
    "n/a": None, "  ": None, "1.2M€": 1.2e6, "0.1B": 1e8, "1e-5 EUR": 1e-5, "(1,234.5 %)": -1234.5,
}  # fmt: skip


@pytest.mark.parametrize("text", NUMERALS)
def test_a_number_in_text_is_read(text: str) -> None:
    assert one("number(t)", t=text) == NUMERALS[text]


NOT_NUMBERS = [
    "1,23",
    "1,2345",
    "0,126",
    "-0,126",
    "00,126",
    "0,126,000",
    "0 126",
    "$0,126",
    "(0,126)",
    "01,23,456",
    "12 34",
    "1,234 567",
    "1,234'567",
    "-(5)",
    "--5",
    "+-5",
    "-5-",
    "(5",
    "5)",
    "(5)-",
    "1 2",
    "$",
    "k",
    "%",
    ",",
    "1e5k",
    "inf",
    "-inf",
    "infinity",
    "5x",
    "1.2.3",
    "1,234.5,6",
    "１",
    "1_000",
    "0x1",
    "'",
    "5 USDX",
    "$5$5",
    "1.5e",
    "e5",
    "5 million",
    "ten",
    "1 e5",
    ",123",
    "1,,234",
    "1.234.567",
    "5m",
    "tt",
]


def spelled(series: pl.Series, *, decimal: str | None = None) -> str | None:
    """The expression that reads a column of text as numbers, if it is one."""
    found, _ = number_format(cells_of(series), decimal)
    return None if found is None else found.expression(series.name)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_a_text_that_is_no_number_is_an_error_that_names_it(text: str) -> None:
    frame = pl.DataFrame({"price": ["1", text, None]})
    with pytest.raises(pl.exceptions.InvalidOperationError) as refused:
        computed("number(price)", frame)
    assert "'price'" in str(refused.value)
    assert text[:20] in str(refused.value)
    assert spelled(frame["price"], decimal=".") != "number(price)"


@given(
    texts=st.lists(st.text("0123,.$%-()eE kM€'\u202f", min_size=1, max_size=8), min_size=1),
    mark=st.sampled_from([".", ","]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_quick_ways_of_reading_take_exactly_what_the_whole_pattern_takes(
    texts: list[str], mark: str
) -> None:
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String}).select(
        spelling.present(pl.col("t"))
    )
    fits = pl.col("t").str.contains(spelling.PATTERNS[mark])
    numbers = computed(f"number(t, '{mark}')", frame.filter(fits | pl.col("t").is_null()))
    assert sum(value is not None for value in numbers) == frame.select(fits.sum()).item()
    for text in frame.filter(~fits)["t"]:
        with pytest.raises(pl.exceptions.InvalidOperationError):
            one(f"number(t, '{mark}')", t=text)


def test_a_huge_text_is_named_in_short() -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError) as refused:
        one("number(t)", t="9x" * 100_000)
    assert len(str(refused.value)) < 2_000


@given(
    values=st.lists(st.decimals(-(10**9), 10**9, places=2, allow_nan=False), min_size=1),
    comma=st.booleans(),
    mark=st.sampled_from([",", " ", "'", "\u202f"]),
    dress=st.sampled_from(["{}", "${}", "{} €", " {} ", "{}%", "EUR {}"]),
)
@DRAWN
def test_what_is_written_with_marks_and_signs_reads_back(
    values: list[Any], comma: bool, mark: str, dress: str
) -> None:
    def written(value: Any) -> str:
        text = f"{value:,.2f}".replace(",", "T").replace(".", "," if comma else ".")
        return dress.format(text.replace("T", "." if comma and mark == "," else mark))

    series = pl.Series("price", [*map(written, values), None])
    text = spelled(series)
    assert text == ("number(price, ',')" if comma else "number(price)")
    assert computed(text, series.to_frame()) == [*map(float, values), None]


@pytest.mark.parametrize(
    ("values", "decimal", "text"),
    [
        (["1,234", "5"], None, "number(a)"),
        (["1,234", "5"], ",", "number(a, ',')"),
        (["1.234,5", "2"], None, "number(a, ',')"),
        (["1.5", "1,234"], ",", "number(a)"),
        (["12", "NA", None, "-"], None, "number(a)"),
        (["5%", "6 %"], None, "number(a)"),
        (["$5", "€5"], None, None),
        (["5%", "5"], None, None),
        (["0.5", "0"], None, "number(a)"),
        (["1", "x"], None, None),
        ([None, "NA"], None, None),
        ([], None, None),
    ],
)
def test_a_column_is_spelled_numbers_only_as_a_whole(
    values: list[str], decimal: str | None, text: str | None
) -> None:
    assert spelled(pl.Series("a", values, dtype=pl.String), decimal=decimal) == text


def test_the_name_of_a_column_of_text_is_quoted() -> None:
    assert spelled(pl.Series("the price", ["$1"])) == 'number("the price")'
    assert spelled(pl.Series("a", ["$1"], dtype=pl.Categorical)) == "number(a)"


def test_yes_and_no_are_read_in_any_case() -> None:
    words = {"yes": True, "Y": True, "TRUE": True, "t": True, "On": True, "1": True, "NA": None}
    words |= {"no": False, "N": False, "False": False, "f": False, "off": False, " 0 ": False}
    frame = pl.DataFrame({"t": list(words)})
    assert computed("boolean(t)", frame) == list(words.values())
    with pytest.raises(pl.exceptions.InvalidOperationError, match="perhaps"):
        one("boolean(t)", t="perhaps")
    with pytest.raises(pl.exceptions.InvalidOperationError, match=r"'n'.*2"):
        one("boolean(n)", n=2)


def test_a_model_of_text_predicts_from_typed_columns_and_the_reverse() -> None:
    typed = pl.DataFrame({"n": [1.0, None], "b": [True, None], "k": [3, None]})
    text = pl.DataFrame({"n": ["1", "NA"], "b": ["yes", ""], "k": ["3", None]})
    for written in ("number(n)", "boolean(b)", "number(k) + 1", "category(k)"):
        assert computed(written, typed) == computed(written, text), written
    assert computed("category(f)", pl.DataFrame({"f": [3.0, 2.5]})) == ["3", "2.5"]
    assert computed("category(f)", pl.DataFrame({"f": [2**53 + 1]})) == [str(2**53 + 1)]
