"""Kept sample: rows kept with a model, from which models of more and fewer rows are learnt.

Where sums do not give the weights (losses other than squared, times, robust errors), rows do. Given
the old rows, it is learning from all rows, begun at the weights before: exact. Without them the
rows kept, drawn evenly, stand in, each counting as its share: an estimate, and so said.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from deltarule.dataclass import dataclass, replace
from deltarule.errors import EmptyError, LearningError
from deltarule.fit.kept_settings import KeptSettings, settings_in
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.fit.target_group import rows_kept
from deltarule.model.model import Model
from deltarule.model.record import Record
from deltarule.tables.chained import ChainedSource, NumberedSource
from deltarule.tables.column_names import check_there, column
from deltarule.tables.filtered import FilteredSource, where_of
from deltarule.tables.frames import open_table
from deltarule.tables.kept_rows import KeptRows, draw
from deltarule.tables.kept_rows_file import SavedRows, fingerprint, from_bytes, to_bytes
from deltarule.tables.one_read import EarlierWeights, Keep, Read, read
from deltarule.tables.plan import Plan
from deltarule.tables.request import Request
from deltarule.tables.row_shares import rows_of
from deltarule.tables.source import ROW, Source, without_folder
from deltarule.tables.terms import Term
from deltarule.tables.text_columns import FormattedSource
from deltarule.tables.without_ids import WithoutIds, ids_of
from deltarule.tables.zoned_source import ZonedSource

NO_ERRORS = dict.fromkeys(("standard_error", "t", "p", "low", "high"))


@dataclass(frozen=True)
class KeptSample:
    """Rows of the tables that a model was learnt from; `parts` are these tables' fingerprints."""

    takes_rows: ClassVar[bool] = False
    """Whether rows that are learnt one by one join."""
    rows: KeptRows
    parts: tuple[str, ...]
    kept: KeptSettings
    name: str

    @classmethod
    def of(cls, read: Read, settings: Settings) -> Self:
        """Rows of what was read, by another read."""
        assert settings.keep_sample is not None, "it was asked for"
        key = key_of(read.plan)
        rows = draw(read.source, columns_of(read.plan), key, int(settings.keep_sample))
        return cls(rows, (fingerprint(rows),), KeptSettings.of_rows(settings), read.source.name)

    @classmethod
    def of_bytes(cls, raw: bytes, path: str | Path) -> Self:
        """From the bytes of a file of rows.

        Errors:  ModelError and its kinds
        """
        saved = from_bytes(raw, name=str(path))
        kept = settings_in(saved.settings, path)
        return cls(saved.rows, saved.parts, kept, Path(path).name)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return to_bytes(SavedRows(self.rows, self.parts, json.loads(self.kept.model_dump_json())))

    def check_rare(self, least: int) -> None:
        """Refuse to hand rows on as if they were sums.

        Errors:  LearningError
        """
        if least > 1:
            raise LearningError(
                "a sample is rows as they are, which are not for exchange: keep sums in its place "
                "(--keep-summary without --keep-sample), which squared loss can be learnt from"
            )

    def joined(self, table: Any) -> Self:
        """Errors: LearningError, as rows that are learnt one by one are not drawn."""
        raise LearningError("rows that are learnt one by one do not join a sample")

    def learn_more(self, model: Model, table: Any, *, again: bool, old: Any = None) -> Model:
        """The model of its rows and those of this table: of all rows where the `old` are given.

        Errors:  LearningError for a table that was learnt from before, unless `again`, and for old
                 rows that are others; ColumnError for a column of another kind
        """
        more = self._chosen(table)
        if old is None:
            whole, request = _stood_in(self, more)
        else:
            before = self._all_rows(old)
            whole, request = ChainedSource([before, more]), self.kept.settings.request
        read = _read(whole, self.kept.settings, request)
        rows = _drawn(read, more, self.rows.most)
        if not rows.total:
            raise EmptyError(f"{more.name} has no rows: there is nothing to learn from")
        part = fingerprint(rows)
        if part in self.parts and not again:
            raise LearningError(
                f"{more.name} was learnt from before, so its rows would count twice: give --again "
                "(again=True) if they are others that happen to be the same"
            )
        drawn = replace(self, rows=self.rows + rows, parts=(*self.parts, part))
        name = f"{model.record.learnt_from} and {without_folder(more.name)}"
        if old is None:
            return _model(read, model.record, drawn, name, _estimated(self.rows), sure=False)
        read.notes.extend(_new_columns(before, more, self.kept))
        note = _exact(self.rows.total, rows.total)
        return _model(read, model.record, drawn, name, note, sure=True)

    def forget(self, model: Model, table: Any, *, where: str | None, old: Any = None) -> Model:
        """The model of the rows that stay: of `old`, or of the table where `where` says which go.

        Errors:  LearningError where the rows that stay are not given
        """
        stay, gone = self._staying(table, where, old, next(iter(model.record.losses)).name)
        read = _read(stay, self.kept.settings, self.kept.settings.request)
        rows = draw(read.source, columns_of(read.plan), key_of(read.plan), self.rows.most)
        fewer = self.rows.total - rows.total
        if not fewer:
            raise LearningError(
                f"{stay.name}: no row is to be forgotten: give rows that were learnt from"
            )
        part = fingerprint(_drawn(read, gone, self.rows.most))
        drawn = replace(self, rows=rows, parts=tuple(one for one in self.parts if one != part))
        name = f"{model.record.learnt_from} without {fewer:,} row{'s' * (fewer != 1)}"
        note = f"learnt anew from the {rows.total:,} rows that stay: exact"
        return _model(read, model.record, drawn, name, note, sure=True)

    def _chosen(self, table: Any) -> Source:
        """The rows of a table that learning chose, with instants in the zones of those kept."""
        source, _ = open_table(table)
        zoned = ZonedSource(source, self.rows.frame.schema)
        return where_of(zoned, self.kept.where, words=self.kept.missing_words)

    def _all_rows(self, old: Any) -> Source:
        """The rows that were learnt from before.

        Errors:  LearningError where they are more or fewer
        """
        source = self._chosen(old)
        there = rows_of(source, [column(name) for name in source.look().columns[:1]])
        if there != self.rows.total:
            raise LearningError(
                f"{source.name} has {there:,} rows, and the model was learnt from "
                f"{self.rows.total:,}: give the rows that it was learnt from, in one table or a "
                "pattern of files (--with)"
            )
        return source

    def _staying(self, table: Any, where: str | None, old: Any, loss: str) -> tuple[Source, Source]:
        """The rows that stay, and those that go.

        Errors:  LearningError
        """
        words = self.kept.missing_words
        if where is not None and old is None:
            condition = where_of(self._all_rows(table), where, words=words)
            assert isinstance(condition, FilteredSource), "there is a condition"
            return condition.others, condition
        by = self.kept.id
        if by is None or (old is None and not self.rows.all_there):
            key = (
                "" if by else ", and which rows these are an --id must have said when it was learnt"
            )
            raise LearningError(
                f"with {loss} loss a model forgets by learning from the rows that stay: give the "
                'table that it was learnt from with --where "customer = 7", or rows with --with '
                f"TABLE{key}"
            )
        source = self.rows.source() if old is None else self._all_rows(old)
        gone = where_of(self._chosen(table), where, words=words)
        staying = WithoutIds(source, ids_of(gone, by), by)
        staying.check_all_there()
        return staying, gone

    def to_dict(self) -> dict[str, Any]:
        """What the file tells about rows, as plain data."""
        rows = self.rows
        return {
            "rows": len(rows.draws),
            "drawn_from": rows.total,
            "most": rows.most,
            "drawn_by": self.kept.id or "row number",
            "columns": {name: str(kind) for name, kind in rows.frame.schema.items()},
            "settings": json.loads(self.kept.model_dump_json()),
        }

    def __str__(self) -> str:
        """What the file tells about rows."""
        rows = self.rows
        whole = "all of them" if rows.all_there else "drawn evenly"
        return "\n".join(
            [
                f"{len(rows.draws):,} of {rows.total:,} rows, {whole}, by which "
                f"{' and '.join(self.kept.predict)} can be learnt with more rows.",
                f"  columns: {', '.join(rows.frame.columns)}",
                f"  drawn by {self.kept.id or 'row number'}, at most {rows.most:,}",
                "These are rows as they are: whoever has the file has them. Keep it as you keep "
                "the table; --keep-sample 0 keeps none.",
            ]
        )


