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
from deltarule.web.session import Choices, Session
from deltarule.web.tables import Choice, from_csv, opened
from tests.conftest import DATA

UGLY = DATA / "ugly"


def test_a_short_table_is_held_whole():
    table = opened(pl.DataFrame({"a": [1.0, 2.0], "b": [True, False], "c": ["x", "y"]}))
    assert table.whole
    assert (table.rows, table.every) == (2, 1)
    assert table.choices == [
        Choice("a", "number"),
        Choice("b", "boolean"),
        Choice("c", "category"),
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
    assert (target, using) == (("size",), ("price",))
    session = Session(table, Choices(("price",), ("size",)))
    assert session.run.read.schema.targets[0].low == 1.5


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
