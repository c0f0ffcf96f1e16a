"""Keep learning: models of more rows and of fewer, from the sums of their rows.

Summaries add and subtract, so the model of all rows is that of the sum: weights, ridge, standard
errors and held-out errors. What only rows can tell is dropped, and said.

A row's fold is that of its id or group, wherever it is read. Without either, the rows of a table
that is added are numbered on; and rows that are forgotten have lost their number, so that no rows
are held out then, and the ridge stays as it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.errors import LearningError
from deltarule.fit import Run
from deltarule.fit.kept_files import kept_in, load_kept
from deltarule.fit.kept_sample import KeptSample
from deltarule.fit.kept_summary import KeptSummary, NoRows, notes_on_sums
from deltarule.fit.outcome import none_held_out
from deltarule.fit.repeated_rows import told_before
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.model.model import load as model_alone
from deltarule.model.model_and_sums import sums_beside, sums_of
from deltarule.tables.filtered import where_of
from deltarule.tables.frames import open_table
from deltarule.tables.joining import Joining
from deltarule.tables.one_read import Keep, Read, read
from deltarule.tables.source import without_folder
from deltarule.tables.summary import Summary
from deltarule.tables.summary_file import is_summary

NONE_HELD_OUT = (
    "no rows are held out any more, as those forgotten had no id: the ridge stays as it was"
)


def learn_more(model: Model, kept: KeptSummary, table: Any, *, again: bool) -> Model:
    """The model that learning from its rows and those of this table together gives.

    Errors:  LearningError for a table that was learnt from before, unless `again`; ColumnError for
             a column of another kind
    """
    joining = Joining(kept.summary)
    settings = kept.kept.settings
    found = _joined(joining, table, settings, (kept.kept.where,))
    assert joining.part is not None, "the rows were read"
    part = joining.part.fingerprint
    if part in kept.summary.parts and not again:
        raise LearningError(
            f"{found.source.name} was learnt from before, so its rows would count twice: give "
            "--again (again=True) if they are others that happen to be the same"
        )
    summary = replace(_sums(found), parts=(*kept.summary.parts, part))
    name = f"{model.record.learnt_from} and {without_folder(found.source.name)}"
    before = told_before(model.record.notes)
    return _model(found, settings, replace(kept, summary=summary), name, before)


def joined(kept: KeptSummary, table: Any) -> KeptSummary:
    """The sums with those of this table's rows that meet the model's condition.

    Errors:  ColumnError for a column of another kind
    """
    joining = Joining(kept.summary)
    found = _joined(joining, table, kept.kept.settings, (kept.kept.where,))
    assert joining.part is not None, "the rows were read"
    parts = (*kept.summary.parts, joining.part.fingerprint)
    return replace(kept, summary=replace(_sums(found), parts=parts))


def forget(model: Model, kept: KeptSummary, table: Any, *, where: str | None) -> Model:
    """The model as if these rows had never been there; `where` is a condition on them.

    Errors:  LearningError for rows that were not all learnt from
    """
    joining = Joining(kept.summary, away=True)
    settings = kept.kept.settings
    if not kept.summary.layout.fold_by:
        # Which rows were held out together is not known any more, so no ridge can be chosen anew.
        settings = replace(settings, folds=None, ridge=model.record.learnt[0].ridge)
    found = _joined(joining, table, settings, (kept.kept.where, where))
    assert joining.part is not None, "the rows were read"
    gone = joining.part.fingerprint
    parts = tuple(part for part in kept.summary.parts if part != gone)
    rows = f"{joining.part.examples:,} row{'s' * (joining.part.examples != 1)}"
    name = f"{model.record.learnt_from} without {rows}"
    return _model(found, settings, replace(kept, summary=replace(_sums(found), parts=parts)), name)


def load(path: str | Path, summary: str | Path | None = None) -> Model:
    """A saved model with its sums; None for those beside it, as model.sums beside model.json.

    Errors:  ModelError and its kinds
    """
    model = model_alone(path)
    sums = sums_beside(Path(path)) if summary is None else Path(summary)
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


def _joined(
    joining: Joining, table: Any, settings: Settings, conditions: Sequence[str | None]
) -> Read:
    source, _ = open_table(table)
    for condition in conditions:
        words = joining.layout.missing_words
        source = where_of(source, condition, dict(joining.layout.formats), words=words)
    found = read(source, settings.request, keep=Keep(0), keep_summary=True, joining=joining)
    # What these few rows alone say of the target's values is not true of all.
    plan = replace(found.plan, whole_numbers={})
    return replace(found, source=NoRows(source.name), plan=plan)


def _sums(found: Read) -> Summary:
    assert found.summary is not None, "it was asked for"
    return found.summary


def _model(
    found: Read, settings: Settings, kept: KeptSummary, name: str, before: Sequence[str] = ()
) -> Model:
    made = Run.on(replace(found, summary=kept.summary), settings)
    record = made.model().record
    notes = list(record.notes)
    own = notes_on_sums(kept.summary, kept.kept.reference or ())
    if kept.summary.layout.folds == 1:
        gone = none_held_out(found)
        notes = [note for note in notes if note != gone]
        own.insert(1, NONE_HELD_OUT)
    notes += [*before, *own]
    told = {"notes": tuple(notes), "learnt_from": name, "where": kept.kept.where}
    changed = record.model_copy(update=told)
    return Model(changed, kept=replace(kept, name=name))