def key_of(plan: Plan) -> Any:
    """What rows are drawn by: the id, None for their numbers."""
    return plan.fold_by if plan.request.id is not None else None


def columns_of(plan: Plan) -> list[str]:
    """The table's columns that a plan reads, in the table's order."""
    names = {column for term in plan.terms.values() for column in term.columns}
    if plan.request.exposure is not None:
        names |= set(Term(plan.request.exposure).columns)
    for key in (plan.fold_by, plan.cluster_by):
        names |= set() if key is None else set(key.meta.root_names())
    return [name for name in plan.kinds if name in names]


def merge_samples(parts: Sequence[KeptSample]) -> Model:
    """The model of several tables' rows, by those kept of them.

    Errors:  LearningError where settings are not the same, or the same rows are given twice
    """
    whole = parts[0]
    for part in parts[1:]:
        whole.kept.check(part.kept, (whole.name, part.name))
        if {*whole.parts} & {*part.parts}:
            raise LearningError("the same rows are given twice: they would count double")
        name = f"{whole.name} and {part.name}"
        rows = whole.rows + part.rows
        whole = replace(whole, rows=rows, parts=(*whole.parts, *part.parts), name=name)
    _check_rows(whole.rows)
    source, request = _stood_in(whole, None)
    read = _read(source, whole.kept.settings, request)
    return _model(read, None, whole, whole.name, _estimated(whole.rows), sure=False)


