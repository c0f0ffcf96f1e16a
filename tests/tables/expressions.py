"""What tests of expressions share: rows drawn, and an expression computed on them."""

from typing import Any

import polars as pl
from hypothesis import settings

from deltarule.tables.expressions.expression import parse

DRAWN = settings(max_examples=25, deadline=None, derandomize=True)


def computed(text: str, frame: pl.DataFrame, engine: Any = "streaming") -> list[Any]:
    expr = parse(text).polars(frame.schema)
    return frame.lazy().select(expr).collect(engine=engine).to_series().to_list()


def one(text: str, **columns: Any) -> Any:
    """The value of an expression on a single row."""
    (found,) = computed(text, pl.DataFrame({name: [value] for name, value in columns.items()}))
    return found
