"""Export a model, and check the export on sample rows before anything is written."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from deltarule.errors import DeltaruleError, ExportError, ExpressionError
from deltarule.export.check import Check, compare
from deltarule.export.registry import Content, Export, export_named
from deltarule.export.samples import sample_rows
from deltarule.model.prediction_stream import Columns, Predictions
from deltarule.model.predictor import Predictor
from deltarule.model.scorer import tree_of
from deltarule.output import write_whole
from deltarule.scorer.tree import Tree
from deltarule.tables.frames import open_table
from deltarule.tables.text_formats import DateFormat, PeriodFormat

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Exported:
    """An export's content, and how its check went."""

    content: Content
    check: Check


def export(predictor: Predictor, to: str, **settings: Any) -> Exported:
    """A model in another form, equal to it on its sample rows to 1e-9 relative.

    Errors:  ExportError for a form that is not known, that the model cannot take, or that predicts
             otherwise than the model; LearningError for invalid settings
    """
    chosen = export_named(to)
    unknown = [name for name in settings if name not in chosen.settings + chosen.checks]
    if unknown:
        known = ", ".join(chosen.settings + chosen.checks) or "none"
        raise ExportError(f"{to} has no setting {unknown[0]!r}: it has {known}")
    try:
        tree = tree_of(predictor)
        own = {name: one for name, one in settings.items() if name not in chosen.checks}
        content = chosen.loaded.write(tree, **own)
    except ExpressionError as error:
        raise ExportError(f"no {to} can be made of this model: {error}") from None
    made = _checked(predictor, tree, chosen, content, settings)
    dated = any(isinstance(read.format, DateFormat | PeriodFormat) for read in tree.reads.values())
    return Exported(content, replace(made, note=chosen.dates if dated else ""))


def write_export(path: Path, content: Content) -> None:
    """Write an export's content to a file, whole or not at all.

    Errors:  OutputError
    """
    raw = content.encode() if isinstance(content, str) else content
    write_whole(path, lambda temporary: temporary.write_bytes(raw))


def _checked(
    predictor: Predictor, tree: Tree, chosen: Export, content: Content, settings: dict[str, Any]
) -> Check:
    rows, wanted = samples(predictor, tree)
    if not rows:
        return Check(0, 0.0, ran=False, why_not="the model takes none of its own sample rows")
    outputs = chosen.loaded.run(content, rows, **settings)
    if outputs is None:
        return Check(0, 0.0, ran=False, why_not=chosen.runs_in)
    explained = f"{tree.outputs[0]}_average" in outputs[0]
    parts = tuple(f"{one}_{what}" for one in tree.outputs for what in ("average", "from_", "score"))
    names = [name for name in wanted[0] if explained or not name.startswith(parts)]
    what = f"the {chosen.name} export"
    return compare(outputs, wanted, what=what, names=names, outputs=tree.outputs)


def samples(predictor: Predictor, tree: Tree) -> tuple[Rows, Rows]:
    """The sample rows that the model takes, and its predictions of them with contributions."""
    made = sample_rows(tree)
    try:
        return made, _explained(predictor, made)
    except DeltaruleError:
        rows = [row for row in made if _is_taken(predictor, row)]
        return rows, _explained(predictor, rows) if rows else []


def _is_taken(predictor: Predictor, row: dict[str, Any]) -> bool:
    """Whether the model predicts a row on its own: an expression may refuse its values."""
    try:
        _explained(predictor, [row])
    except DeltaruleError:
        return False
    return True


def _explained(predictor: Predictor, rows: Rows) -> Rows:
    """The model's own predictions of rows, by the way of tables."""
    source, _ = open_table(rows)
    predictions = Predictions(predictor, source, Columns(explain=True))
    return pl.concat(predictions.alone()).to_dicts()
