"""Keep learning: the sums or the rows that were kept with models, from files, and merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.errors import LearningError, ModelError
from deltarule.fit.kept_sample import KeptSample, merge_samples
from deltarule.fit.kept_summary import KeptSummary, merge_sums
from deltarule.fit.repeated_rows import told_before
from deltarule.model.model import Model
from deltarule.model.model import load as model_alone
from deltarule.model.model_and_sums import sums_beside, sums_of
from deltarule.tables.kept_rows_file import is_kept_rows
from deltarule.tables.saved_file import path_of, saved_bytes
from deltarule.tables.summary_file import LARGEST_FILE, is_summary


def merge(*parts: Any) -> Model:
    """The model of the rows of several tables together, from the sums that were kept of them.

    Of samples of rows (`keep_sample`) it is an estimate, unless all rows were kept.
    Each is a summary file, or a model learnt with `keep_summary`; all with the same settings. With
    an id, a row is held out with the same part wherever it is read, so that the error on held-out
    rows is that of learning from all rows too; without one, each table's parts are put together.

    Errors:  ModelError for a file that cannot be used; LearningError where settings or columns are
             not the same
    """
    if not parts:
        raise LearningError("name the summaries to merge")
    every = [_kept(part) for part in parts]
    sums = [part for part in every if isinstance(part, KeptSummary)]
    samples = [part for part in every if isinstance(part, KeptSample)]
    if sums and samples:
        raise LearningError("sums and samples of rows are given: merge sums, or samples")
    return merge_samples(samples) if samples else merge_sums(sums)


def _kept(part: Any) -> KeptSummary | KeptSample:
    if isinstance(part, KeptSummary | KeptSample):
        return part
    return kept_with(part) if isinstance(part, Model) else load_kept(part)


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
    path = path_of(path, ModelError)
    return kept_in(saved_bytes(path, what="summary", largest=LARGEST_FILE), path)


def load(path: str | Path, summary: str | Path | None = None) -> Model:
    """A saved model with its sums; None for those beside it, as model.sums beside model.json.

    Errors:  ModelError and its kinds
    """
    model = model_alone(path)
    sums = sums_beside(Path(path)) if summary is None else path_of(summary, ModelError)
    model.kept = kept_in(sums_of(model.record, sums), sums)
    return model


def kept_of(path: Path) -> KeptSummary | KeptSample:
    """The sums or rows in a file of them, or beside a model file.

    Errors:  ModelError and its kinds
    """
    if is_summary(path):
        return load_kept(path)
    return kept_with(load(path))


def kept_with(model: Model) -> KeptSummary | KeptSample:
    """The sums or rows of a model, with what it knows of copies among them.

    Errors:  LearningError for a model without them
    """
    kept = model.kept
    if not isinstance(kept, KeptSummary | KeptSample):
        raise LearningError("a model has no sums to merge: learn it with keep_summary=True")
    if isinstance(kept, KeptSummary):
        return replace(kept, copies_told=tuple(told_before(model.record.notes)))
    return kept
