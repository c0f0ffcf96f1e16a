"""Which engine a table gets: the one named, that of its frame, or this machine."""

import sys
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.engines import registry
from deltarule.engines.registry import EngineKind, engine_for
from deltarule.errors import LearningError

TABLE = pl.DataFrame({"x": [1.0, 2.0, 3.0, 5.0], "y": [2.0, 4.1, 5.9, 10.2]})


class Frame:
    """A frame of a package that has an engine of its own."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What an engine called 'other' was opened with."""
    found: list[Any] = []
    module = ModuleType("other_engine")

    def open_engine(table: Any, address: str) -> tuple[Any, Any]:
        found.append((table, address))
        return "the engine", TABLE

    module.open_engine = open_engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "other_engine", module)
    kind = EngineKind("other_engine", scheme="other://", packages=(Frame.__module__.split(".")[0],))
    monkeypatch.setattr(registry, "ENGINES", {"other": kind})
    return found


def test_an_engine_is_opened_by_its_name_or_address_or_for_its_own_frames(
    opened: list[Any],
) -> None:
    frame = Frame()
    for name, table in (("other", TABLE), ("other://host:1", TABLE), (None, frame)):
        engine, first = engine_for(name, table)
        assert engine == "the engine"
        assert first is TABLE
    assert [address for _, address in opened] == ["other", "other://host:1", ""]
    assert [table for table, _ in opened] == [TABLE, TABLE, frame]


def test_this_machine_is_asked_by_name_or_where_no_other_is(opened: list[Any]) -> None:
    assert engine_for("local", Frame())[0] is None
    assert engine_for(None, TABLE) == (None, TABLE)
    assert not opened


def test_an_engine_that_there_is_not_is_refused_before_the_table_is_opened(
    opened: list[Any],
) -> None:
    with pytest.raises(LearningError, match="no engine 'rocket': choose local, other, other://HO"):
        dr.learn("nowhere.csv", predict="y", engine="rocket")
    assert not opened


def test_naming_this_machine_changes_nothing() -> None:
    here, named = (dr.learn(TABLE, predict="y", engine=name) for name in (None, "local"))
    assert here.record.weights == named.record.weights
