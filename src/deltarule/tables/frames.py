"""Dataframes of any library, dicts and lists of dicts: in as polars, out as what they were."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from deltarule.errors import MissingExtraError, ReadError
from deltarule.tables.polars import PolarsSource, open_file
from deltarule.tables.source import Source

Back = Callable[[pl.DataFrame], Any]


def open_table(table: Any) -> tuple[Source, Back]:
    """The source of a table, and what turns a polars frame into the table's own kind.

    A table is a path to a file, a dataframe, a dict of columns or of one row, or a list of dicts.
    """
    if isinstance(table, (str, Path)):
        return open_file(Path(table)), lambda frame: frame
    if isinstance(table, pl.LazyFrame):
        return PolarsSource(table, name="the table", rows=None), lambda frame: frame.lazy()
    frame, back = _to_polars(table)
    return PolarsSource(frame.lazy(), name="the table", rows=frame.height), back


def _to_polars(table: Any) -> tuple[pl.DataFrame, Back]:
    if isinstance(table, pl.DataFrame):
        return table, lambda frame: frame
    if isinstance(table, Mapping):
        return _from_dict(table)
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return _built(list(table)), lambda frame: frame.to_dicts()
    try:
        native = nw.from_native(table, eager_only=True)
    except nw.exceptions.NarwhalsError as error:
        raise ReadError(f"the table cannot be read: {' '.join(str(error).split())}") from error
    except TypeError:
        kind = type(table).__name__
        raise ReadError(
            f"a {kind} is no table: give a path, a dataframe, a dict of columns or a list of dicts"
        ) from None
    try:
        frame = native.to_polars()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"reading this dataframe needs {error.name}: pip install 'deltarule[pandas]'"
        ) from error
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise ReadError(f"the table cannot be read: {str(error).splitlines()[0]}") from error

    def back(result: pl.DataFrame) -> Any:
        columns = {name: result[name].to_list() for name in result.columns}
        made = nw.from_dict(columns, backend=native.implementation)
        index = nw.maybe_get_index(native)
        if index is not None:
            made = nw.maybe_set_index(made, index=[index])
        return made.to_native()

    return frame, back


def _from_dict(table: Mapping[str, Any]) -> tuple[pl.DataFrame, Back]:
    lists = [_is_column(values) for values in table.values()]
    if lists and not any(lists):
        return _built([dict(table)]), lambda frame: frame.row(0, named=True)
    return _built(dict(table)), lambda frame: frame.to_dict(as_series=False)


def _alike(values: Any) -> Any:
    """Whole numbers among fractions as fractions; anything else as it is."""
    if isinstance(values, list | tuple) and {type(value) for value in values} >= {int, float}:
        return [float(value) if type(value) is int else value for value in values]
    return values


def _is_column(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, (str, bytes))


def _built(data: Any) -> pl.DataFrame:
    if isinstance(data, list):
        names = dict.fromkeys(name for row in data for name in row)
        data = {name: [row.get(name) for row in data] for name in names}
    try:
        return pl.DataFrame({name: _alike(values) for name, values in data.items()})
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise ReadError(f"the table cannot be read: {str(error).splitlines()[0]}") from error
