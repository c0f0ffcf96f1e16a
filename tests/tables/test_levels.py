"""Levels of categories: which are kept is decided by all rows, and how many by a budget, told."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.tables.frames import open_table
from deltarule.tables.level_counts import LevelCounts, count_levels, shared
from deltarule.tables.one_read import Read, read
from deltarule.tables.request import Request
from deltarule.tables.schema_columns import OTHER

N = 24_000
RNG = np.random.default_rng(11)
X, NOISE = RNG.normal(size=N), RNG.normal(size=N)
EFFECT = RNG.normal(size=N)


def learn(table: Any, **asked: Any) -> dr.Model:
    return dr.learn(table, **{"predict": "y", "ridge": 0, **asked})


def reading_of(table: Any, levels: int = 1024) -> Read:
    return read(open_table(table)[0], Request(["y"], ["shop"], levels=levels))


def known(found: dr.Model | Read, name: str) -> dict[str, float]:
    schema = found.schema if isinstance(found, Read) else found.record.contract
    columns = {one.name: one for one in schema.columns}
    return dict(columns[name].known)  # type: ignore[union-attr]


def table_of(codes: Any) -> pl.DataFrame:
    return pl.DataFrame({"shop": [f"s{code}" for code in codes], "x": X, "y": EFFECT[codes] + X})


# Judged on all rows


ORDERS = {
    "in turns": np.arange(N) % 600,
    "new at first": np.concatenate([np.arange(10_000), RNG.integers(0, 20, N - 10_000)]),
    "shuffled": RNG.integers(0, 900, N),
    "sorted": np.sort(RNG.integers(0, 900, N)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("ending", ["parquet", "csv", "frame"])
def test_levels_are_those_of_all_rows(tmp_path: Path, order: str, ending: str) -> None:
    codes = ORDERS[order]
    table: Any = table_of(codes)
    frequent = table["shop"].value_counts().filter(pl.col("count") >= 5).rows()
    if ending != "frame":
        getattr(table, f"write_{ending}")(tmp_path / f"t.{ending}")
        table = tmp_path / f"t.{ending}"
    found = known(reading_of(table), "shop")
    found.pop(OTHER, None)
    assert found == {level: float(rows) for level, rows in frequent}


def test_too_many_levels_keep_the_most_frequent_whatever_the_order() -> None:
    sizes = np.concatenate([np.full(100, 100), np.full(1400, 10)])
    codes = np.repeat(np.arange(1500), sizes)
    rest = {"x": X[: len(codes)], "y": EFFECT[codes] + NOISE[: len(codes)]}
    shop = np.array([f"s{code:04}" for code in codes])
    first, last = reading_of({"shop": shop, **rest}), reading_of({"shop": shop[::-1], **rest})
    for found in (first, last):
        levels = known(found, "shop")
        assert len(levels) == 1025
        assert sum(rows == 100 for rows in levels.values()) == 100
        assert any("shop (1,024 of 1,500)" in note for note in found.notes)
    assert known(first, "shop") == known(last, "shop")
    few = reading_of({"shop": shop, **rest}, levels=11)
    assert len(known(few, "shop")) == 12
    assert any("shop (11 of 1,500)" in note for note in few.notes)


def test_values_of_each_row_are_left_out_with_counts_of_all_rows() -> None:
    ids = learn({"id": [f"u{at}" for at in range(N)], "x": X, "y": X}).record.notes
    assert f"id is left out: nearly unique to each row ({N:,} values in {N:,} rows)" in ids
    # Of a category that was asked for as one, the levels with rows enough are kept.
    shops = [f"s{at}" for at in range(N - 12)] + ["big"] * 6 + ["other"] * 6
    model = learn({"shop": shops, "x": X, "y": X}, using=["category(shop)", "x"])
    assert list(known(model, "category(shop)")) == ["big", "other", OTHER]


def test_counting_ends_where_all_columns_have_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.tables.level_counts.MOST_COUNTED", 5)
    taken = []

    class Rows:
        def batches(self, columns: Any) -> Any:
            for at in range(10):
                taken.append(at)
                yield pl.DataFrame({"id": [f"{at}-{row}" for row in range(3)]}).select(columns)

    found = count_levels(Rows(), {"id": pl.col("id")})  # type: ignore[arg-type]
    assert taken == [0, 1]
    assert found["id"].distinct == 6
    assert not found["id"].whole
    assert str(found["id"]) == "6 values in the first 6 rows"


def test_a_stream_is_judged_by_what_it_shows_first() -> None:
    arrow = table_of(ORDERS["new at first"]).to_arrow()
    model = learn(arrow.to_reader(5_000))
    assert any(note.startswith("shop is left out: nearly") for note in model.record.notes)


def test_counts_of_a_look() -> None:
    counts = LevelCounts.of(pl.Series(["b", "a", None, "b", "c"]), whole=True)
    assert counts.names == ["b", "a", "c"]
    assert (counts.rows, counts.distinct, counts.nearly_unique) == (4, 3, False)


# A budget for all columns


@pytest.mark.parametrize(
    ("wanted", "room", "kept"),
    [
        ([5, 5], 100, [5, 5]),
        ([1500] * 10, 2048, None),
        ([5, 1500, 900], 1000, [5, 498, 497]),
        ([0, 3], 1, [0, 1]),
        ([], 10, []),
        ([4, 4], -3, [0, 0]),
    ],
)
def test_categories_share_what_there_is_room_for(
    wanted: list[int], room: int, kept: list[int] | None
) -> None:
    found = shared(wanted, room)
    assert sum(found) == min(sum(wanted), max(room, 0))
    assert all(own <= most for own, most in zip(found, wanted, strict=True))
    short = [own for own, most in zip(found, wanted, strict=True) if own < most]
    assert not short or max(short) - min(short) <= 1
    assert kept is None or found == kept


def test_many_wide_categories_keep_fewer_levels_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.tables.plan.ELIMINATED_IN_ALL", 120)
    monkeypatch.setattr("deltarule.tables.codes.MOST_LEVELS", 60)
    codes = RNG.integers(0, 150, (6, N))
    wide = {f"k{at}": [f"v{code}" for code in own] for at, own in enumerate(codes)}
    small = [("a", "b", "c")[at % 3] for at in range(N)]
    model = learn({**wide, "small": small, "y": NOISE + (codes[0] == 7)}, levels=60)
    kept = {name: len(set(known(model, name)) - {OTHER}) for name in (*wide, "small")}
    assert kept["small"] == 3
    assert sum(kept.values()) == 120
    told = [note for note in model.record.notes if "only the most frequent levels" in note]
    assert len(told) == 1
    assert "of 150)" in told[0]
    assert "and 3 other columns" in told[0]
    # Rows of levels that are not kept share one, and are no less learnt from.
    assert sum(known(model, "k3").values()) == N


def test_more_pairs_of_levels_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = RNG.integers(0, 1500, (3, N))
    wide = {f"k{at}": [f"v{code}" for code in own] for at, own in enumerate(codes)}
    table = {**wide, "y": NOISE}
    assert len(learn(table).record.contract.inputs) > 4000
    monkeypatch.setattr("deltarule.moments.accumulate.MOST_PAIRS", 50_000)
    model = learn(table)
    assert sum(len(set(known(model, name)) - {OTHER}) for name in wide) <= 2048
    assert any("only the most frequent levels" in note for note in model.record.notes)


def test_ten_columns_of_1500_levels_stay_within_a_gigabyte() -> None:
    code = (
        "import numpy as np, polars as pl\n"
        "from deltarule.tables.request import Request\n"
        "from deltarule.tables.frames import open_table\n"
        "from deltarule.tables.one_read import read\n"
        "r = np.random.default_rng(0)\n"
        "k = {f'k{j}': pl.Series(r.integers(0, 1500, 20_000)).cast(pl.String) + 'v'"
        " for j in range(10)}\n"
        "read(open_table(pl.DataFrame({**k, 'y': r.normal(size=20_000)}))[0], Request(['y']))\n"
        # Not ru_maxrss, which begins with what the process that started this one had.
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(status['VmHWM'].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert int(done.stdout) < 1_000_000


@pytest.mark.parametrize(
    ("level", "what"), [("(missing)", "what is missing"), ("(other)", "the rare levels")]
)
def test_levels_called_as_what_is_missing_or_rare_are_said(level: str, what: str) -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"c": [level, None, "a", "b"] * 30, "d": ["u", "v"] * 60})
    table = table.with_columns(y=rng.normal(size=120))
    notes = dr.learn(table, predict="y").record.notes
    assert any(f"c: cells that say '{level}' are one with {what}" in note for note in notes)
    plain = table.with_columns(pl.col("c").replace(level, "e"))
    assert not any("are one with" in note for note in dr.learn(plain, predict="y").record.notes)
