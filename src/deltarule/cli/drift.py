"""deltarule drift: what has changed in a table since a model was learnt."""

import json
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Table, Where
from deltarule.cli.table import source_of

DRIFTED = 3


def drift(
    model: ModelFile,
    table: Table,
    fail_above: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SCORE",
            help="End with exit code 3 where the drift score is above this: 1 is where drift "
            "begins.",
        ),
    ] = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    where: Where = None,
    as_json: Json = False,
) -> int:
    """Say what has changed in a table since a model was learnt: columns, errors, rows far out.

    The worst comes first. A score is the size of a change as a multiple of what is called drift: a
    PSI of 0.25, half a standard deviation (Wasserstein), 5% of rows with new levels, 10% more
    missing or out of range, an error a quarter larger than on held-out rows, twice the leverage.

    deltarule drift model.json january.csv --fail-above 1
    """
    from deltarule.model.model import load

    report = load(model).drift(source_of(table, read, db_table, query), where=where)
    print(json.dumps(report.to_dict(), allow_nan=False) if as_json else report)
    return DRIFTED if fail_above is not None and report.score > fail_above else 0
