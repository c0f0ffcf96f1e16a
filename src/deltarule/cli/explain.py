"""deltarule explain: how one row's prediction comes about."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Table
from deltarule.cli.table import source_of, tell_order


def explain(
    model: ModelFile,
    table: Table,
    row: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Which row; the first is 1.")
    ] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a web page, with figures.")
    ] = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Explain one row's prediction: average + contribution of each column = prediction.

    deltarule explain model.json movies.csv --row 2000
    """
    from deltarule.model.model import load
    from deltarule.output import check_outputs, write_whole
    from deltarule.views import html

    loaded, source = load(model), source_of(table, read, db_table, query)
    check_outputs({"--report": report}, [model, *source.files])
    explanation = loaded.explain(source, row=row)
    tell_order(source, query)
    if report is not None:
        page = html.page(explanation.heading, explanation.to_html())
        write_whole(report, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    print(json.dumps(explanation.to_dict(), allow_nan=False) if as_json else explanation)
