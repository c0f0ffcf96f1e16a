"""deltarule columns: how a table is understood."""

import json

from deltarule.cli.arguments import DatabaseTable, How, Json, Query, Table
from deltarule.cli.setting_options import GivenSettings, takes
from deltarule.cli.table import progress_bar, source_of


@takes("missing_words", "dates", "levels")
def columns(
    table: Table,
    given: GivenSettings,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Show how a table is understood: its form, each column's kind, what learn would make of it.

    deltarule columns movies.csv
    """
    from deltarule.fit.columns import columns

    source = source_of(table, read, db_table, query)
    with progress_bar() as progress:
        overview = columns(source, **given, progress=progress)
    if as_json:
        content = {**vars(overview), "columns": overview.columns.to_dicts()}
        print(json.dumps(content, allow_nan=False))
    else:
        print(overview)
