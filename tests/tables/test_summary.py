"""Summaries add and subtract: in any order and grouping, the parts make the whole."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.errors import LearningError
from deltarule.moments.moments import Moments, total
from deltarule.tables.finalize import finalize
from deltarule.tables.frames import open_table
from deltarule.tables.make_plan import plan
from deltarule.tables.one_read import read
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import OTHER, Category, Number
from deltarule.tables.summarise import Summarise
from deltarule.tables.summary import Summary, joined

DRAWN = settings(deadline=None, derandomize=True, max_examples=12)
seeds = st.integers(0, 2**32 - 1)
ROWS = 160

ASKED: dict[str, Request] = {
    "plain": Request(["y"], id="id", folds=3),
    "weights": Request(["y"], id="id", row_weight="copies", copies=True, folds=3),
    "shares": Request(["y"], without=["copies"], id="id", row_weight="w", copies=False, folds=3),
    "offset": Request(["y"], id="id", offset="w", shifted=True, folds=2),
    "targets": Request(["y", "z"], group="city", takes={"z": "either"}, folds=4),
    "time": Request(["y"], ["a", "far"], time="when", folds=3),
    "complete": Request(["y"], id="id", drop_missing=True, folds=2),
    "no folds": Request(["y", "a"], ["city", "far"], folds=1, intercept=False),
}


def table_of(seed: int, rows: int = ROWS) -> pl.DataFrame:
    """Mixed columns: gaps, values far from zero, levels on both sides of the pooling threshold."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    gaps = rng.uniform(size=(2, rows)) < 0.2
    far = 1e6 + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "id": 1000 + rng.permutation(rows),
            "a": pl.Series(a).set(pl.Series(gaps[0]), None),
            "far": pl.Series(far).set(pl.Series(gaps[1]), None),
            "flag": rng.uniform(size=rows) < 0.3,
            "city": pl.Series([f"c{code}" for code in rng.zipf(1.7, rows) % 40]).set(
                pl.Series(rng.uniform(size=rows) < 0.1), None
            ),
            "kind": rng.choice(["x", "y", "(other)", "(missing)"], rows),
            "w": rng.uniform(0.1, 2, rows),
            "copies": rng.integers(0, 4, rows),
            "when": rng.integers(0, 30, rows),
            "z": rng.choice(["yes", "no"], rows),
            "y": pl.Series(a + rng.normal(size=rows)).set(pl.Series(gaps.all(axis=0)), None),
        }
    )


def planned(table: pl.DataFrame, asked: Request) -> Plan:
    made = plan(table, asked, name="the table")
    return replace(made, cuts=(10.0, 20.0)) if asked.time else made


def summary_of(table: pl.DataFrame, made: Plan, row: int = 0) -> Summary:
    return Summarise(made, "the table", histograms=True).of(table, row)


def parts_of(table: pl.DataFrame, made: Plan, cuts: Sequence[int]) -> list[Summary]:
    ends = sorted({*cuts, table.height})
    starts = [0, *ends[:-1]]
    return [summary_of(table[a:b], made, a) for a, b in zip(starts, ends, strict=True) if a < b]


def finalized(summary: Summary, made: Plan) -> tuple[Schema, list[Moments]]:
    schema, folds, _ = finalize(summary, made.request, "the table")
    return schema, folds


def agree(one: Schema, other: Schema) -> None:
    """The same schema; means to the rounding of their order of summation."""

    def rounded(schema: Schema) -> Any:
        columns = [
            column.model_copy(update={"mean": 0.0}) if isinstance(column, Number) else column
            for column in schema.columns
        ]
        offset = None
        if schema.offset is not None:
            offset = schema.offset.model_copy(update={"mean": 0.0})
        return schema.model_copy(update={"columns": tuple(columns), "offset": offset})

    assert rounded(one) == rounded(other)
    for mine, yours in zip(one.columns, other.columns, strict=True):
        if isinstance(mine, Number) and isinstance(yours, Number):
            assert mine.mean == pytest.approx(yours.mean, rel=1e-13, abs=1e-13)


