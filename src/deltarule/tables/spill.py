"""Spill: frames kept in temporary files, for rows that cannot be read again in the same order."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from deltarule.errors import ReadError


class Spill:
    """Frames in the order in which they came, to be gone over as often as needed.

    Its files go when it does.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="deltarule-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._paths: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Keep a frame.

        Errors:  ReadError where there is no room for it
        """
        path = self._folder / f"{len(self._paths)}.arrow"
        try:
            frame.write_ipc(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ReadError(
                f"rows cannot be kept in {path.parent}: {error}; set TMPDIR to a larger disk"
            ) from error
        self._paths.append(path)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for path in self._paths:
            yield pl.read_ipc(path)
