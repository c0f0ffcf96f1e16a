"""Database engine: questions about rows become queries, and the rows stay where they are.

layers.py   queries in named steps
rows.py     the rows of a plan: terms, why rows are left out, folds
sums.py     the one read: shifted sums by fold, by level and by pairs of levels
design.py   a schema's inputs and targets;  scored.py  scores of weights;  losses.py  formulas
passes.py   comparisons of predictions with targets
engine.py   which question becomes which queries, in one snapshot
"""

from typing import Any

from deltarule.engines.base import Engine
from deltarule.engines.sql.engine import SqlEngine
from deltarule.errors import LearningError
from deltarule.tables.databases.database import DatabaseSource
from deltarule.tables.frames import open_table

__all__ = ["open_engine"]


def open_engine(table: Any, address: str) -> tuple[Engine, Any]:
    """The engine of the database that a table is in, and the table.

    Errors:  LearningError for a table that is in none
    """
    source, _ = open_table(table)
    if not isinstance(source, DatabaseSource):
        raise LearningError(
            f"{source.name} is in no database: leave the engine out, or give a database's address"
        )
    return SqlEngine(source), source
