"""deltarule columns: how a table is understood."""

import json

from deltarule.cli.arguments import (
    DatabaseTable,
    Dates,
    How,
    Json,
    MissingWords,
    MostLevels,
    Query,
    Table,
    names,
)
from deltarule.cli.table import progress_bar, source_of


def columns(
    table: Table,
    missing_words: MissingWords = None,
    dates: Dates = None,
    levels: MostLevels = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Show how a table is understood: its form, each column's kind, what learn would make of it.

    deltarule columns movies.csv
    """
    from deltarule.fit.columns import columns

    parts = names(dates) if dates else None
    source = source_of(table, read, db_table, query)
    with progress_bar() as progress:
        found = columns(
            source,
            missing_words=names(missing_words),
            dates=parts,
            levels=levels,
            progress=progress,
        )
    if as_json:
        told = {**vars(found), "columns": found.columns.to_dicts()}
        print(json.dumps(told, allow_nan=False))
    else:
        print(found)