def equal(one: list[Moments], other: list[Moments], tolerance: float = 1e-10) -> None:
    """The same moments, products to the size of the two columns they are made of."""
    whole = total(other)
    spread = np.sqrt(whole.cross.diagonal() / whole.rows)
    for a, b in zip(one, other, strict=True):
        assert a.rows == pytest.approx(b.rows, rel=1e-13)
        size = b.rows * np.outer(spread, spread)
        assert np.max(np.abs(a.cross - b.cross) - tolerance * size) <= 0
        apart = np.abs((a.mean - b.mean) + (a.rest - b.rest))
        assert np.max(apart - tolerance * (spread + np.abs(b.mean))) <= 0


def same(one: Summary, other: Summary, made: Plan, tolerance: float = 1e-10) -> None:
    assert one.examples == other.examples
    assert dict(one.causes) == dict(other.causes)
    assert one.histograms == other.histograms
    assert np.array_equal(one.low, other.low)
    assert np.array_equal(one.high, other.high)
    mine, yours = finalized(one, made), finalized(other, made)
    agree(mine[0], yours[0])
    equal(mine[1], yours[1], tolerance)


# Merging


@pytest.mark.parametrize("how", ASKED)
@DRAWN
@given(seed=seeds, cuts=st.lists(st.integers(1, ROWS - 1), min_size=1, max_size=6))
def test_parts_in_any_order_and_grouping_make_the_whole(
    how: str, seed: int, cuts: list[int]
) -> None:
    table = table_of(seed)
    made = planned(table, ASKED[how])
    whole, parts = summary_of(table, made), parts_of(table, made, cuts)
    rng = np.random.default_rng(seed)
    shuffled = [parts[at] for at in rng.permutation(len(parts))]
    same(reduce(add, shuffled), whole, made)
    same(joined(shuffled), whole, made)


@pytest.mark.parametrize("how", ASKED)
def test_the_one_read_gives_the_summary_of_its_rows(how: str) -> None:
    table, asked = table_of(7), ASKED[how]
    found = read(open_table(table)[0], asked, keep_summary=True)
    assert found.summary is not None
    same(found.summary, summary_of(table, found.plan), found.plan)


def test_parts_may_be_planned_apart_and_meet_their_levels_in_another_order() -> None:
    table = table_of(3)
    made = planned(table, ASKED["plain"])
    parts = [table[100:], table[:50], table[50:100]]
    own = [summary_of(part, planned(part, ASKED["plain"])) for part in parts]
    assert {name for one in own for name in one.levels["city"].names} > set(
        own[0].levels["city"].names
    )
    same(joined(own), summary_of(table, made), made)


def test_levels_beyond_the_cap_of_one_part_are_none_of_the_whole() -> None:
    """Only levels that are known to have all of their rows have sums of their own."""
    table = table_of(5)
    made = planned(table, ASKED["plain"])
    one, other = parts_of(table, made, [80])
    kept = tuple(sorted(one.levels["city"].names)[:3])
    city = replace(one.levels["city"].named(kept), beyond=5)
    capped = one.named({**{k: v.names for k, v in one.levels.items()}, "city": kept})
    capped = replace(capped, levels={**capped.levels, "city": city})
    for whole in (capped + other, other + capped):
        assert whole.levels["city"].names == kept
        assert whole.levels["city"].beyond == 5
        counts = (one + other).levels["city"].counts.sum()
        assert whole.levels["city"].counts.sum() == pytest.approx(counts)


def test_tables_of_other_columns_are_refused_by_name() -> None:
    table = table_of(1)
    one = summary_of(table, planned(table, ASKED["plain"]))
    text = table.with_columns(pl.col("a").cast(pl.String) + "!")
    for other, asked, named in (
        (table.drop("far"), ASKED["plain"], "far"),
        (text, ASKED["plain"], "a is among"),
        (table, replace(ASKED["plain"], folds=4), "folds"),
        (table, ASKED["complete"], "gaps"),
    ):
        with pytest.raises(LearningError, match=named):
            one + summary_of(other, planned(other, asked))


