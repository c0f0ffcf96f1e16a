"""Keep learning: models of more rows, of fewer, and of several tables' together, from sums alone.

Under squared loss the summary of the one read says all that rows can say. Summaries add and
subtract, so the model of all rows is that of the sum: weights, ridge, standard errors and held-out
errors. What only rows can tell (prediction intervals, mean absolute errors, a second read for
nearly dependent columns, robust standard errors) is dropped, and said.

A row's fold is that of its id or group, wherever it is read. Without either, the rows of a table
that is added are numbered on; of two models the folds are added fold by fold; and rows that are
forgotten have lost their number, so that no rows are held out then, and the ridge stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import polars as pl
from pydantic_core import to_jsonable_python

from deltarule.errors import DeltaruleError, LearningError, NotAModelError
from deltarule.fit import Run
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.model.model import load as model_alone
from deltarule.model.model_and_sums import load_sums, sums_beside
from deltarule.tables.filtered import where_of
from deltarule.tables.frames import open_table
from deltarule.tables.joining import Joining, refuse_periods
from deltarule.tables.one_read import Keep, Read, of_summary, read
from deltarule.tables.plan import Plan
from deltarule.tables.polars_source import PolarsSource
from deltarule.tables.request import Request
from deltarule.tables.summary import Summary

# Settings that are of one run, not of the model.
OF_A_RUN = ("progress", "hold_out", "trace_rows", "keep_summary")


def with_sums(model: Model, found: Read, settings: Settings) -> Model:
    """The model with the sums it was made of, to learn more, forget and merge.

    Errors:  LearningError where sums would not say all that the model needs
    """
    if any(one.learner != "exact" for one in model.record.learnt):
        raise LearningError(
            "sums say all that rows can say under squared loss solved exactly, and this model was "
            "learnt in steps: learn anew from all rows instead"
        )
    refuse_periods(found.summary.layout)
    if settings.hold_out is not None:
        raise LearningError("sums know nothing of rows set aside: leave out hold_out")
    if settings.kind_of_errors != "classical":
        raise LearningError("robust standard errors need the rows: leave out errors and cluster")
    kept = {
        name: value
        for name, value in to_jsonable_python(
            {one.name: getattr(settings, one.name) for one in fields(settings)}
            | dict.fromkeys(OF_A_RUN)
        ).items()
        if name not in OF_A_RUN
    }
    parts = (found.summary.fingerprint,)
    return _with(model, replace(found.summary, settings=kept, parts=parts))


def learn_more(model: Model, table: Any, *, again: bool = False) -> Model:
    """The model that learning from its rows and those of this table together gives.

    Errors:  LearningError for a table that was learnt from before, unless `again`; ColumnError for
             a column of another kind
    """
    sums = _sums_of(model)
    joining = Joining(sums)
    found, settings = _joined(joining, table, _settings_of(sums))
    assert joining.part is not None, "the rows were read"
    part = joining.part.fingerprint
    if part in sums.parts and not again:
        raise LearningError(
            f"{found.source.name} was learnt from before, so its rows would count twice: give "
            "--again (again=True) if they are others that happen to be the same"
        )
    summary = replace(found.summary, settings=sums.settings, parts=(*sums.parts, part))
    name = f"{model.record.learnt_from} and {found.source.name}"
    return _model(found, settings, summary, name)


def forget(model: Model, table: Any, *, where: str | None = None) -> Model:
    """The model as if these rows had never been there; `where` is a condition on them.

    Errors:  LearningError for rows that were not all learnt from
    """
    sums = _sums_of(model)
    joining = Joining(sums, away=True)
    settings = _settings_of(sums)
    if not sums.layout.fold_by:
        # Which rows were held out together is not known any more, so no ridge can be chosen anew.
        settings = replace(settings, folds=None, ridge=model.record.learnt[0].ridge)
    found, settings = _joined(joining, table, settings, where=where)
    assert joining.part is not None, "the rows were read"
    summary = replace(
        found.summary,
        settings=sums.settings,
        parts=tuple(one for one in sums.parts if one != joining.part.fingerprint),
    )
    rows = f"{joining.part.examples:,} row{'s' * (joining.part.examples != 1)}"
    return _model(found, settings, summary, f"{model.record.learnt_from} without {rows}")


def merge(first: Model, *others: Model) -> Model:
    """The model of the rows of all these models' tables together.

    Errors:  LearningError for models with other settings, named, or of the same table
    """
    models = [first, *others]
    if not others:
        raise LearningError("one model alone is nothing to merge: give two or more")
    sums = [_sums_of(model) for model in models]
    for one in sums[1:]:
        differ = [
            name for name, value in sums[0].settings.items() if one.settings.get(name) != value
        ]
        if differ:
            raise LearningError(
                f"the models were learnt with other settings ({', '.join(differ)}): learn them "
                "alike, then merge"
            )
    parts = [part for one in sums for part in one.parts]
    if len(set(parts)) < len(parts):
        raise LearningError("two of the models learnt from the same table: its rows count once")
    summary = reduce(add, sums)
    settings = _settings_of(sums[0])
    name = " and ".join(model.record.learnt_from for model in models)
    nowhere = PolarsSource(pl.LazyFrame(), name=name, rows=0, repeatable=True)
    found = of_summary(summary, nowhere, _plan(summary, settings.asked))
    return _model(found, settings, summary, name)


@dataclass(frozen=True)
class Sums:
    """The sums of a model's rows: what `Model.kept` is."""

    summary: Summary

    def learn_more(self, model: Model, table: Any, *, again: bool) -> Model:
        """As `learn_more`."""
        return learn_more(model, table, again=again)

    def forget(self, model: Model, table: Any, *, where: str | None) -> Model:
        """As `forget`."""
        return forget(model, table, where=where)


