"""Tables that programs hold: dataframes of any library, Arrow streams, dicts, lists, arrays.

Each becomes a source, with what turns a polars frame of predictions back into its own kind.
Nothing of the caller's is changed; frames are converted a batch at a time, not copied whole.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import (
    EmptyError,
    LearningError,
    ReadError,
)
from deltarule.tables.arrow_frame import from_arrow, pyarrow
from deltarule.tables.cast import text_of
from deltarule.tables.parts_source import (
    NAME,
    PartsSource,
    check_names,
    first_line,
    library_errors,
)
from deltarule.tables.polars_source import PROBLEMS, PolarsSource
from deltarule.tables.saved_file import path_of
from deltarule.tables.source import BATCH_ROWS, Source, TextHints

if TYPE_CHECKING:
    import narwhals as nw

Rows = NDArray[np.int64] | None
Back = Callable[[pl.DataFrame, Rows], Any]
"""Makes a polars frame the table's own kind: of all its rows, or of those of these numbers."""

LIBRARIES: Mapping[str, str] = {
    "dask": "deltarule.tables.dask_frame",
    "pyspark": "deltarule.tables.spark_frame",
}
"""Packages whose tables have sources of their own, and the modules that open them.

`open_frame(table)` of the module gives the source of a table, None for what is not one.
"""

# What pandas' categories may be of, besides the text and the yes or no that polars takes.
LABELS = ("integer", "floating", "mixed-integer", "mixed", "interval", "period")


# Values that polars takes as they are.
PLAIN = {str, int, float, bool, date, datetime, time, timedelta}
# Digits of polars' decimals.
DIGITS = 38


def open_table(table: Any) -> tuple[Source, Back]:
    """The source of a table, and what turns a polars frame into the table's own kind.

    A table is a path to a file, a database's URL, a dataframe or lazy frame of any library, an
    Arrow stream, a dict of columns or of one row, a list of dicts, a structured array, or already
    a source. What has no frame of its own to give (a path, a source) gets a polars frame, a stream
    or DuckDB relation a pyarrow Table.

    Errors:  TableError and its kinds; MissingExtraError for a package that it takes to read this
    """
    if isinstance(table, (str, Path)):
        return source(table), _as_it_is
    # First: a Spark frame of Connect has attributes of any name.
    module = LIBRARIES.get(type(table).__module__.partition(".")[0])
    opened = None if module is None else import_module(module).open_frame(table)
    if opened is not None:
        return opened, _as_it_is
    if all(hasattr(table, part) for part in ("look", "batches", "reads", "name")):
        return table, _as_it_is
    if isinstance(table, pl.LazyFrame):
        lazy = PolarsSource(table, name=NAME, rows=None, repeatable=False)
        return lazy, lambda frame, rows: frame.lazy()
    if isinstance(table, pl.DataFrame):
        return _held(table), _as_it_is
    if isinstance(table, Mapping):
        return _from_dict(table)
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return _from_rows(table), lambda frame, rows: frame.to_dicts()
    if isinstance(table, np.ndarray):
        return _from_array(table)
    return _from_library(table)


