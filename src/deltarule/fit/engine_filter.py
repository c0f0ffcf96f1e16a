"""Filter by a condition on any engine: this machine, the workers of a cluster, a database."""

from typing import Protocol, runtime_checkable

from deltarule.engines.base import Engine
from deltarule.tables.engine_read import PreparedEngine
from deltarule.tables.expressions.expression import Expression
from deltarule.tables.filtered import (
    CountMet,
    FilteredSource,
    condition_of,
    where_of,
)
from deltarule.tables.source import Source


@runtime_checkable
class FiltersRows(Protocol):
    """An engine that can be one of some rows only."""

    def filtered(self, condition: Expression, words: tuple[str, ...]) -> tuple[Engine, Source]:
        """The engine of the rows that meet a condition, and their source; `words` are missing."""
        ...


def filtered(
    engine: Engine | None, source: Source, where: str | None, words: tuple[str, ...]
) -> tuple[Engine | None, Source]:
    """The engine and the source of the rows that meet a condition, where one is given.

    `words` stand for missing.
    Errors:  ExpressionError; LearningError for text that is not a condition
    """
    if where is None or engine is None:
        return engine, where_of(source, where, words=words)
    condition = condition_of(where)
    if isinstance(engine, FiltersRows):
        return engine.filtered(condition, words)
    rows = FilteredSource(source, condition, words=words)
    rows.look()  # it fixes how text is parsed
    rows.counted = engine.ask(CountMet(rows.filter))
    return PreparedEngine(engine, rows.filter), rows
