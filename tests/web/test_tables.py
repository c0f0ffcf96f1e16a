"""Tables for the page: rows held are bounded and evenly spread; hostile CSV is refused in words."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import DeltaruleError, EmptyError, ReadError
from deltarule.web import tables
from deltarule.web.session import Choices, Session, suggested
from deltarule.web.tables import Choice, from_csv, opened
from tests.conftest import DATA

UGLY = DATA / "ugly"


def test_a_short_table_is_held_whole():
    table = opened(pl.DataFrame({"a": [1.0, 2.0], "b": [True, False], "c": ["x", "y"]}))
    assert table.whole
    assert (table.rows, table.every) == (2, 1)
    assert table.choices == [
        Choice("a", "number"),
        Choice("b", "boolean", loss="logistic"),
        Choice("c", "category", levels=2, loss="logistic", varied=False),
    ]


def test_of_a_long_table_rows_are_held_evenly(monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 100)
    n = 3 * 131_072 + 17
    table = opened(pl.DataFrame({"a": np.arange(n), "b": np.arange(n) % 7}))
    assert not table.whole
    assert table.rows == n
    assert 50 <= table.held.height <= 100
    assert table.held["a"].to_list() == list(range(0, n, table.every))


def test_what_is_held_of_a_wide_table_is_bounded_too(monkeypatch):
    monkeypatch.setattr(tables, "MOST_CELLS", 1000)
    table = opened(pl.DataFrame({f"c{at}": np.arange(500.0) for at in range(20)}))
    assert table.held.width * table.held.height <= 1000


def test_a_csv_is_read_as_the_command_line_reads_it():
    table = from_csv(b'price;size\n"1,5";2\n2,5;3\n3,5;5\n', "C:\\fakepath\\shop.csv")
    assert table.name == "shop.csv"
    target, using = table.suggested()
    assert (target, using) == (("price",), ("size",))
    session = Session(table, Choices(("price",), ("size",)))
    assert session.run.read.schema.targets[0].low == 1.5


def shop(**more: list) -> pl.DataFrame:
    """Twelve rows of a shop, and other columns after them."""
    rows = range(12)
    return pl.DataFrame(
        {"price": [3.5 * at for at in rows], "size": [float(at % 5) for at in rows], **more}
    )


@pytest.mark.parametrize(
    ("table", "target", "loss"),
    [
        (shop(), "price", "squared"),
        (shop().rename({"price": "a"}), "size", "squared"),
        (shop().rename({"price": "a", "size": " Label"}), " Label", "squared"),
        (shop(target=[True, False] * 6).select("target", "size", "price"), "target", "logistic"),
        (shop(y=[0, 1] * 6), "y", "logistic"),
        (shop(kind=["a", "b", "c"] * 4).drop("price"), "kind", "softmax"),
        (shop(kind=["a", "b"] * 6).drop("price"), "kind", "logistic"),
        # a class of a single row cannot be learnt, so the column before it is predicted
        (shop(kind=["a", *"b" * 11]).drop("price"), "size", "squared"),
        (shop(same=[1.0] * 12).drop("price").with_columns(x=1.0 * pl.Series(range(12))), "x",
         "squared"),
    ],
)  # fmt: skip
def test_a_target_and_its_loss_are_guessed_and_learnt(table, target, loss):
    found = opened(table)
    choices = suggested(found)
    assert choices.predict == (target,)
    assert choices.loss == loss
    assert choices.standardise
    assert set(choices.using or ()) == set(table.columns) - {target}
    session = Session(found, choices)
    start = session.at.now.loss
    assert session.go(20).now.loss < start


def test_columns_that_are_not_used_are_named_with_a_reason():
    numbers = list(range(300))
    table = opened(
        pl.DataFrame(
            {
                "row": [at + 1 for at in numbers],
                "code": [f"c{at % 30}" for at in numbers],
                "name": [f"customer {at}" for at in numbers],
                "day": pl.Series([19_000 + at for at in numbers]).cast(pl.Date),
                "size": [(at * 7) % 11 for at in numbers],
                "rooms": [(at * 5) % 13 for at in numbers],
                "price": [3.0 * ((at * 7) % 11) + at % 3 for at in numbers],
            }
        )
    )
    choices = suggested(table)
    assert choices.predict == ("price",)
    why = {one.name: one.why for one in table.unused([*choices.predict, *(choices.using or ())])}
    assert set(why) | {*choices.predict, *(choices.using or ())} == {
        "row", "code", "name", "day", "size", "rooms", "price"
    }  # fmt: skip
    assert why["row"].startswith("it looks like an id")
    assert why["code"].startswith("30 levels, so as many weights")
    assert "nearly unique" in why["name"]
    assert why["day"] == "a date: no input on this page"
    assert {"size", "rooms"} <= set(choices.using or ())
    assert {one.name: one.why for one in table.unused(["price", "size"])}["rooms"] == "not chosen"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2\n3,4,5,6\n", "line 3"),
        (b"a,a\n1,2\n", "'a'"),
        (b"a,b\nx,y\nz,w\n", "needs a column of numbers"),
        (b"a\n1\n2\n", "needs a column of numbers"),
        (b"a,b\n1,\x00\n", ""),
        (b"\x1f\x8b\x08\x00" + b"0" * 50, "packed"),
        (b"PK\x03\x04" + b"0" * 50, "packed, or an Excel file"),
        (b"PAR1" + b"0" * 50, "is no CSV"),
        (b"%PDF-1.4 etc", "PDF"),
        (b"a,b\n" + b"1" * 1_100_000 + b",2\n", "a line of 1,100,002 characters"),
        (b",".join(b"c%d" % at for at in range(3000)) + b"\n" + b"1," * 2999 + b"1\n", "3,000 col"),
        (bytes(range(128, 256)) * 20, ""),
    ],
)
def test_hostile_csv_is_refused_in_words(content, words):
    with pytest.raises(DeltaruleError) as refused:
        from_csv(content, "mine.csv")
    text = str(refused.value)
    assert words in text
    assert "deltarule-" not in text
    assert tempfile.gettempdir() not in text
    assert text.count("\n") <= 1


def outcome(content: bytes, name: str) -> tuple[bool, str]:
    """Whether it is read as a table with rows, and if not, what is said."""
    try:
        return from_csv(content, name).rows > 0, ""
    except DeltaruleError as error:
        return False, str(error)


@pytest.mark.parametrize("path", sorted(UGLY.glob("*.csv*")), ids=lambda path: path.name)
def test_ugly_files_are_read_or_refused(path: Path):
    read, words = outcome(path.read_bytes(), path.name)
    assert read or path.name in words


@settings(max_examples=60)
@given(st.binary(max_size=300), st.text(max_size=30))
def test_whatever_comes_is_a_table_or_one_of_our_errors(content, name):
    read, words = outcome(b"a,b\n1,2\n" + content, name)
    assert read or words


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    from_csv(b"a,b\n1,2\n2,3\n", "x.csv")
    with pytest.raises(ReadError):
        from_csv(b"a,b\n1,2\n3,4,5\n", "x.csv")
    with pytest.raises(EmptyError):
        from_csv(b"a,b\n", "x.csv")
    assert list(tmp_path.iterdir()) == []