def _as_it_is(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    return frame


def source(
    address: str | Path,
    *,
    table: str | None = None,
    query: str | None = None,
    **how: str | int | bool | None,
) -> Source:
    """A file or database that needs more words than its address, for learn, predict and the others.

    `table` or `query` say what of a database; `how` says what need not be found out of a file:
    format, separator, quote, header, encoding, skip, sheet; of both, `dates` says the order of the
    parts of dates in text: ymd, mdy or dmy, or none where text is no date. True and False are yes
    and no, None says nothing.

    Errors:  TableError and its kinds; LearningError for settings that do not fit the address
    """
    # Only for tables with a name: they load what others have no use for.
    from deltarule.tables.databases.url import is_database
    from deltarule.tables.files.open import open_file

    address = address if isinstance(address, str) else path_of(address, ReadError)
    words = {name: _word(value) for name, value in how.items() if value is not None}
    if is_database(str(address)):
        from deltarule.tables.databases.database import open_database

        order = words.pop("dates", None)
        if words:
            raise LearningError(f"'{next(iter(words))}' is for files, and this is a database")
        return open_database(str(address), table=table, query=query, dates=order)
    if table is not None or query is not None:
        raise LearningError(f"{address} is no database: it has no table or query to name")
    return open_file(address, words)


def _word(value: str | int | bool) -> str:
    """A setting as the command line writes it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _held(frame: pl.DataFrame, dialect: str = "polars frame") -> PartsSource:
    def parts(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        # Not polars' own batches: it converts all rows before the first of them is taken, which
        # took 1.1 GB for a table of 1.1 GB; a batch at a time takes 0.01 GB.
        for start in range(0, max(frame.height, 1), BATCH_ROWS):
            yield frame.slice(start, BATCH_ROWS)

    return PartsSource(parts, dialect=dialect, rows=frame.height, in_memory=True)


# Dicts, lists and arrays


NO_COLUMNS = (
    "there are no columns, so no rows: give values by the names of columns, or [] for no rows"
)


def _from_dict(table: Mapping[str, Any]) -> tuple[Source, Back]:
    if not table:
        raise EmptyError(NO_COLUMNS)
    if not any(_is_column(values) for values in table.values()):
        return _from_rows([table]), lambda frame, rows: next(frame.iter_rows(named=True), None)
    return _built(table), lambda frame, rows: frame.to_dict(as_series=False)


def _from_rows(rows: Sequence[Mapping[str, Any]]) -> Source:
    names = dict.fromkeys(name for row in rows for name in row)
    if rows and not names:
        raise EmptyError(NO_COLUMNS)
    return _built({name: [row.get(name) for row in rows] for name in names})


def _from_array(table: Any) -> tuple[Source, Back]:
    names = table.dtype.names
    if names is None or table.ndim != 1:
        raise ReadError("an array has no names of columns: give a dict of columns instead")

    def back(frame: pl.DataFrame, rows: Rows) -> Any:
        arrays = [column.to_numpy() for column in frame]
        kinds = zip(frame.columns, (array.dtype for array in arrays), strict=True)
        made = np.empty(frame.height, dtype=list(kinds))
        for name, array in zip(frame.columns, arrays, strict=True):
            made[name] = array
        return made

    return _built({name: table[name] for name in names}), back


def _is_column(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, (str, bytes, Mapping))


def _built(columns: Mapping[str, Any]) -> Source:
    """The source of columns; a single value beside columns is repeated."""
    mixed: dict[str, str] = {}
    made = {
        name: _column(name, values, mixed) if _is_column(values) else values
        for name, values in columns.items()
    }
    lengths = {len(column) for column in made.values() if isinstance(column, pl.Series)}
    if len(lengths) > 1:
        told = ", ".join(f"'{name}' has {len(made[name])}" for name in list(made)[:4])
        raise ReadError(f"{NAME} has columns of unlike length: {told}")
    with library_errors():
        source = _held(pl.DataFrame(made))
    source.hints = TextHints(mixed=mixed)
    return source


def _column(name: Any, values: Any, mixed: dict[str, str]) -> pl.Series:
    """A column of a list, array or series; one of numbers and text is text, and noted in `mixed`.

    Errors:  ReadError where it is of no kind that all its values share
    """
    if not isinstance(name, str):
        raise ReadError(f"{NAME} has a column called {name!r}: give it a name that is text")
    plain = values
    try:
        plain = _alike(values)
        made = pl.Series(name, plain)
    except (TypeError, ValueError, OverflowError, AttributeError, *PROBLEMS) as error:
        unlike = _unlike(name, values, error)
        if not _mixes(plain):
            raise unlike from error
        mixed[name] = str(unlike)
        made = pl.Series(name, [_in_text(one) for one in plain], dtype=pl.String)
    if made.dtype == pl.Object:
        raise _unlike(name, values, None)
    return made


def _alike(values: Any) -> Any:
    """Numbers of several types as one: of too many digits as fractions, true and false as 1 and 0.

    True and false are numbers only beside these two, as in a column of flags.
    """
    if isinstance(values, list | tuple):
        kinds = {type(value) for value in values} - {type(None)}
        if not kinds <= PLAIN:
            values = [_plain(value) for value in values]
            kinds = {type(value) for value in values} - {type(None)}
        if Decimal in kinds and kinds <= {Decimal, int, float}:
            return values if kinds == {Decimal} and _fit(values) else _floats(values)
        if Decimal in kinds:  # beside text
            return [float(value) if isinstance(value, Decimal) else value for value in values]
        if {bool} < kinds <= {bool, int, float} and set(values) <= {0, 1, None}:
            return [None if value is None else float(value) for value in values]
        if kinds == {int, float} or (kinds == {int} and not _short(values)):
            return [float(value) if type(value) is int else value for value in values]
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "O":
            # As in pandas, a NaN among objects is a missing one.
            return _alike([None if _is_nan(value) else value for value in values.tolist()])
        if values.dtype.kind == "f" and values.itemsize > 8:
            return values.astype(np.float64)
    return values


def _plain(value: Any) -> Any:
    """A value of numpy or pandas as Python's own, and what is not there as None."""
    if isinstance(value, Decimal):
        return None if value.is_nan() else value
    if isinstance(value, np.datetime64 | np.timedelta64):
        if np.isnat(value):
            return None
        days = np.datetime_data(value.dtype)[0] in ("Y", "M", "W", "D")
        kind = "datetime64" if isinstance(value, np.datetime64) else "timedelta64"
        made = value.astype(f"{kind}[{'D' if days and kind == 'datetime64' else 'us'}]").item()
        return str(value) if isinstance(made, int) else made  # a year beyond Python's dates
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.integer | np.bool_ | np.str_):
        return value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _fit(decimals: Sequence[Decimal | None]) -> bool:
    """Whether a column of decimals has digits enough for all of these."""
    present = [value for value in decimals if value is not None]
    if not all(value.is_finite() for value in present):
        return False
    after = max(0, *(-int(value.as_tuple().exponent) for value in present))
    return after + max(0, *(value.adjusted() + 1 for value in present)) <= DIGITS


