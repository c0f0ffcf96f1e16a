"""deltarule compare: how well a model predicts a table."""

import json

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Table
from deltarule.cli.table import source_of


def compare(
    model: ModelFile,
    table: Table,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with a table that has the targets."""
    from deltarule.model import load

    found = load(model).compare(source_of(table, read, db_table, query))
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)
