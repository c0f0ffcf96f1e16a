"""deltarule diagnose: rows that decide too much, and columns that tell each other."""

import json
from typing import Annotated

import typer

from deltarule.cli.arguments import (
    MOST_SHOWN,
    DatabaseTable,
    How,
    Json,
    ModelFile,
    Query,
    Table,
    Where,
)
from deltarule.cli.table import source_of, tell_order


def diagnose(
    model: ModelFile,
    table: Table,
    rows: Annotated[
        int,
        typer.Option(min=1, max=MOST_SHOWN, metavar="NUMBER", help="Rows of each sort to look at."),
    ] = 10,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Say what to look at before trusting the weights, in the table that was learnt from.

    Influential rows and outliers, by their number, and columns that others determine (collinear).
    Of a model learnt with --where, say the same --where here. Shown are the residual in typical
    errors (studentized), the leverage, and Cook's distance: how far all predictions move without
    the row.
    """
    from deltarule.model.model import load
    from deltarule.views.text import table as as_table

    source = source_of(table, read, db_table, query)
    diagnostics = load(model).diagnose(source, rows=rows, where=where)
    tell_order(source, query)
    if as_json:
        print(json.dumps(diagnostics.to_dict(), allow_nan=False))
        return
    print(diagnostics)
    frame = diagnostics.frame.head(rows)
    print(f"\nThe rows that decide most\n{as_table(frame.columns, frame.rows())}")
