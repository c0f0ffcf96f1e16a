"""Summary files: they come back to the bit, and whatever else is in them is refused soon."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import DeltaruleError, NotAModelError, OutputError, VersionError
from deltarule.tables import summary_file
from deltarule.tables.make_plan import plan
from deltarule.tables.request import Request
from deltarule.tables.saved_file import CHECKSUM
from deltarule.tables.summarise import Summarise
from deltarule.tables.summary import Summary
from deltarule.tables.summary_file import (
    MAGIC,
    START,
    SavedSummary,
    from_bytes,
    load,
    save,
    to_bytes,
)
from tests.tables.signed_files import other_bit, other_bytes, signed


def summary_of(rows: int = 60) -> Summary:
    rng = np.random.default_rng(4)
    x = rng.normal(size=rows) + 1e6
    table = pl.DataFrame(
        {
            "x": pl.Series(x).set(pl.Series(rng.uniform(size=rows) < 0.2), None),
            "g": rng.choice(["a", "b", "Łódź", "日本"], rows),
            "h": rng.choice(["u", "v"], rows),
            "huge": rng.normal(size=rows) * 1e200,
            "y": x - 1e6,
        }
    )
    made = plan(table, Request(["y"], ["x", "g", "h", "log(x)", "huge"], folds=3), name="t")
    return Summarise(made, "t", histograms=True).of(table)


SUMMARY = summary_of()
RAW = to_bytes(SavedSummary(SUMMARY, {"predict": ["y"]}))


def with_header(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with another header, its length and checksum right."""
    _, version, size = START.unpack_from(RAW)
    header = json.loads(RAW[START.size : START.size + size])
    change(header)
    text = json.dumps(header).encode()
    arrays = RAW[START.size + size : -CHECKSUM]
    return signed(START.pack(MAGIC, version, len(text)) + text + arrays)


def with_number(place: int, value: float) -> bytes:
    """The file with another float64 among its arrays."""
    _, _, size = START.unpack_from(RAW)
    at = START.size + size + 8 * place
    body = bytearray(RAW[:-CHECKSUM])
    body[at : at + 8] = np.float64(value).tobytes()
    return signed(bytes(body))


def test_a_summary_comes_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "m.sums"
    save(SavedSummary(SUMMARY, {"predict": ["y"]}), path)
    loaded = load(path)
    found = loaded.summary
    assert to_bytes(loaded) == path.read_bytes() == RAW
    assert loaded.settings == {"predict": ["y"]}
    assert found.layout == SUMMARY.layout
    assert found.histograms == SUMMARY.histograms
    assert found.folds[0].scale.max() > 1e190
    twice = SavedSummary(found + found), SavedSummary(SUMMARY + SUMMARY)
    assert to_bytes(twice[0]) == to_bytes(twice[1])


def test_a_difference_comes_back_too() -> None:
    left = SavedSummary((SUMMARY + SUMMARY) - SUMMARY)
    assert to_bytes(from_bytes(to_bytes(left), name="m")) == to_bytes(left)


def test_no_summary_is_written_that_could_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary_file, "LARGEST_HEADER", 100)
    with pytest.raises(OutputError, match="--levels"):
        save(SavedSummary(SUMMARY), tmp_path / "m.sums")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [0, 7, 20, 300, len(RAW) // 2, len(RAW) - 1])
def test_a_file_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(NotAModelError):
        from_bytes(RAW[:length], name="m")


@settings(deadline=None, derandomize=True, max_examples=100)
@given(place=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(place: int, bit: int) -> None:
    with pytest.raises((NotAModelError, VersionError)):
        from_bytes(other_bit(RAW, place, bit), name="m")


def test_a_later_version_is_refused_by_name() -> None:
    with pytest.raises(VersionError, match="version 9"):
        from_bytes(signed(START.pack(MAGIC, 9, 0)), name="m")


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["layout"].update(folds=2),
        lambda header: header["layout"].update(folds=10**9),
        lambda header: header["layout"].update(numbers=["x", "x"]),
        lambda header: header["layout"]["terms"].update(y="__import__('os')"),
        lambda header: header["layout"]["terms"].update(y="1 + " * 200_000 + "1"),
        lambda header: header["layout"].update(surprise=1),
        lambda header: header.update(gaps=[7]),
        lambda header: header.update(gaps=[-1]),
        lambda header: header.update(examples=-1),
        lambda header: header.update(examples="60"),
        lambda header: header["levels"]["g"].update(names=["b", "a", "c", "d"]),
        lambda header: header["levels"]["g"].update(names=["a"] * 10**6),
        lambda header: header.update(pairs=[10**18]),
        lambda header: header.update(pairs=[]),
        lambda header: header.update(cells=[10**9] * 5),
        lambda header: header.update(shifts=[64] * 5),
        lambda header: header.update(settings=[1]),
        lambda header: header.clear(),
    ],
)
def test_a_header_that_cannot_be_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(NotAModelError, match="damaged"):
        from_bytes(with_header(change), name="m")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, -1.0),  # rows of the first fold
        (0, np.inf),
        (3, 3.0),  # a unit
        (3, np.nan),
        (3, 0.0),
        (3 + 6, np.nan),  # a mean
        (3 + 6 + 36, -1e9),  # a variance
        (3 + 6 + 36 + 1, 1e9),  # a product that is another one the other way round
        (3 + 6 + 36 + 108, np.inf),  # what missing values count as
        (3 + 6 + 36 + 108 + 5, np.nan),  # a range
        (3 + 6 + 36 + 108 + 15, -1.0),  # a count of a level
    ],
)
def test_numbers_that_are_no_sums_are_refused(place: int, value: float) -> None:
    with pytest.raises(NotAModelError, match="damaged"):
        from_bytes(with_number(place, value), name="m")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_change_that_is_signed_is_a_summary_or_refused(seed: int) -> None:
    changed_file = other_bytes(RAW[:-CHECKSUM], seed, start=START.size)
    try:
        found = from_bytes(changed_file, name="m")
    except DeltaruleError:
        return
    assert to_bytes(found) == changed_file


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(summary_file.LARGEST_FILE + 1)  # takes no room on the disk
    for name, message in (("large", "too large"), (".", "a folder"), ("/dev/zero", "a pipe")):
        with pytest.raises(NotAModelError, match=message):
            load(tmp_path / name)
    with pytest.raises(DeltaruleError, match="no such summary file"):
        load(tmp_path / "none")
