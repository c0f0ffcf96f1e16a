"""The engines there are, by the names that users give them, and which one a table gets.

An engine other than this machine's threads is a module with one function:

    open_engine(table, address) -> (engine, first)

`table` is what the user gave (a path, a frame, a source), `address` what was asked for, such as
dask://host:port; `first` opens as a table of the first rows, from which the columns' kinds are
found out. It refuses a table that it cannot take, and an extra that is not installed.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from deltarule.dataclass import dataclass
from deltarule.engines.base import Engine
from deltarule.errors import LearningError

LOCAL = "local"


@dataclass(frozen=True)
class EngineKind:
    """An engine: where it is, how it is named, and the tables that get it without being asked."""

    module: str
    """Where `open_engine` is."""
    scheme: str = ""
    """What an address of it begins with, such as dask://."""
    packages: tuple[str, ...] = ()
    """The packages whose frames are learnt from where they are."""


ENGINES: Mapping[str, EngineKind] = {
    "database": EngineKind("deltarule.engines.sql"),
    "dask": EngineKind("deltarule.engines.dask", scheme="dask://", packages=("dask",)),
    "spark": EngineKind("deltarule.engines.spark", scheme="sc://", packages=("pyspark",)),
}


def check_engine_name(name: str) -> None:
    """Refuse an engine that there is not.

    Errors:  LearningError
    """
    if name != LOCAL and _kind(name) is None:
        listed = [LOCAL]
        for known, kind in ENGINES.items():
            listed += [known, *([f"{kind.scheme}HOST:PORT"] if kind.scheme else [])]
        raise LearningError(f"there is no engine {name!r}: choose {', '.join(listed)}")


def engine_for(name: str | None, table: Any) -> tuple[Engine | None, Any]:
    """The engine that learns from a table, None for this machine, and the table to look at.

    Without a name it is that of the frame's own package, else this machine.
    Errors:  LearningError for one that there is not, or that cannot take this table;
             MissingExtraError
    """
    if name == LOCAL:
        return None, table
    if name is not None:
        check_engine_name(name)
        kind = _kind(name)
    else:
        own = type(table).__module__.partition(".")[0]
        kind = next((one for one in ENGINES.values() if own in one.packages), None)
    if kind is None:
        return None, table
    opened: tuple[Engine, Any] = import_module(kind.module).open_engine(table, name or "")
    return opened


def _kind(name: str) -> EngineKind | None:
    if name in ENGINES:
        return ENGINES[name]
    schemes = [one for one in ENGINES.values() if one.scheme and name.startswith(one.scheme)]
    return schemes[0] if schemes else None
