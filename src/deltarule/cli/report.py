"""deltarule report: a model and a table as one web page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.arguments import DatabaseTable, How, ModelFile, Query, Table, Where
from deltarule.cli.table import source_of


def report(
    model: ModelFile,
    table: Table,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to. Default: here, under the model's name, as model.html.",
        ),
    ] = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    where: Where = None,
) -> None:
    """Write a page on a model: what it predicts, how close it comes on a table, and why.

    deltarule report model.json movies.csv
    """
    from deltarule.model.model import load
    from deltarule.output import check_outputs
    from deltarule.tables.schema_source import rows_where

    loaded, source = load(model), source_of(table, read, db_table, query)
    to = Path(Path(model).with_suffix(".html").name) if out is None else out
    check_outputs({"--out": to}, [model, *source.files])
    write_report(loaded, rows_where(source, where, loaded.record.contract), to)
    print(f"{to} written")


def write_report(model: Any, table: Any, to: Path) -> None:
    """The page, written whole or not at all."""
    from deltarule.output import write_whole
    from deltarule.views.report import report

    page = report(model, table)
    write_whole(to, lambda temporary: temporary.write_text(page, encoding="utf-8"))
