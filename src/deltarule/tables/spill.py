"""Spill: frames for rows that cannot be read again in the same order; many go to temporary files.

A database promises no order of rows unless a query says ORDER BY, and its tables may change between
two reads; a lazy frame is computed anew. Folds and row numbers must be of the same rows each time.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from deltarule.errors import ReadError

# As many cells stay in memory: 32 MB of numbers.
CELLS_IN_MEMORY = 4_000_000


class Spill:
    """Frames in the order in which they came, to be gone over as often as needed.

    Its files go when it does.
    """

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._cells = 0
        self._paths: list[Path] = []
        self._folder: Path | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Keep a frame.

        Errors:  ReadError where there is no room for it
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
