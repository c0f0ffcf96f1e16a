"""Arrow tables, streams and relations: whatever gives a reader of record batches."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from deltarule.errors import MissingExtraError, ReadError
from deltarule.tables.cast import as_category
from deltarule.tables.column_names import column
from deltarule.tables.parts_source import NAME, PartsSource, check_names
from deltarule.tables.source import Source


def from_arrow(
    open_reader: Callable[[], Any],
    dialect: str,
    rows: int | None,
    *,
    once: bool = False,
    in_memory: bool = False,
) -> tuple[Source, Callable[[pl.DataFrame, Any], Any]]:
    """What gives a reader of record batches."""

    def parts(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        with open_reader() as reader:
            check_names(reader.schema.names)
            names = [name for name in reader.schema.names if wanted is None or name in wanted]
            # What cannot be read counts as missing, with a note, unless it is asked for by name.
            unread = _unread(reader.schema)
            if wanted is not None or len(unread) == len(names):
                _check_arrow(unread, names)
            read = [name for name in names if name not in unread]
            for name in unread:
                note = f"{name} is of a kind that cannot be read ({unread[name]}): taken as missing"
                source.notes += [] if note in source.notes else [note]
            nothing = [pl.lit(None).alias(name) for name in names if name in unread]

            def framed(batch: Any) -> pl.DataFrame:
                frame = _framed(batch.select(read))
                return frame.with_columns(nothing).select(names) if nothing else frame

            # Some give no batch at all when they have no rows.
            yield framed(reader.schema.empty_table())
            for batch in reader:
                yield framed(batch)

    source = PartsSource(parts, dialect=dialect, rows=rows, once=once, in_memory=in_memory)
    return source, lambda frame, rows: frame.to_arrow()


def _framed(batch: Any) -> pl.DataFrame:
    import pyarrow.types as kinds

    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame), "a batch has columns"
    return frame.with_columns(
        as_category(column(field.name), frame.schema[field.name])
        for field in batch.schema
        if kinds.is_dictionary(field.type) and frame.schema[field.name].is_numeric()
    )


def _unread(schema: Any) -> dict[str, Any]:
    """The columns that polars cannot import, of which some would end the process's thread."""
    import pyarrow.types as kinds

    def strange(kind: Any) -> bool:
        return (
            kinds.is_interval(kind)
            or kinds.is_union(kind)
            or kinds.is_run_end_encoded(kind)
            or (kinds.is_decimal(kind) and (kind.bit_width > 128 or kind.scale < 0))
            or any(strange(kind.field(at).type) for at in range(kind.num_fields))
        )

    return {field.name: field.type for field in schema if strange(field.type)}


def _check_arrow(unread: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse these columns where some of them cannot be read."""
    for name in names:
        if name in unread:
            raise ReadError(
                f"{NAME}, column {name!r} is of a kind that cannot be read ({unread[name]}): "
                "cast it to numbers or text, or leave it out"
            )


def pyarrow() -> Any:
    """The package, which reading them needs."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "reading an Arrow stream needs pyarrow: pip install 'deltarule[pandas]'"
        ) from error
    return pa