def load(path: str | Path, summary: str | Path | None = None) -> Model:
    """A saved model with its sums; None for those beside it, as model.sums beside model.json.

    Errors:  ModelError and its kinds
    """
    model = model_alone(path)
    sums = sums_beside(Path(path)) if summary is None else Path(summary)
    model.kept = Sums(load_sums(model.record, sums))
    return model


def _with(
    model: Model, summary: Summary, *, learnt_from: str | None = None, notes: Sequence[str] = ()
) -> Model:
    changed: dict[str, Any] = {"notes": (*model.record.notes, *notes)}
    if learnt_from is not None:
        changed["learnt_from"] = learnt_from
    made = Model(model.record.model_copy(update=changed))
    made.kept = Sums(summary)
    return made


def _sums_of(model: Model) -> Summary:
    if model.kept is None:
        raise LearningError(
            "the sums of a model's rows are not there: learn with --keep-summary FILE "
            "(keep_summary=True), or load the model with its summary"
        )
    refuse_periods(model.kept.summary.layout)
    return model.kept.summary


def _settings_of(sums: Summary) -> Settings:
    """Errors: NotAModelError for a file that holds none that make sense."""
    known = {one.name for one in fields(Settings)} - {*OF_A_RUN}
    try:
        if not sums.settings or not sums.settings.keys() <= known:
            raise TypeError("unknown settings")
        return Settings(**sums.settings)
    except (DeltaruleError, TypeError, ValueError, AttributeError) as error:
        raise NotAModelError(f"the summary's settings cannot be used: {error}") from None


def _joined(
    joining: Joining, table: Any, settings: Settings, *, where: str | None = None
) -> tuple[Read, Settings]:
    source, _ = open_table(table)
    for condition in (settings.where, where):
        source = where_of(source, condition)
    found = read(
        source,
        settings.asked,
        keep=Keep(0),
        histograms=bool(joining.before.histograms),
        joining=joining,
    )
    return found, settings


def _model(found: Read, settings: Settings, summary: Summary, name: str) -> Model:
    model = Run.of(replace(found, summary=summary), settings).model()
    return _with(model, summary, learnt_from=name, notes=_notes(summary))


def _notes(summary: Summary) -> list[str]:
    """What the sums do not say."""
    notes = ["made of sums alone: prediction intervals and mean absolute errors need the rows"]
    if summary.layout.folds == 1:
        notes.append(
            "no rows are held out any more, as those forgotten had no id: the ridge stays as it was"
        )
    if summary.bounded:
        notes.append("ranges are bounds, from histograms: the extreme rows may be forgotten")
    return notes


def _plan(summary: Summary, asked: Request) -> Plan:
    """The plan of a table that is not there."""
    layout = summary.layout
    asked = replace(
        asked, folds=layout.folds, copies=layout.copies, shifted=layout.shifted, using=[]
    )
    return Plan(
        *(asked, {}, {}, {}, list(layout.numbers), set(layout.booleans), list(layout.categories)),
        *(list(layout.left_out), {}, list(layout.classes)),
        target_kinds=dict.fromkeys(layout.targets, pl.Float64()),
        offset=layout.offset,
        formats=dict(layout.formats),
    )
