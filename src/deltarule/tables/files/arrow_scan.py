"""Arrow files and streams, by polars; by pyarrow where a missing category has the key -1.

So pandas writes them, which polars refuses, though nothing is meant by the key of a missing value.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import MissingExtraError, ReadError
from deltarule.tables.column_names import column
from deltarule.tables.files.dictionaries import arrow_dictionaries

REFUSED = "dictionary key"
# The digits of a decimal number of 128 bits.
MOST_DIGITS = 38


def arrow_schema(path: Path) -> Mapping[str, pl.DataType]:
    """The columns of an Arrow file.

    Errors:  ReadError for decimal numbers of 256 bits, at which polars panics
    """
    schema = pl.scan_ipc(path, glob=False).collect_schema()
    for name, kind in schema.items():
        if isinstance(kind, pl.Decimal) and kind.precision > MOST_DIGITS:
            raise ReadError(
                f"{path.name}, column '{name}' holds decimal numbers of {kind.precision} digits, "
                f"of at most {MOST_DIGITS}: write it with fewer, or as floats"
            )
    return schema


def scan_arrow(
    paths: Sequence[Path], *, include_file_paths: str | None, **options: Any
) -> pl.LazyFrame:
    """A scan of Arrow files; one that pyarrow has to read takes memory for its columns in use.

    Errors:  MissingExtraError
    """
    if not any(map(_refused, paths)):
        return pl.scan_ipc(list(paths), include_file_paths=include_file_paths, **options)
    dataset = _pyarrow("dataset").dataset
    scans = [pl.scan_pyarrow_dataset(dataset([str(path)], format="ipc")) for path in paths]
    if include_file_paths is not None:
        named = zip(scans, paths, strict=True)
        scans = [scan.with_columns(pl.lit(str(p)).alias(include_file_paths)) for scan, p in named]
    return pl.concat(scans)


def read_arrow_stream(path: Path) -> pl.DataFrame:
    """The rows of an Arrow stream.

    Errors:  MissingExtraError; polars' own
    """
    try:
        return pl.read_ipc_stream(path)
    except pl.exceptions.ComputeError as error:
        if REFUSED not in str(error):
            raise
    with path.open("rb") as file:
        return pl.DataFrame(_pyarrow("ipc").open_stream(file).read_all())


def _refused(path: Path) -> bool:
    """Whether polars refuses the keys of a file's categories."""
    keyed = [column(name).null_count() for name in sorted(arrow_dictionaries(path))]
    try:
        pl.scan_ipc(path, glob=False).select(keyed).collect()
    except pl.exceptions.ComputeError as error:
        return REFUSED in str(error)
    return False


def _pyarrow(part: str) -> Any:
    try:
        return import_module(f"pyarrow.{part}")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "a category with missing values in an Arrow file of pandas needs pyarrow: "
            "pip install 'deltarule[pandas]'"
        ) from error
