"""Kept files: the sums or the rows that were kept with a model, whichever a file has."""

from pathlib import Path

from deltarule.fit.kept_sample import KeptSample
from deltarule.fit.kept_summary import KeptSummary
from deltarule.tables.kept_rows_file import is_kept_rows
from deltarule.tables.saved_file import saved_bytes
from deltarule.tables.summary_file import LARGEST_FILE


def kept_in(raw: bytes, path: str | Path) -> KeptSample | KeptSummary:
    """What the bytes of a file have.

    Errors:  ModelError and its kinds
    """
    if is_kept_rows(raw):
        return KeptSample.of_bytes(raw, path)
    return KeptSummary.of_bytes(raw, path)


def load_kept(path: str | Path) -> KeptSample | KeptSummary:
    """What a file has.

    Errors:  ModelError and its kinds
    """
    return kept_in(saved_bytes(Path(path), what="summary", largest=LARGEST_FILE), path)
