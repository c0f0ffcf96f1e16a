"""deltarule predict: a prediction for each row of a table."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.arguments import MOST_SHOWN, DatabaseTable, How, ModelFile, Query, Table, Where
from deltarule.cli.guard import print_data
from deltarule.cli.table import source_of

if TYPE_CHECKING:
    import polars as pl

    from deltarule.model.prediction_stream import Predictions

# Characters of a table that are printed at a time.
PRINTED = 1 << 20


def predict(
    model: ModelFile,
    table: Table,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write all rows and columns to a .csv, .tsv, .parquet, .ndjson, .jsonl or .arrow "
            "file; - for the screen, as CSV.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Add each column's contribution: average + contributions = prediction.",
        ),
    ] = False,
    flags: Annotated[
        bool, typer.Option("--flags", help="Say of each row what learning had not met.")
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Add where this share of rows lie, such as 0.9: as held-out rows did.",
        ),
    ] = None,
    to_table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write all rows to a new table of the same database."),
    ] = None,
    to_view: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make a view of the same database that predicts the rows of --table: no row "
            "travels.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="local|database",
            help="Where --to-table predicts: this machine, or the database, where no row travels.",
        ),
    ] = None,
    rows: Annotated[
        int,
        typer.Option(min=1, max=MOST_SHOWN, metavar="NUMBER", help="Rows to show on the screen."),
    ] = 10,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    where: Where = None,
) -> None:
    """Predict each row of a table."""
    from deltarule.model.model import load
    from deltarule.model.prediction_stream import Columns
    from deltarule.output import check_outputs
    from deltarule.tables.databases.url import is_database
    from deltarule.tables.files.sinks import SINKS
    from deltarule.tables.schema_source import rows_where

    ending = _ending(out)
    if ending is not None and ending not in SINKS:
        what = f"'{out}' should end in {', '.join(SINKS)}"
        raise typer.BadParameter(what, param_hint="--out")
    if to_table is not None and not is_database(table):
        raise typer.BadParameter("the table is not in a database", param_hint="--to-table")
    inside = to_view is not None or engine == "database"
    _check_inside(
        {"--out": out, "--interval": interval, "--where": where, "--query": query},
        {"--explain": explain, "--flags": flags},
        engine,
        to_view,
        to_table,
        is_database=is_database(table),
    )
    loaded = load(model)
    source = source_of(table, read, db_table, query)
    if inside:
        from deltarule.cli.predict_inside import predict_inside

        name = str(to_view or to_table)
        predict_inside(loaded, table, source, name, view=to_view is not None)
        return
    check_outputs({"--out": None if out in (None, "-") else Path(str(out))}, [model, *source.files])
    columns = Columns(explain=explain, flags=flags, interval=interval)
    predictions = loaded.predictions(rows_where(source, where, loaded.record.contract), columns)
    if to_table is not None:
        _write_table(predictions, table, to_table)
    elif out is None or ending is None:
        _show_predictions(predictions, rows)
    else:
        _write(predictions, out, ending)
    for note in predictions.notes:
        print(note, file=sys.stderr)


def _check_inside(
    given: Mapping[str, object],
    flags: Mapping[str, bool],
    engine: str | None,
    to_view: str | None,
    to_table: str | None,
    *,
    is_database: bool,
) -> None:
    """Refuse what does not go together with predictions inside a database."""
    if engine not in (None, "local", "database"):
        raise typer.BadParameter("choose local or database", param_hint="--engine")
    if to_view is None and engine != "database":
        return
    option = "--to-view" if to_view is not None else "--engine"
    if not is_database:
        raise typer.BadParameter("the table is not in a database", param_hint=option)
    if (to_view is None) == (to_table is None) or (to_view is not None and engine == "local"):
        what = "give --to-view, or --to-table with --engine database"
        raise typer.BadParameter(what, param_hint=option)
    others = [name for name, value in given.items() if value is not None]
    others += [name for name, value in flags.items() if value]
    if others:
        what = f"{others[0]} needs rows on this machine: leave it out"
        raise typer.BadParameter(what, param_hint=option)


def _ending(out: str | None) -> str | None:
    """How the file is to be written; None where there is none."""
    if out is None:
        return None
    return ".csv" if out == "-" else Path(out).suffix.lower()


def _show_predictions(made: "Predictions", rows: int) -> None:
    from deltarule.tables.schema_source import widening
    from deltarule.views.text import table

    count, head = widening(made.source, lambda: _counted(made, rows))
    contract = made.scorer.contract
    targets = [c for one in contract.targets for c in one.term.columns]
    own = [*contract.needs, *(name for name in targets if name in head.columns)]
    head = head.select(list(dict.fromkeys([*own, *made.names])))
    print(table(head.columns, head.rows()))
    if count > rows:
        print(f"... {count - rows:,} more rows: --out FILE writes them all")


def _counted(made: "Predictions", rows: int) -> "tuple[int, pl.DataFrame]":
    """How many rows there are, and the first of them."""
    count, head = 0, None
    for frame in made.beside_rows():
        count += frame.height
        if head is None:
            head = frame.head(rows)
        elif head.height < rows:
            head = head.vstack(frame.head(rows - head.height))
    assert head is not None, "there is at least one frame"
    return count, head


def _write_table(made: "Predictions", database: str, name: str) -> None:
    from deltarule.tables.databases.database import write_table
    from deltarule.tables.schema_source import widening
    from deltarule.tables.spill import Spill

    def spilled() -> Spill:
        spill = Spill()
        for frame in made.beside_rows():
            spill.add(frame)
        made.source.release()
        return spill

    # A database is not written to while it is read: some would wait for themselves.
    written = write_table(database, name, widening(made.source, spilled))
    print(f"{written:,} rows written to the new table {name}")


def _write(made: "Predictions", out: str, ending: str) -> None:
    """Into a file, or by way of one to the screen: rows read so far may have to be read again."""
    from deltarule.output import write_whole
    from deltarule.tables.files.sinks import TEXT, write_frames
    from deltarule.tables.schema_source import widening

    written = 0

    def frames() -> Iterator["pl.DataFrame"]:
        nonlocal written
        written = 0  # rows may be read again
        for frame in made.beside_rows(cells=ending in TEXT):
            written += frame.height
            yield frame

    def write(path: Path) -> None:
        write_frames(frames(), path, ending=ending)

    if out != "-":
        widening(made.source, lambda: write_whole(Path(out), write))
        print(f"{written:,} rows written to {out}")
        return
    with tempfile.TemporaryDirectory(prefix="deltarule-") as folder:
        path = Path(folder) / "predictions.csv"
        widening(made.source, lambda: write(path))
        with path.open(encoding="utf-8", newline="") as lines:
            while part := lines.read(PRINTED):
                print_data(part)
