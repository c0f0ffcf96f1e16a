"""deltarule predict: a prediction for each row of a table."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli.arguments import DatabaseTable, How, ModelFile, Query, Table
from deltarule.cli.guard import print_data
from deltarule.cli.table import source_of
from deltarule.errors import OutputError

if TYPE_CHECKING:
    from deltarule.model import Model


def predict(
    model: ModelFile,
    table: Table,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all rows and columns to a .csv or .parquet file; - for the screen.",
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
    rows: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Rows to show on the screen.")
    ] = 10,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
) -> None:
    """Predict each row of a table."""
    from deltarule.model import load
    from deltarule.output import check_outputs
    from deltarule.tables.databases.address import is_database
    from deltarule.tables.databases.database import write_table
    from deltarule.tables.files.delimited import CsvSource
    from deltarule.tables.source import all_rows

    if out is not None and out != "-" and Path(out).suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"'{out}' should end in .csv or .parquet", param_hint="--out")
    loaded = load(model)
    source = source_of(table, read, db_table, query)
    to = None if out in (None, "-") else Path(str(out))
    check_outputs({"--out": to}, [model, *source.files])
    if to_table is not None and not is_database(table):
        raise typer.BadParameter("the table is not in a database", param_hint="--to-table")
    predicted, notes = loaded.predict_noticing(
        source, explain=explain, flags=flags, interval=interval
    )
    to_csv = out is not None and not out.lower().endswith(".parquet")
    # From CSV to CSV, cells stay as they were written.
    as_text = to_csv and isinstance(source, CsvSource)
    whole = source.cells() if as_text else all_rows(source)
    clash = [name for name in predicted.columns if name in whole.columns]
    whole = whole.drop(clash).hstack(predicted)
    if to_table is not None:
        written = write_table(table, to_table, [whole])
        print(f"{written:,} rows written to the new table {to_table}")
    elif out is None:
        _show_predictions(loaded, whole, predicted.columns, rows)
    else:
        _write(whole, out)
    for note in notes:
        print(note, file=sys.stderr)


def _show_predictions(loaded: "Model", whole: Any, predicted: list[str], rows: int) -> None:
    from deltarule.views.text import table

    targets = [c for one in loaded.record.contract.targets for c in one.term.columns]
    shown = [
        *loaded.record.contract.needs,
        *(name for name in targets if name in whole.columns),
        *predicted,
    ]
    head = whole.select(shown).head(rows)
    print(table(head.columns, head.rows()))
    if whole.height > rows:
        print(f"... {whole.height - rows:,} more rows: --out FILE writes them all")


def _write(whole: Any, out: str) -> None:
    from deltarule.output import write_whole

    nested = [name for name, kind in whole.schema.items() if kind.is_nested()]
    if nested and not out.lower().endswith(".parquet"):
        what = f"column '{nested[0]}' holds lists, which CSV cannot: use .parquet"
        raise OutputError(f"cannot write {out}: {what}")

    if out == "-":
        print_data(whole.write_csv())
    elif out.lower().endswith(".csv"):
        write_whole(Path(out), whole.write_csv)
    else:
        write_whole(Path(out), whole.write_parquet)