def _stood_in(kept: KeptSample, more: Source | None) -> tuple[Source, Request]:
    """The rows kept, each counting as its share, then more rows, all with their numbers.

    Errors:  LearningError where none was kept; ColumnError for a column that is not there
    """
    rows, settings = kept.rows, kept.kept.settings
    _check_rows(rows)
    sources = [rows.source(numbered=True)]
    if more is not None:
        check_there(more.look().columns, rows.frame.columns, name=more.name)
        sources.append(NumberedSource(more, rows.total))
    request = settings.request
    if request.using is None:
        request = replace(request, without=(ROW,))
    if not rows.all_there:
        request = replace(request, shares=rows.shares, copies=False)
    return ChainedSource(sources), request


def _check_rows(rows: KeptRows) -> None:
    """Errors: LearningError where there are none."""
    if not len(rows.draws):
        raise LearningError(
            "no row was kept with the model: give those that it was learnt from (--with TABLE)"
        )


def _read(source: Source, settings: Settings, request: Request) -> Read:
    def kept(plan: Plan) -> Keep:
        return rows_kept(settings, plan)

    return read(source, request, keep=kept)


def _drawn(read: Read, more: Source, most: int) -> KeptRows:
    """Rows of a table, read as the whole was."""
    kinds = {name: kind for name, kind in read.plan.kinds.items() if name != ROW}
    source = read.source
    formats = source.formats if isinstance(source, FormattedSource) else {}
    names = columns_of(read.plan)
    alike = ChainedSource([more], {name: _kind_as_read(source, name, kinds) for name in names})
    words = read.plan.request.missing_words
    read_as = FormattedSource(alike, formats, words, learning=False)
    return draw(read_as, names, key_of(read.plan), most)


def _kind_as_read(source: Source, name: str, kinds: Any) -> Any:
    """A column's type as it was read, before its text was parsed."""
    inner = source.source if isinstance(source, FormattedSource) else source
    return inner.look().schema.get(name, kinds[name])


def _model(
    read: Read, before: Record | None, kept: KeptSample, name: str, note: str, *, sure: bool
) -> Model:
    earlier = None if before is None else _weights(before)
    run = Run.on(replace(read, earlier=earlier), kept.kept.settings)
    record = run.model().record
    changed: dict[str, Any] = {"notes": (*record.notes, note), "learnt_from": name}
    changed["where"] = kept.kept.where
    if not sure and read.plan.shares is not None:
        changed |= _without_errors(record)
    return Model(record.model_copy(update=changed), kept=replace(kept, name=name))


def _weights(record: Record) -> EarlierWeights:
    known: dict[tuple[str, str, str | None], float] = {
        (one.output, one.input, one.level): one.weight for one in record.weights
    }
    return {**known, **{(one.output, "", None): one.weight for one in record.intercept}}


def _without_errors(record: Record) -> dict[str, Any]:
    """A record's changes where its rows stand for others: they would count as information."""
    return {
        "weights": tuple(one.model_copy(update=NO_ERRORS) for one in record.weights),
        "intercept": tuple(one.model_copy(update=NO_ERRORS) for one in record.intercept),
        "covariances": (),
        "learnt": tuple(
            one.model_copy(update={"errors": "", "freedom": None}) for one in record.learnt
        ),
    }


def _new_columns(before: Source, more: Source, kept: KeptSettings) -> Iterator[str]:
    """A note on columns that only the new rows have, where all that can be used are inputs."""
    there = before.look().columns
    new = [name for name in more.look().columns if name not in {*there, *kept.without}]
    if new and kept.using is None:
        others = f" and {len(new) - 1:,} more columns" if len(new) > 1 else ""
        yield f"left out, as in {more.name} alone: {new[0]}{others}"


def _exact(before: int, more: int) -> str:
    return (
        f"learnt from the {before:,} rows before and {more:,} more: exact, as from all of them "
        "together"
    )


def _estimated(rows: KeptRows) -> str:
    if rows.all_there:
        return f"all {rows.total:,} rows before were kept, and learnt from again: exact"
    return (
        f"of {rows.total:,} rows before, {len(rows.draws):,} that were kept, drawn evenly, stand "
        f"in, each counting as {rows.share:,.4g}: weights and errors are estimates, and there are "
        "no standard errors. Give the rows before (--with TABLE) for exact ones"
    )