def _floats(numbers: Sequence[Decimal | float | None]) -> list[float | None]:
    return [None if number is None else float(number) for number in numbers]


def _mixes(values: Any) -> bool:
    """Whether these are numbers or true and false beside text, and nothing else."""
    present = [value for value in values if value is not None]
    texts = [value for value in present if isinstance(value, str)]
    numbers = [value for value in present if isinstance(value, Real)]
    flags = sum(type(value) is bool for value in present)
    alike = flags in (0, len(numbers))
    return alike and 0 < len(texts) < len(present) == len(texts) + len(numbers)


def _in_text(value: Any) -> str | None:
    """A number so that it reads back as it is, and text as it stands; NaN is missing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    return None if value != value else repr(float(value))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _short(values: Sequence[int | None]) -> bool:
    """Whether all fit 64 bits."""
    present = [value for value in values if value is not None]
    return min(present) >= -(2**63) and max(present) < 2**63


def _unlike(name: str, values: Any, error: BaseException | None) -> ReadError:
    """What is wrong with a column that polars cannot take."""
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    if len(kinds) > 1:
        told = f"mixes {' and '.join(kinds[:4])}: make it all numbers or all text"
    elif error is None or isinstance(error, TypeError):
        told = f"holds {''.join(kinds) or 'no'} values: make them numbers or text"
    else:
        told = f"cannot be read: {first_line(error)}"
    return ReadError(f"{NAME}, column {name!r} {told}")


# Dataframes of other libraries


def _from_library(table: Any) -> tuple[Source, Back]:
    import narwhals as nw  # only for frames of other libraries: it takes 30 ms to load

    if isinstance(table, nw.DataFrame | nw.LazyFrame):
        source, inner = open_table(table.to_native())
        return source, lambda frame, rows: nw.from_native(inner(frame, rows))
    if nw.dependencies.is_into_series(table):
        raise ReadError(
            f"a {type(table).__name__} is one column, no table: give a dataframe, or a dict of it"
        )
    if nw.dependencies.is_pandas_dataframe(table):
        return _from_pandas(table)
    if nw.dependencies.is_pyarrow_table(table):
        return from_arrow(
            lambda: table.to_reader(BATCH_ROWS), "Arrow table", table.num_rows, in_memory=True
        )
    if nw.dependencies.is_duckdb_relation(table):
        # Its name in later versions of DuckDB, and in earlier ones.
        reader = getattr(table, "to_arrow_reader", None) or table.fetch_arrow_reader
        return from_arrow(lambda: reader(BATCH_ROWS), "DuckDB relation", None)
    try:
        native = nw.from_native(table)
    except TypeError:
        native = None
    if isinstance(native, nw.DataFrame):
        return _from_eager(native)
    if hasattr(table, "__arrow_c_stream__"):
        # A lazy frame is computed again for each read; of anything else that is not known.
        pa = pyarrow()
        again = isinstance(native, nw.LazyFrame)
        kind = "lazy frame" if again else "Arrow stream"
        return from_arrow(
            lambda: pa.RecordBatchReader.from_stream(table), kind, None, once=not again
        )
    if isinstance(native, nw.LazyFrame):
        with library_errors():
            collected = native.collect("polars").to_native()
        return _held(collected), _as_it_is
    raise ReadError(
        f"{type(table).__name__} is no kind of table: "
        "give a path, a dataframe, a dict of columns or a list of dicts"
    )


def _from_eager(table: "nw.DataFrame[Any]") -> tuple[Source, Back]:
    """Any eager frame that narwhals knows."""
    import narwhals as nw

    check_names(table.columns)
    with library_errors():
        frame = table.to_polars()

    def back(result: pl.DataFrame, rows: Rows) -> Any:
        columns = {name: result[name].to_list() for name in result.columns}
        made = nw.from_dict(columns, backend=table.implementation)
        index = nw.maybe_get_index(table)
        if index is not None and rows is not None:
            index = index[rows]
        return (made if index is None else nw.maybe_set_index(made, index=[index])).to_native()

    return _held(frame), back


def _from_pandas(table: Any) -> tuple[Source, Back]:
    import pandas as pd

    names = [str(name) for name in table.columns]
    check_names(names)
    # Python's objects have no type until all are seen, and take far more memory than as a column.
    mixed: dict[str, str] = {}
    objects = {
        name: _pandas_column(name, table.iloc[:, at], mixed)
        for at, name in enumerate(names)
        if table.dtypes.iloc[at] == "object"
    }

    def parts(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        places = [at for at, name in enumerate(names) if wanted is None or name in wanted]
        for start in range(0, max(len(table), 1), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            yield pl.DataFrame(
                {
                    names[at]: objects[names[at]][rows]
                    if names[at] in objects
                    else _pandas_column(names[at], table.iloc[rows, at], mixed)
                    for at in places
                }
            )

    def back(frame: pl.DataFrame, rows: Rows) -> Any:
        columns = {name: frame[name].to_numpy() for name in frame.columns}
        return pd.DataFrame(columns, index=table.index if rows is None else table.index[rows])

    source = PartsSource(parts, dialect="pandas frame", rows=len(table), in_memory=True)
    source.hints = TextHints(mixed=mixed)
    named = [str(one) for one in table.index.names if one is not None and str(one) not in names]
    if named:
        source.notes.append(
            f"the index ({', '.join(named)}) is no column: reset_index() makes it one"
        )
    return source, back


def _pandas_column(name: str, values: Any, mixed: dict[str, str]) -> pl.Series:
    kind = values.dtype
    if kind == "object":
        gone = values.isna()
        present = [None if no else one for one, no in zip(values, gone, strict=True)]
        return _column(name, present, mixed)
    if isinstance(kind, np.dtype):
        if kind.kind == "c":
            raise ReadError(
                f"{NAME}, column {name!r} holds complex numbers: make them real numbers"
            )
        if kind.kind in "iuf" and (not kind.isnative or kind.itemsize > 8):
            values = values.astype(f"{kind.kind}{min(kind.itemsize, 8)}")
    elif str(kind).startswith("Sparse"):
        values = values.sparse.to_dense()
    elif str(kind).startswith("period"):
        return _periods(name, values)
    elif str(kind).startswith("interval") or _has_labels(kind):
        return _labels(name, values.astype("category").cat)
    with library_errors(f"{NAME}, column {name!r}"):
        made: Any = pl.from_pandas(values)  # its types say frame, it is a series
        return pl.Series(name, made)


def _periods(name: str, values: Any) -> pl.Series:
    """Months and calendar quarters in text, as 2021-03 and 2021Q1; others as their beginning."""
    if str(values.dtype) in ("period[M]", "period[Q-DEC]"):
        present = [None if no else str(one) for one, no in zip(values, values.isna(), strict=True)]
        return pl.Series(name, present, dtype=pl.String)
    kind = pl.Date() if str(values.dtype)[len("period[")] in "BDWMQAY" else pl.Datetime("us")
    return pl.Series(name, pl.from_pandas(values.dt.start_time)).cast(kind)


def _has_labels(kind: Any) -> bool:
    """Whether a column is a category of numbers, or of what polars has no kind for."""
    labels = getattr(kind, "categories", None)
    return labels is not None and labels.inferred_type in LABELS


def _labels(name: str, values: Any) -> pl.Series:
    """A category whose labels are numbers, dates or ranges: their names, null where missing."""
    kept = values.categories
    numbers = kept.inferred_type in ("integer", "floating")
    names = text_of(pl.Series(kept.to_list())) if numbers else pl.Series([*map(str, kept)])
    codes = pl.Series(values.codes.to_numpy()).cast(pl.Int64)
    text = names.cast(pl.String).gather(codes.set(codes < 0, None))
    return text.alias(name).cast(pl.Categorical)
