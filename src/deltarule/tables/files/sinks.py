"""Output: frames streamed into a file, no more than a few of them in memory."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from deltarule.errors import OutputError
from deltarule.tables.polars_source import PROBLEMS

Sink = Callable[[pl.LazyFrame, Path], object]


def _separated(separator: str) -> Sink:
    def sink(lazy: pl.LazyFrame, path: Path) -> None:
        nested = [name for name, kind in lazy.collect_schema().items() if kind.is_nested()]
        if nested:
            raise OutputError(
                f"column '{nested[0]}' holds lists, which text cannot: write .parquet or .ndjson"
            )
        lazy.sink_csv(path, separator=separator)

    return sink


SINKS: Mapping[str, Sink] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": lambda lazy, path: lazy.sink_parquet(path, row_group_size=131_072),
    ".ndjson": lambda lazy, path: lazy.sink_ndjson(path),
    ".jsonl": lambda lazy, path: lazy.sink_ndjson(path),
    ".arrow": lambda lazy, path: lazy.sink_ipc(path),
}
"""How a file is written, by how its name ends."""

# A disk with less room than this is full: what is written is larger.
ROOM = 1 << 20

TEXT = (".csv", ".tsv")
"""What keeps cells of text as they stand."""


def _check_room(path: Path) -> None:
    """Refuse a disk that is full, which polars has other words for: "Invalid thrift".

    Errors:  OSError
    """
    with path.open("ab") as file:
        file.write(bytes(ROOM))
        file.flush()
        os.fsync(file.fileno())


def write_frames(frames: Iterable[pl.DataFrame], path: Path, *, ending: str) -> None:
    """Write one frame or more, all of the same columns, as `ending` says.

    polars writes while it takes them: 5M x 21 numbers take 0.33 GB, of which pyarrow takes as much
    and three times the time.

    Errors:  OutputError for what the file cannot hold; OSError
    """
    coming = iter(frames)
    first = next(coming)

    def source(*pushed_down: Any) -> Iterator[pl.DataFrame]:
        return chain([first], coming)

    try:
        SINKS[ending](register_io_source(source, schema=first.schema), path)
    except PROBLEMS as error:
        _check_room(path)
        raise OSError(str(error).splitlines()[0]) from error
