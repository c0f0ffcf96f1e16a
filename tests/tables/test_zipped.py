"""Zip archives: one table in them is read, and what else they hold is told in a line."""

import io
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.tables.files import packed
from deltarule.tables.files.open import open_file

TABLE = "x,y\n" + "".join(f"{at},{2 * at}\n" for at in range(30))


def zipped(path: Path, **files: str | bytes) -> Path:
    """An archive of files, in whose names _ stands for a point."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


@pytest.mark.parametrize("name", ["one.zip", "one.csv"])
def test_the_one_table_in_an_archive_is_read(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / name, a_csv=TABLE)
    source = open_file(path)
    assert source.look().rows() == [(at, 2 * at) for at in range(30)]
    assert source.files == [path]
    assert any("a.csv is read" in note for note in source.notes)
    assert dr.learn(path, predict="y").record.rows == 30
    assert dr.learn(path, predict="y").record.learnt_from == name


def test_its_copy_is_gone_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    source = open_file(zipped(tmp_path / "one.zip", a_csv=TABLE))
    assert list((tmp_path / "temporary").iterdir())
    del source
    with pytest.raises(ReadError):
        open_file(zipped(tmp_path / "two.zip", a_parquet=b"PAR1 is not enough"))
    assert not list((tmp_path / "temporary").iterdir())


def test_tables_of_other_formats_in_an_archive(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "c"]})
    raw = io.BytesIO()
    frame.write_parquet(raw)
    assert open_file(zipped(tmp_path / "p.zip", a_parquet=raw.getvalue())).look().equals(frame)
    raw = io.BytesIO()
    frame.write_excel(raw)
    assert open_file(zipped(tmp_path / "e.zip", a_xlsx=raw.getvalue())).look().equals(frame)
    beside = zipped(tmp_path / "r.zip", a_csv=TABLE, readme_txt="What is in it", __MACOSX="x")
    assert open_file(beside).look().height == 30


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a_csv": TABLE, "b_csv": TABLE}, "with 2 tables (a.csv, b.csv): unpack it, and give one"),
        ({"a_npy": "1"}, "with no table (a.npy): unpack it first"),
        ({"a_zip": b"PK\x03\x04"}, "with no table (a.zip): unpack it first"),
        ({"a_csv": b"PK\x03\x04 and more"}, "is a zip archive: unpack it first"),
    ],
)
def test_other_archives_are_refused_in_a_line(
    tmp_path: Path, files: dict[str, str | bytes], said: str
) -> None:
    path = zipped(tmp_path / "one.zip", **files)
    with pytest.raises(ReadError) as error:
        open_file(path)
    assert said in str(error.value)
    assert "calamine" not in str(error.value)


def test_archives_with_a_password_or_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path / "one.zip", a_csv=TABLE)
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # of the file, and in the directory: it is encrypted
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(raw)
    with pytest.raises(ReadError, match="has a password"):
        open_file(tmp_path / "locked.zip")
    for cut in (10, 60, len(raw) - 30):
        (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(ReadError, match="damaged zip archive"):
            open_file(tmp_path / "cut.zip")


def test_an_archive_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MOST", 1 << 20)
    path = zipped(tmp_path / "one.zip", a_csv="a,b\n" + "1,2\n" * (1 << 19))
    with pytest.raises(ReadError, match="unpacks to more than 1 MB"):
        open_file(path)


def test_an_archive_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = zipped(tmp_path / "one.zip", a_csv=TABLE).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert open_file("-").look().height == 30


def test_a_workbook_is_no_archive_whatever_it_is_called(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3]})
    frame.write_excel(tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").rename(tmp_path / "t.zip")
    assert open_file(tmp_path / "t.zip").look().equals(frame)
