"""Test table: held-out metrics from a separate table."""

from collections import Counter
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.fit.outcome import beside_rmse, none_held_out
from deltarule.fit.settings import Settings
from deltarule.model.evaluate import evaluate
from deltarule.model.learnt_rows import not_new
from deltarule.model.predictor import PredictedRows, Predictor
from deltarule.model.record import HeldOutRecord, Record
from deltarule.rule.predict import Array
from deltarule.tables.filtered import where_of
from deltarule.tables.frames import open_table
from deltarule.tables.one_read import Read
from deltarule.tables.schema_source import widening
from deltarule.tables.source import without_folder
from deltarule.tables.text_formats import format_of

# A note where so many more rows of a test table are known than rows learnt from are alike, by rows
# up to so many.
KNOWN, MOST_ROWS = 0.05, 50_000


def check_other(table: Any, hold_out: Any, names: tuple[str, str]) -> None:
    """Refuse a test table that is the training table.

    Errors:  LearningError
    """
    one, other = map(Path, names)
    if table is hold_out or (one.exists() and other.exists() and one.samefile(other)):
        raise _learnt_from(str(other))


def _learnt_from(name: str) -> LearningError:
    return LearningError(
        f"hold_out is {name}, which is what is learnt from: give rows that were set aside, or "
        "leave it out to have some held out"
    )


def evaluated_on(record: Record, read: Read, settings: Settings) -> Record:
    """The record with held-out metrics from a test table; nothing is learnt from it.

    The null model is the training mean. Prediction intervals stay those of cross-validation, which
    has more rows.
    Errors:  as for comparing a model with a table; LearningError for the training rows themselves
    """
    kinds = read.source.look().schema
    typed = {name: form for name, kind in kinds.items() if (form := format_of(kind)) is not None}
    learnt = {**typed, **record.contract.text_formats}
    words = record.contract.missing_words
    source = where_of(open_table(settings.hold_out)[0], settings.where, learnt, words=words)
    scorer = Predictor(record)
    met = _RowsMet()
    evaluation = widening(source, lambda: evaluate(scorer, source, watch=met.begin()))
    if evaluation.learnt == "these":
        raise _learnt_from(source.name)
    held_out = tuple(
        HeldOutRecord(
            folds=1,
            rmse=one.rmse,
            r2=1 - (one.rmse / one.baseline_rmse) ** 2 if one.baseline_rmse > 0 else None,
            baseline_rmse=one.baseline_rmse,
            rows=evaluation.rows,
            **beside_rmse(one),
        )
        for one in evaluation.outputs
    )
    assert record.held_out_by is not None, "a record that was just made says so"
    name = without_folder(source.name)
    by = record.held_out_by.model_copy(update={"table": name})
    notes = [note for note in record.notes if note != none_held_out(read)]
    same_name = not_new(record, evaluation.learnt, source.name)
    notes += [f"{name}: {note}" for note in evaluation.notes if note not in same_name]
    notes += [f"{name}: {note}" for note in _learnt_too(scorer, read, met)]
    update = {"held_out": held_out, "held_out_by": by, "notes": tuple(notes)}
    return record.model_copy(update=update)


@dataclass
class _RowsMet:
    """Rows of a table by their scores and targets, which do not depend on other rows."""

    rows: list[NDArray[np.float32]] = field(default_factory=list)

    def begin(self) -> Callable[[pl.DataFrame, PredictedRows], None]:
        """What is called with each batch; from the start again where the table is read again."""
        self.rows.clear()

        def watch(batch: pl.DataFrame, scored: PredictedRows) -> None:
            if sum(map(len, self.rows)) < MOST_ROWS:
                self.add(scored.scores, scored.targets)

        return watch

    def add(self, scores: Array, targets: Array) -> None:
        """Add rows, to single precision: sums in another order may differ in the last digits."""
        self.rows.append(np.column_stack([scores, targets]).astype(np.float32))

    def counts(self) -> Counter[bytes]:
        """How often each row is there."""
        return Counter(row.tobytes() for part in self.rows for row in part)


def _learnt_too(predictor: Predictor, read: Read, met: _RowsMet) -> list[str]:
    """A note on rows of the test table that were learnt from, beyond those that are alike anyway.

    New rows of the same kind equal rows learnt from as often as those equal each other. Judged by
    the sample of the one read.
    """
    if not read.drawn or read.centre is not None:
        return []
    drawn = _RowsMet()
    for some in read.some_rows():
        scores = predictor.scores(some.inputs, some.offsets)
        drawn.add(scores, some.targets)
    learnt, tested = drawn.counts(), met.counts()
    alike = sum(count for count in learnt.values() if count > 1) / learnt.total()
    known = sum(count for row, count in tested.items() if row in learnt) / tested.total()
    if known - alike < KNOWN:
        return []
    part = min(1.0, learnt.total() / read.examples)
    return [
        f"about {min(1.0, known / part):.0%} of its rows are rows that were learnt from, which the "
        "error on held-out rows knows: set aside rows that are not"
    ]
