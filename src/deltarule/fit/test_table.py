"""Test table: held-out metrics from a separate table."""

from pathlib import Path
from typing import Any

from deltarule.errors import LearningError
from deltarule.fit.outcome import none_held_out
from deltarule.fit.settings import Settings
from deltarule.model.evaluate import evaluate
from deltarule.model.predictor import Predictor, widening
from deltarule.model.record import HeldOutRecord, Record
from deltarule.tables.filtered import where_of
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import Read
from deltarule.tables.source import without_folder


def check_other(table: Any, hold_out: Any, names: tuple[str, str]) -> None:
    """Refuse a test table that is the training table.

    Errors:  LearningError
    """
    one, other = map(Path, names)
    if table is hold_out or (one.exists() and other.exists() and one.samefile(other)):
        raise LearningError(
            f"hold_out is {other}, which is what is learnt from: give rows that were set aside, or "
            "leave it out to have some held out"
        )


def evaluated_on(record: Record, read: Read, settings: Settings) -> Record:
    """The record with held-out metrics from a test table; nothing is learnt from it.

    The null model is the training mean. Prediction intervals stay those of cross-validation, which
    has more rows.
    Errors:  as for comparing a model with a table
    """
    source = where_of(open_table(settings.hold_out)[0], settings.where)
    scorer = Predictor(record)
    found = widening(source, lambda: evaluate(scorer, source))
    held_out = tuple(
        HeldOutRecord(
            folds=1,
            rmse=one.rmse,
            r2=1 - (one.rmse / one.baseline_rmse) ** 2 if one.baseline_rmse > 0 else None,
            baseline_rmse=one.baseline_rmse,
            rows=found.rows,
            loss=one.loss,
            baseline_loss=one.baseline_loss,
            absolute_error=one.absolute_error,
            baseline_absolute_error=one.baseline_absolute_error,
            guess=one.guess,
            below=one.below,
            classes=one.classes,
        )
        for one in found.outputs
    )
    assert record.held_out_by is not None, "a record that was just made says so"
    name = without_folder(source.name)
    by = record.held_out_by.model_copy(update={"table": name})
    notes = [note for note in record.notes if note != none_held_out(read)]
    notes += [f"{name}: {note}" for note in found.notes]
    told = {"held_out": held_out, "held_out_by": by, "notes": tuple(notes)}
    return record.model_copy(update=told)
