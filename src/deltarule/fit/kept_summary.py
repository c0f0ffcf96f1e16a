"""Kept summary: the sums of a model's rows, from which models of more and fewer rows are learnt.

Under squared loss the sums are all that rows can say, and they add and subtract: the model of all
rows is that of the sum, with its weights, ridge, standard errors and held-out errors. What only
rows can tell is dropped, and said.

A row's fold is that of its id or group, wherever it is read. Without either, the rows of a table
that is added are numbered on; and rows that are forgotten have lost their number, so that no rows
are held out then, and the ridge stays as it was.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.fit.kept_settings import KeptSettings, settings_in
from deltarule.fit.outcome import none_held_out
from deltarule.fit.repeated_rows import told_before
from deltarule.fit.run import Run
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.tables.filtered import where_of
from deltarule.tables.frames import open_table
from deltarule.tables.joining import Joining
from deltarule.tables.layout import Layout
from deltarule.tables.left_out import nothing_left
from deltarule.tables.one_read import Keep, Read, of_summary, read
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.saved_file import saved_bytes
from deltarule.tables.schema_columns import OTHER
from deltarule.tables.source import Source, without_folder
from deltarule.tables.summary import Summary, joined
from deltarule.tables.summary_file import LARGEST_FILE, SavedSummary, from_bytes, to_bytes
from deltarule.tables.terms import Term, measured

# The rarest levels that are named, and how few rows make a level rare.
NAMED, RARE = 3, 5
NONE_HELD_OUT = (
    "no rows are held out any more, as those forgotten had no id: the ridge stays as it was"
)


@dataclass(frozen=True)
class KeptSummary:
    """The sums of some rows, and what was learnt from them."""

    takes_rows: ClassVar[bool] = True
    """Whether rows that are learnt one by one join."""
    summary: Summary
    kept: KeptSettings
    name: str
    copies_told: tuple[str, ...] = ()
    """Notes on copies among the rows, of models that they come from; sums cannot tell them."""

    @classmethod
    def of(cls, read: Read, settings: Settings, losses: Mapping[str, str]) -> Self:
        """What was read with these settings, and each target's loss.

        Errors:  LearningError where the loss needs rows
        """
        other = next((target for target, loss in losses.items() if not closed_form(loss)), None)
        if other is not None:
            raise LearningError(
                f"{read.source.name}: '{other}' is learnt with {losses[other]} loss, which needs "
                "rows, so no summary can be kept of it: give --loss squared, or no summary"
            )
        assert read.summary is not None, "it was asked for"
        summary = replace(read.summary, parts=(read.summary.fingerprint,))
        return cls(summary, KeptSettings.of(settings), read.source.name)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """From a summary file.

        Errors:  ModelError and its kinds
        """
        return cls.of_bytes(saved_bytes(Path(path), what="summary", largest=LARGEST_FILE), path)

    @classmethod
    def of_bytes(cls, raw: bytes, path: str | Path) -> Self:
        """From the bytes of a summary file.

        Errors:  ModelError and its kinds
        """
        saved = from_bytes(raw, name=str(path))
        kept = settings_in(saved.settings, path)
        return cls(saved.summary, kept, Path(path).name)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return to_bytes(SavedSummary(self.summary, json.loads(self.kept.model_dump_json())))

    def learn_more(self, model: Model, table: Any, *, again: bool, old: Any = None) -> Model:
        """The model that learning from its rows and those of this table together gives.

        Errors:  LearningError for a table that was learnt from before, unless `again`; ColumnError
                 for a column of another kind
        """
        _check_needless(old)
        more, rows = self._read_with(table, Joining(self.summary))
        if rows.fingerprint in self.summary.parts and not again:
            raise LearningError(
                f"{more.source.name} was learnt from before, so its rows would count twice: give "
                "--again (again=True) if they are others that happen to be the same"
            )
        kept = self._with_sums(more, (*self.summary.parts, rows.fingerprint))
        name = f"{model.record.learnt_from} and {without_folder(more.source.name)}"
        return kept._learnt(more, self.kept.settings, name, told_before(model.record.notes))

    def joined(self, table: Any) -> Self:
        """The sums with those of this table's rows that meet the model's condition.

        Errors:  ColumnError for a column of another kind
        """
        more, rows = self._read_with(table, Joining(self.summary))
        return self._with_sums(more, (*self.summary.parts, rows.fingerprint))

    def forget(self, model: Model, table: Any, *, where: str | None, old: Any = None) -> Model:
        """The model as if these rows had never been there; `where` is a condition on them.

        Errors:  LearningError for rows that were not all learnt from
        """
        _check_needless(old)
        settings = self.kept.settings
        if not self.summary.layout.fold_by:
            # Which rows were held out together is not known any more: no ridge can be chosen anew.
            settings = replace(settings, folds=None, ridge=model.record.learnt[0].ridge)
        fewer, rows = self._read_with(table, Joining(self.summary, away=True), settings, where)
        kept = self._with_sums(
            fewer, [part for part in self.summary.parts if part != rows.fingerprint]
        )
        count = f"{rows.examples:,} row{'s' * (rows.examples != 1)}"
        return kept._learnt(fewer, settings, f"{model.record.learnt_from} without {count}")

    def _read_with(
        self,
        table: Any,
        joining: Joining,
        settings: Settings | None = None,
        where: str | None = None,
    ) -> tuple[Read, Summary]:
        """What is read with the rows of a table, and the summary of these rows."""
        settings = settings or self.kept.settings
        source, _ = open_table(table)
        for condition in (self.kept.where, where):
            words = joining.layout.missing_words
            source = where_of(source, condition, dict(joining.layout.formats), words=words)
        whole = read(source, settings.request, keep=Keep(0), keep_summary=True, joining=joining)
        assert joining.part is not None, "the rows were read"
        # What these few rows alone say of the target's values is not true of all.
        plan = replace(whole.plan, whole_numbers={})
        return replace(whole, source=NoRows(source.name), plan=plan), joining.part

    def _with_sums(self, whole: Read, parts: Sequence[str]) -> Self:
        assert whole.summary is not None, "it was asked for"
        return replace(self, summary=replace(whole.summary, parts=tuple(parts)))

    def _learnt(
        self, whole: Read, settings: Settings, name: str, copies_told: Sequence[str] = ()
    ) -> Model:
        """The model of these sums."""
        record = Run.on(replace(whole, summary=self.summary), settings).model().record
        notes = list(record.notes)
        own = notes_on_sums(self.summary, self.kept.reference or ())
        if self.summary.layout.folds == 1:
            gone = none_held_out(whole)
            notes = [note for note in notes if note != gone]
            own.insert(1, NONE_HELD_OUT)
        changed = {
            "notes": (*notes, *copies_told, *own),
            "learnt_from": name,
            "where": self.kept.where,
        }
        return Model(record.model_copy(update=changed), kept=replace(self, name=name))

    def check_rare(self, least: int) -> None:
        """Refuse levels that fewer rows hold: with other knowledge, such rows can be told apart.

        Errors:  LearningError, naming a level of each category that has such
        """
        few = []
        for name, level in self.summary.levels.items():
            counts = level.counts.sum(axis=0)[1:-1]
            rare = [at for at in counts.argsort(kind="stable") if 0 < counts[at] < least]
            if rare:
                more = f" and {len(rare) - 1} more" if len(rare) > 1 else ""
                few.append(f"{name} '{level.names[rare[0]]}' in {counts[rare[0]]:g}{more}")
        if few:
            raise LearningError(
                f"fewer than {least} rows hold some levels ({'; '.join(few)}), which sums would "
                "tell: leave the column (--without) or those rows (--where) out, or say a lower "
                "--min-level-rows"
            )

    def as_read(self) -> Read:
        """What a read of the rows would have found, without the rows.

        Errors:  TableError and its kinds where nothing can be learnt
        """
        layout = self.summary.layout
        request = replace(
            self.kept.settings.request,
            predict=list(layout.targets),
            shifted=layout.shifted,
            copies=layout.copies,
            folds=layout.folds,
        )
        if self.summary.examples == 0:
            raise nothing_left(self.name, request, self.summary.causes)
        read = of_summary(self.summary, NoRows(self.name), plan_of(layout, request))
        own = notes_on_sums(self.summary, self.kept.reference or ())
        read.notes.extend([*self.copies_told, *own])
        return read

    def to_dict(self) -> dict[str, Any]:
        """What the file tells about rows, as plain data."""
        own, layout = self.summary, self.summary.layout
        levels = {
            name: dict(zip(level.names, level.counts.sum(axis=0)[1:-1].tolist(), strict=True))
            for name, level in own.levels.items()
        }
        return {
            "examples": own.examples,
            "left_out": dict(own.causes),
            "folds": layout.folds,
            "fold_by": layout.fold_by or "row number",
            "targets": list(layout.targets),
            "numbers": list(layout.numbers),
            "levels": levels,
            "histograms": bool(own.histograms),
            "bounds": own.bounded,
            "settings": json.loads(self.kept.model_dump_json()),
        }

    def __str__(self) -> str:
        """What the file tells about rows."""
        own, layout = self.summary, self.summary.layout
        lines = [
            f"Sums of {own.examples:,} rows in {layout.folds} folds, from which "
            f"{' and '.join(layout.targets)} can be learnt without the rows.",
            f"  numbers: {', '.join(layout.numbers) or 'none'}",
        ]
        for name, level in own.levels.items():
            counts = level.counts.sum(axis=0)[1:-1]
            rare = [at for at in counts.argsort(kind="stable") if 0 < counts[at] < RARE]
            shown = ", ".join(f"{level.names[at]} in {counts[at]:g}" for at in rare[:NAMED])
            few = f", {len(rare)} in fewer than {RARE} rows ({shown})" if rare else ""
            lines.append(f"  {name}: {len(level.names):,} levels{few}")
        lines += [f"  left out: {rows:,} rows, as {why}" for why, rows in own.causes.items()]
        if own.histograms:
            lines.append("  and a histogram of each number, with its least and largest value")
        lines.append(
            "Sums are not anonymous: a level with one row is that row, and two such files differ "
            "by the rows between them."
        )
        return "\n".join(lines)


class NoRows(Source):
    """A table of which only sums are left."""

    repeatable = False

    def __init__(self, name: str) -> None:
        self.name, self.dialect = name, "a summary"

    def look(self) -> pl.DataFrame:
        """Errors: LearningError, as there are no rows."""
        raise LearningError(
            f"{self.name} has sums alone, and its columns depend on each other so nearly that "
            "their digits need the rows once more: learn from the rows, or leave a column out"
        )

    def batches(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        """Errors: LearningError, as there are no rows."""
        yield self.look()


def plan_of(layout: Layout, request: Request) -> Plan:
    """The plan of which a layout was made, as far as learning from sums needs it."""
    return Plan(
        request=request,
        terms={name: Term(name, expression) for name, expression in layout.terms.items()},
        became={},
        kinds={},
        numbers=list(layout.numbers),
        booleans=set(layout.booleans),
        categories=list(layout.categories),
        left_out=list(layout.left_out),
        levels={},
        classes=list(layout.classes),
        target_kinds={target: pl.Float64() for target in layout.targets},
        cuts=layout.cuts,
        offset=layout.offset,
        formats=dict(layout.formats),
    )


def _check_needless(old: Any) -> None:
    """Errors: LearningError for old rows, of which the sums are there."""
    if old is not None:
        raise LearningError(
            "the sums of the rows before are kept, and exact: leave out --with (old)"
        )


def merge_sums(parts: Sequence[KeptSummary]) -> Model:
    """The model of the rows of all parts.

    Errors:  LearningError, naming the setting or column that is not the same
    """
    whole = added(parts)
    return Model(Run.on(whole.as_read(), whole.kept.settings).model().record, kept=whole)


def added(parts: Sequence[KeptSummary]) -> KeptSummary:
    """The sum of several, whose settings are the same.

    Errors:  LearningError, naming the setting or column that is not; for the same sums twice
    """
    first = parts[0]
    for part in parts[1:]:
        first.kept.check(part.kept, (first.name, part.name))
    tables = [table for part in parts for table in part.summary.parts]
    if len(set(tables)) < len(tables):
        raise LearningError("the same sums are given twice: their rows would count double")
    whole = joined([part.summary for part in parts])
    copies_told = tuple(dict.fromkeys(note for part in parts for note in part.copies_told))
    name = " and ".join(part.name for part in parts)
    return replace(first, summary=whole, name=name, copies_told=copies_told)


def notes_on_sums(summary: Summary, reference: Collection[str]) -> list[str]:
    """What the sums do not say; `reference` are columns whose reference level was asked for."""
    notes = ["learnt from sums, without rows: there are no prediction intervals"]
    if len(summary.parts) > 1 and not summary.layout.fold_by and summary.layout.folds > 1:
        notes.append(
            "rows have no id: those of one table may be copies of another's, and the error on "
            "held-out rows of rows it knows; say with --id or --group what a row is of"
        )
    if summary.bounded:
        notes.append("ranges are bounds from histograms, as rows were forgotten")
    shared = [name for name in summary.layout.numbers if name.endswith(f"={OTHER}")]
    if shared:
        slopes = ", ".join(name.removesuffix(f"={OTHER}") for name in shared)
        notes.append(
            f"{slopes} has a slope for each level of the table that was learnt first: rows of "
            f"levels that came later share that of {OTHER}"
        )
    for name, columns in measured(summary.layout.terms).items():
        chosen = [column for column in columns if column not in reference]
        if chosen:
            options = " ".join(f"--reference {column}=LEVEL" for column in chosen)
            notes.append(
                f"{name} is measured from the most frequent level of {' and '.join(chosen)} in the "
                "table that was learnt first: another would give other figures beside a ridge, or "
                f"where rare levels share {OTHER}; {options} says which"
            )
    return notes
