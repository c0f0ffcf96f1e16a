"""Large CSV files are read block by block: the rows must be those that one scan gives."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.tables.files import csv_source as delimited
from deltarule.tables.files import encoding
from deltarule.tables.files.open import open_file

ROWS = 400
WORDS = ["plain", 'a "quote"', "two\nlines", "a,b", "", "\r\n", '"', "\n\n\n", "é" * 30]


def content(*, newline: str = "\n", above: str = "") -> bytes:
    """Rows with every kind of cell; text with quotes, commas and ends of lines in it."""
    lines = ["x,word,day,y"]
    for at in range(ROWS):
        word = WORDS[at * 7 % len(WORDS)].replace('"', '""')
        lines.append(f'{at / 4},"{word}",2020-01-{at % 28 + 1:02},{at * at % 11}')
    return (above + newline.join(lines) + newline).encode()


def rows(path: Path) -> pl.DataFrame:
    source = open_file(path)
    return pl.concat(source.batches([pl.col(name) for name in source.look().columns]))


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every file counts as large, and blocks are of so few bytes that rows span them."""
    monkeypatch.setattr(delimited, "AT_ONCE", 0)
    monkeypatch.setattr(encoding, "BLOCK", 97)
    return monkeypatch


FILES = {
    "plain": content(),
    "carriage returns": content(newline="\r\n"),
    "a title above": content(above="Films\nof all years\n\n"),
    "no newline at the end": content()[:-1],
    "one row": b"x,word,day,y\n1,a,2020-01-01,3\n",
    "gzip": gzip.compress(content()),
    "sixteen bits": content().decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", FILES)
def test_blocks_give_the_rows_of_one_scan(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(FILES[name])
    whole = rows(path)
    assert whole.height == (1 if name == "one row" else ROWS)
    monkeypatch.setattr(delimited, "AT_ONCE", 0)
    # The first block must hold what stands above the rows.
    for size in (60, 97, 1000, 1 << 20):
        monkeypatch.setattr(encoding, "BLOCK", size)
        assert rows(path).equals(whole), size


def test_blocks_of_parts_have_their_folders_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for year in (2001, 2002):
        folder = tmp_path / "films" / f"year={year}"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_bytes(content())
    whole = rows(tmp_path / "films")
    assert whole["year"].unique().sort().to_list() == [2001, 2002]
    monkeypatch.setattr(delimited, "AT_ONCE", 0)
    monkeypatch.setattr(encoding, "BLOCK", 97)
    assert rows(tmp_path / "films").equals(whole)


def test_a_model_learnt_in_blocks_is_that_of_one_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content())
    one = dr.learn(path, predict="y")
    monkeypatch.setattr(delimited, "AT_ONCE", 0)
    monkeypatch.setattr(encoding, "BLOCK", 97)
    other = dr.learn(path, predict="y")
    assert other.record.weights == one.record.weights
    assert other.record.held_out == one.record.held_out
    assert other.record.learnt[0].reads == one.record.learnt[0].reads == 1


@pytest.mark.usefixtures("blocks")
def test_types_that_change_in_a_later_block(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    late = "".join(f"a{at % 3},{at % 7}\n" for at in range(300))
    path.write_text("x,y\n" + "".join(f"{at % 5},{at % 7}\n" for at in range(300)) + late)
    model = dr.learn(path, predict="y", using=["x"])
    assert model.record.contract.columns[0].kind == "category"
    assert model.record.rows == 600


@pytest.mark.usefixtures("blocks")
def test_a_quote_never_closed_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "LONGEST_ROW", 2000)
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1,2\n" * 100 + '"3,4\n' + "5,6\n" * 2000)
    with pytest.raises(dr.DeltaruleError) as refused:
        dr.learn(path, predict="y")
    assert "quote" in str(refused.value)
    assert "\n" not in str(refused.value)


@given(
    cells=st.lists(st.text('ab,"\n\r ', max_size=6), min_size=1, max_size=60),
    size=st.integers(1, 40),
)
def test_cuts_fall_between_rows_whatever_is_in_the_cells(cells: list[str], size: int) -> None:
    lines = ['"' + cell.replace('"', '""') + '",1\n' for cell in cells]
    text = "".join(lines).encode()
    ends = {sum(len(line.encode()) for line in lines[:at]) for at in range(len(lines) + 1)}
    for stop in range(0, len(text), size):
        assert encoding._row_end(text[:stop], b'"') in ends


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("mark", ["^", ","])
@pytest.mark.parametrize("large", [False, True], ids=["at once", "in blocks"])
def test_text_that_begins_as_zlib_does_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, pack: type, large: bool
) -> None:
    """x^ are the bytes of a zlib header, as letters of a name and at the start of any block."""
    if large:
        monkeypatch.setattr(delimited, "AT_ONCE", 0)
        monkeypatch.setattr(encoding, "BLOCK", 12)
    lines = [f"x^2{mark}y", *(f"x^{at % 5}{mark}{at}" for at in range(40))]
    path = tmp_path / "t.csv"
    path.write_bytes(pack("\n".join(lines).encode()))
    source = open_file(path, {"separator": mark})
    found = pl.concat(source.batches([pl.all()]))
    names = ["x^2", "y"] if mark == "," else ["x", "2", "y"]
    assert found.columns == names
    assert found[names[0]].to_list() == [f"x^{at % 5}" if mark == "," else "x" for at in range(40)]
    assert found["y"].to_list() == list(range(40))
    assert source.place(3) == "line 5"
