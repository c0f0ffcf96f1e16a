"""Learn again: models of more rows and of fewer, from rows, where sums do not give the weights.

Given the old rows, it is learning from all rows, begun at the weights before: exact. Without them
the rows kept stand in, each counting as its share: an estimate, and so said.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from deltarule.dataclass import replace
from deltarule.errors import EmptyError, LearningError
from deltarule.fit import Run
from deltarule.fit.kept_sample import KeptSample, columns_of, key_of
from deltarule.fit.kept_settings import KeptSettings
from deltarule.fit.settings import Settings
from deltarule.fit.target_group import rows_kept
from deltarule.model.model import Model
from deltarule.model.record import Record
from deltarule.tables.chained import ChainedSource, NumberedSource
from deltarule.tables.column_names import check_there, column
from deltarule.tables.filtered import FilteredSource, where_of
from deltarule.tables.frames import open_table
from deltarule.tables.kept_rows import KeptRows, draw
from deltarule.tables.kept_rows_file import fingerprint
from deltarule.tables.one_read import EarlierWeights, Keep, Read, read
from deltarule.tables.plan import Plan
from deltarule.tables.row_shares import rows_of
from deltarule.tables.source import ROW, Source, without_folder
from deltarule.tables.text_columns import FormattedSource
from deltarule.tables.without_ids import WithoutIds, ids_of
from deltarule.tables.zoned_source import ZonedSource

NO_ERRORS = dict.fromkeys(("standard_error", "t", "p", "low", "high"))


def learn_more(model: Model, kept: KeptSample, table: Any, *, again: bool, old: Any) -> Model:
    """The model of its rows and those of this table: of all rows where the `old` ones are given.

    Errors:  LearningError for a table that was learnt from before, unless `again`, and for old rows
             that are others; ColumnError for a column of another kind
    """
    more = _chosen(table, kept)
    if old is None:
        whole, asked = _stood_in(kept, more)
    else:
        before = _all_rows(old, kept)
        whole, asked = ChainedSource([before, more]), kept.kept.settings.request
    found = _read(whole, kept.kept.settings, asked)
    rows = _drawn(found, more, kept.rows.most)
    if not rows.total:
        raise EmptyError(f"{more.name} has no rows: there is nothing to learn from")
    part = fingerprint(rows)
    if part in kept.parts and not again:
        raise LearningError(
            f"{more.name} was learnt from before, so its rows would count twice: give --again "
            "(again=True) if they are others that happen to be the same"
        )
    drawn = replace(kept, rows=kept.rows + rows, parts=(*kept.parts, part))
    name = f"{model.record.learnt_from} and {without_folder(more.name)}"
    if old is None:
        return _model(found, model.record, drawn, name, _estimated(kept.rows), sure=False)
    found.notes.extend(_new_columns(before, more, kept.kept))
    note = _exact(kept.rows.total, rows.total)
    return _model(found, model.record, drawn, name, note, sure=True)


def forget(model: Model, kept: KeptSample, table: Any, *, where: str | None, old: Any) -> Model:
    """The model of the rows that stay: of `old`, or of the table where a condition says which go.

    Errors:  LearningError where the rows that stay are not given
    """
    stay, gone = _staying(kept, table, where, old, next(iter(model.record.losses)).name)
    found = _read(stay, kept.kept.settings, kept.kept.settings.request)
    rows = draw(found.source, columns_of(found.plan), key_of(found.plan), kept.rows.most)
    fewer = kept.rows.total - rows.total
    if not fewer:
        raise LearningError(
            f"{stay.name}: no row is to be forgotten: give rows that were learnt from"
        )
    part = fingerprint(_drawn(found, gone, kept.rows.most))
    drawn = replace(kept, rows=rows, parts=tuple(one for one in kept.parts if one != part))
    name = f"{model.record.learnt_from} without {fewer:,} row{'s' * (fewer != 1)}"
    note = f"learnt anew from the {rows.total:,} rows that stay: exact"
    return _model(found, model.record, drawn, name, note, sure=True)


def merge(parts: Sequence[KeptSample]) -> Model:
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
    source, asked = _stood_in(whole, None)
    found = _read(source, whole.kept.settings, asked)
    return _model(found, None, whole, whole.name, _estimated(whole.rows), sure=False)


def _chosen(table: Any, kept: KeptSample) -> Source:
    """The rows of a table that learning chose, with instants in the zones of those kept."""
    source, _ = open_table(table)
    zoned = ZonedSource(source, kept.rows.frame.schema)
    return where_of(zoned, kept.kept.where, words=kept.kept.missing_words)


def _all_rows(old: Any, kept: KeptSample) -> Source:
    """The rows that were learnt from before.

    Errors:  LearningError where they are more or fewer
    """
    source = _chosen(old, kept)
    there = rows_of(source, [column(name) for name in source.look().columns[:1]])
    if there != kept.rows.total:
        raise LearningError(
            f"{source.name} has {there:,} rows, and the model was learnt from {kept.rows.total:,}: "
            "give the rows that it was learnt from, in one table or a pattern of files (--with)"
        )
    return source


def _stood_in(kept: KeptSample, more: Source | None) -> tuple[Source, Any]:
    """The rows kept, each counting as its share, then more rows, all with their numbers.

    Errors:  LearningError where none was kept; ColumnError for a column that is not there
    """
    rows, settings = kept.rows, kept.kept.settings
    _check_rows(rows)
    sources = [rows.source(numbered=True)]
    if more is not None:
        check_there(more.look().columns, rows.frame.columns, name=more.name)
        sources.append(NumberedSource(more, rows.total))
    asked = settings.request
    if asked.using is None:
        asked = replace(asked, without=(ROW,))
    if not rows.all_there:
        asked = replace(asked, shares=rows.shares, copies=False)
    return ChainedSource(sources), asked


def _check_rows(rows: KeptRows) -> None:
    """Errors: LearningError where there are none."""
    if not len(rows.draws):
        raise LearningError(
            "no row was kept with the model: give those that it was learnt from (--with TABLE)"
        )


def _staying(
    kept: KeptSample, table: Any, where: str | None, old: Any, loss: str
) -> tuple[Source, Source]:
    """The rows that stay, and those that go.

    Errors:  LearningError
    """
    by = kept.kept.id
    if where is not None and old is None:
        condition = where_of(_all_rows(table, kept), where, words=kept.kept.missing_words)
        assert isinstance(condition, FilteredSource), "there is a condition"
        return condition.others, condition
    if by is None or (old is None and not kept.rows.all_there):
        key = "" if by else ", and which rows these are an --id must have said when it was learnt"
        raise LearningError(
            f"with {loss} loss a model forgets by learning from the rows that stay: give the table "
            f'that it was learnt from with --where "customer = 7", or rows with --with TABLE{key}'
        )
    source = kept.rows.source() if old is None else _all_rows(old, kept)
    gone = where_of(_chosen(table, kept), where, words=kept.kept.missing_words)
    found = WithoutIds(source, ids_of(gone, by), by)
    found.check_all_there()
    return found, gone


def _read(source: Source, settings: Settings, asked: Any) -> Read:
    def kept(plan: Plan) -> Keep:
        return rows_kept(settings, plan)

    return read(source, asked, keep=kept)


def _drawn(found: Read, more: Source, most: int) -> KeptRows:
    """Rows of a table, read as the whole was."""
    kinds = {name: kind for name, kind in found.plan.kinds.items() if name != ROW}
    made = found.source
    formats = made.formats if isinstance(made, FormattedSource) else {}
    names = columns_of(found.plan)
    alike = ChainedSource([more], {name: found_kind(made, name, kinds) for name in names})
    words = found.plan.request.missing_words
    read_as = FormattedSource(alike, formats, words, learning=False)
    return draw(read_as, names, key_of(found.plan), most)


def found_kind(source: Source, name: str, kinds: Any) -> Any:
    """A column's type as it was read, before its text was parsed."""
    inner = source.source if isinstance(source, FormattedSource) else source
    return inner.look().schema.get(name, kinds[name])


def _model(
    found: Read, before: Record | None, kept: KeptSample, name: str, note: str, *, sure: bool
) -> Model:
    earlier = None if before is None else _weights(before)
    run = Run.on(replace(found, earlier=earlier), kept.kept.settings)
    record = run.model().record
    changed: dict[str, Any] = {"notes": (*record.notes, note), "learnt_from": name}
    changed["where"] = kept.kept.where
    if not sure and found.plan.shares is not None:
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
