"""Packed files: those that unpack to far more than a table would are refused, and quickly."""

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ReadError
from deltarule.tables.files import packed

ROWS = b"1,2\n" * (1 << 18)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST", 1 << 22)


def gzipped(path: Path, raw: bytes) -> None:
    path.write_bytes(gzip.compress(raw))


def zstd(path: Path, raw: bytes) -> None:
    plain = path.with_suffix(".plain")
    plain.write_bytes(raw)
    pl.scan_lines(plain).sink_csv(
        path, compression="zstd", include_header=False, quote_style="never"
    )


PACKERS: dict[str, Callable[[Path, bytes], None]] = {"csv.gz": gzipped, "csv.zst": zstd}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("first", [64 << 20, 0], ids=["counted first", "counted while read"])
def test_a_file_that_unpacks_to_too_much_is_refused(
    ending: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "COUNTED_FIRST", first)
    path = tmp_path / f"t.{ending}"
    PACKERS[ending](path, b"a,b\n" + ROWS * 5)
    with pytest.raises(ReadError, match=r"t.csv.*unpacks to more than 4 MB"):
        dr.columns(str(path))


@pytest.mark.parametrize("ending", PACKERS)
def test_up_to_the_limit_it_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    raw = b"a,b\n" + b"".join(b"%d,%d\n" % (at, at % 7) for at in range(200_000))
    PACKERS[ending](path, raw)
    assert dr.learn(str(path), predict="b", using="a").record.rows == 200_000


@pytest.mark.parametrize("ending", PACKERS)
def test_what_packs_as_tables_do_may_be_larger(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{ending}"
    raw = b"a,b\n" + b"".join(b"%d,%d\n" % (at * 7919 % 10**9, at % 7) for at in range(400_000))
    assert len(raw) > packed.MOST
    PACKERS[ending](path, raw)
    assert dr.learn(str(path), predict="b", using="a").record.rows == 400_000


def test_one_line_of_zstd_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    """An RLE block of 4 bytes gives 128 kB: 16 GB in half a megabyte."""
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"1"
    head = packed.ZSTD + b"\x00\x58"
    path = tmp_path / "t.csv.zst"
    path.write_bytes(head + block * 131_072)
    with pytest.raises(ReadError, match="unpacks to more than"):
        dr.columns(str(path))


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd command")
@pytest.mark.parametrize("options", [["--check"], ["--no-check"], ["--long=27"], ["-19"]], ids=str)
def test_the_bound_of_zstd_is_near_what_it_unpacks_to(options: list[str], tmp_path: Path) -> None:
    plain, path = tmp_path / "t.csv", tmp_path / "t.csv.zst"
    plain.write_bytes(ROWS * 3)
    subprocess.run(["zstd", "-q", *options, str(plain)], check=True)
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    path.write_bytes(skipped + path.read_bytes() * 2)
    bound = packed.most_of_zstd(path, 1 << 40)
    assert 0 <= bound - 6 * len(ROWS) <= 2 * packed.ZSTD_BLOCK


def test_records_a_line_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "COUNTED_FIRST", 0)
    path = tmp_path / "t.ndjson.gz"
    gzipped(path, b'{"a":1,"b":2}\n' * (1 << 19))
    with pytest.raises(ReadError, match="unpacks to more than"):
        dr.columns(str(path))
