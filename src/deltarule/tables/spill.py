"""Spill: a buffer of rows for repeated passes, on disk when large.

A database guarantees no order of rows without ORDER BY, and its tables may change between two
reads; a lazy frame is recomputed. Folds and row numbers must be of the same rows each time.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from deltarule.errors import ReadError

# Cells kept in memory before spilling: 32 MB of numbers.
CELLS_IN_MEMORY = 4_000_000


class Spill:
    """Frames in order of arrival, iterated as often as needed.

    Its temporary files are deleted with it.
    """

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._cells = 0
        self._paths: list[Path] = []
        self._folder: Path | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Append a frame.

        Errors:  ReadError where the disk is full
        """
        self._frames.append(frame)
        self._cells += frame.height * frame.width
        if self._cells > CELLS_IN_MEMORY:
            for one in self._frames:
                self._write(one)
            self._frames = []

    def _write(self, frame: pl.DataFrame) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="deltarule-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{len(self._paths)}.arrow"
        try:
            frame.write_ipc(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ReadError(
                f"rows cannot be kept in {path.parent}: {error}; set TMPDIR to a larger disk"
            ) from error
        self._paths.append(path)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return chain(map(pl.read_ipc, self._paths), self._frames)