# Forgetting


@pytest.mark.parametrize("how", ASKED)
@DRAWN
@given(seed=seeds, cut=st.integers(20, ROWS - 20))
def test_the_whole_less_a_part_leaves_the_rest(how: str, seed: int, cut: int) -> None:
    table = table_of(seed)
    made = planned(table, ASKED[how])
    rest, part = parts_of(table, made, [cut])
    left = (rest + part) - part
    # Cells are as wide as the whole needed them; 160 values are no more than there are cells.
    assert not left.bounded
    same(left, rest, made)
    same(left + part, rest + part, made)


def test_levels_gaps_and_causes_that_no_row_has_are_gone() -> None:
    rows = pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "g": ["x", "y", "x", "y"], "y": [1, 2, 3, 5]})
    more = pl.DataFrame({"a": [None, 5.0], "g": ["new", None], "y": [1, None]})
    table = pl.concat([rows, more], how="vertical_relaxed")
    made = planned(table, Request(["y"], folds=2))
    rest, part = parts_of(table, made, [4])
    whole = rest + part
    assert "new" in whole.levels["g"].names
    assert len(whole.gaps) == len(whole.causes) == 1
    left = whole - part
    assert (left.gaps, dict(left.causes), left.levels["g"].names) == ((), {}, ("x", "y"))
    assert left.high.tolist() == [4.0, 5.0]


def test_ranges_after_a_subtraction_are_bounds_where_there_are_many_values() -> None:
    values = np.random.default_rng(2).normal(size=2000)
    table = pl.DataFrame({"a": np.append(values, 60.0), "y": np.arange(2001.0)})
    made = planned(table, Request(["y"], folds=2))
    rest, part = parts_of(table, made, [2000])
    left = (rest + part) - part
    assert left.bounded
    assert values.max() <= left.high[0] <= 2 * values.max()
    assert 2 * values.min() <= left.low[0] <= values.min()


def test_rows_that_were_never_there_are_refused() -> None:
    table = table_of(11)
    made = planned(table, ASKED["plain"])
    one, other = parts_of(table, made, [80])
    bare = [replace(part, histograms=()) for part in (one, other)]
    few = replace(bare[0], causes={}, examples=10**6)
    for whole, part in ((one, other), (one, one + other), (few, bare[1])):
        with pytest.raises(LearningError, match="not all learnt from"):
            whole - part


def test_too_few_digits_ask_for_the_rows_that_stay() -> None:
    rng = np.random.default_rng(0)
    near = pl.DataFrame({"a": rng.normal(size=50) * 1e-4, "y": rng.normal(size=50)})
    far = pl.DataFrame({"a": rng.normal(size=50) * 10, "y": rng.normal(size=50)})
    table = pl.concat([near, far])
    made = planned(table, Request(["y"], folds=1))
    rest, part = parts_of(table, made, [50])
    with pytest.raises(LearningError, match="too few digits"):
        (rest + part) - part


# Deciding


def test_a_rare_level_of_two_parts_is_kept_in_the_whole() -> None:
    table = pl.DataFrame(
        {"g": ["x", "x", "y", "z", "x", "x", "y", "z"], "y": np.arange(8.0), "id": np.arange(8)}
    )
    made = planned(table, Request(["y"], ["g"], id="id", folds=2))
    one, other = parts_of(table, made, [4])

    def levels(summary: Summary) -> list[str]:
        [column] = finalized(summary, made)[0].columns
        assert isinstance(column, Category)
        return list(column.known)

    assert levels(one) == ["x", OTHER]
    assert levels(one + other) == ["x", "y", "z"]
    assert levels((one + other) - other) == ["x", OTHER]
