"""Which engine a table on a server gets where nobody says: the quicker one, with a note."""

from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.fit import engine_choice
from deltarule.tables import engine_read, sample
from deltarule.tables.databases.database import DatabaseSource, open_database, write_table
from deltarule.tables.make_plan import plan
from tests.engines.cases import check_near

ROWS = 25_000
ASKED: dict[str, Any] = {"predict": "y", "using": ["x", "z"], "id": "id", "ridge": 0}


@pytest.fixture
def slow(
    postgres: str, psql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseSource]:
    """A table whose rows come slowly; z is nearly x."""
    rng = np.random.default_rng(14)
    x = rng.normal(size=ROWS)
    z = x + 1e-9 * rng.normal(size=ROWS)
    table = pl.DataFrame({"id": np.arange(ROWS), "x": x, "z": z, "y": x + rng.normal(size=ROWS)})
    write_table(postgres, "t", [table.with_columns(gap=pl.col("id").replace(7, None))])
    psql("ANALYZE t")
    source = open_database(postgres, table="t")
    frames = source.reader.frames

    def slowly(*asked: Any) -> Iterator[pl.DataFrame]:
        first, *rest = frames(*asked)
        yield first
        sleep(1)
        yield from rest

    source.reader.frames = slowly  # type: ignore[method-assign]  # a slow line
    monkeypatch.setattr(engine_choice, "FEWEST_ROWS", 10_000)
    yield source
    source.release()


def here(source: DatabaseSource, **asked: Any) -> dr.Model:
    return dr.learn(source, **{**ASKED, "engine": "local", **asked})


def test_rows_that_come_slowly_are_added_up_in_the_database(slow: DatabaseSource) -> None:
    made = dr.learn(slow, **{**ASKED, "using": "x"})
    assert any(note.startswith("the database adds the rows up") for note in made.record.notes)
    check_near(here(slow, using="x").record, made.record)


def test_rows_are_read_all_the_same_where_sums_lose_digits(slow: DatabaseSource) -> None:
    made = dr.learn(slow, **ASKED)
    assert any(note.startswith("the database adds the rows up") for note in made.record.notes)
    check_near(here(slow).record, made.record, 1e-6)  # z less x has seven digits


def test_rows_are_read_where_the_database_cannot_answer(slow: DatabaseSource) -> None:
    made = dr.learn(slow, **{**ASKED, "using": "x", "id": "gap"})
    assert any("the rows were read here" in note and "gap" in note for note in made.record.notes)
    check_near(here(slow, using="x", id="gap").record, made.record)


def test_rows_are_read_where_that_is_quicker_and_where_each_step_is_a_scan(
    slow: DatabaseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = dr.learn(slow, predict="abs(y)", using="x", id="id", loss="gamma", ridge=0)
    assert any("each step of this loss" in note for note in counts.record.notes)
    monkeypatch.setattr(engine_choice, "SCAN", 1e6)
    made = dr.learn(slow, **{**ASKED, "using": "x"})
    assert any("the rows are read here, in some" in note for note in made.record.notes)


def test_without_an_id_both_would_hold_out_other_rows_so_nothing_is_chosen(
    slow: DatabaseSource,
) -> None:
    made = dr.learn(slow, predict="y", using="x", ridge=0)
    assert not [note for note in made.record.notes if "engine" in note]


def test_more_columns_cost_the_database_more(slow: DatabaseSource) -> None:
    asked = dr.Settings(predict="y", using=["x"], id="id").request
    more = dr.Settings(predict="y", using=["x", "z"], id="id").request
    costs = [
        engine_choice.row_microseconds(plan(slow.look(), one, name="t")) for one in (asked, more)
    ]
    assert 1 < costs[0] < costs[1] < 3


@pytest.mark.parametrize("asked", [{"id": "id"}, {}])
def test_postgresql_draws_rows_evenly_by_its_own_hash(
    slow: DatabaseSource, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "JUDGED_ROWS", 2_000)
    drawn: list[pl.DataFrame] = []
    answered = engine_read.Answered

    def seen(plan: Any, summary: Any, rows: pl.DataFrame, engine: Any) -> Any:
        drawn.append(rows)
        return answered(plan, summary, rows, engine)

    monkeypatch.setattr(engine_read, "Answered", seen)
    dr.learn(slow, predict="y", using="x", ridge=0, engine="database", **asked)
    [rows] = drawn
    assert 2_600 < rows.height < 3_400
    numbers = rows[rows.columns[-1]].to_numpy()
    assert (np.diff(numbers) > 0).all()
    # Tenths of the table within five standard deviations of their share.
    counts = np.histogram(numbers, bins=10, range=(0, ROWS))[0]
    share = rows.height / 10
    assert np.abs(counts - share).max() < 5 * np.sqrt(share)
