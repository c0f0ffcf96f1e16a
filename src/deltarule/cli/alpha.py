"""deltarule alpha: what the learning rate does on a table."""

import json
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, Query, Table
from deltarule.cli.setting_options import GivenSettings, takes
from deltarule.cli.table import progress_bar, source_of


@takes(
    *("predict", "using", "where", "loss", "ridge", "intercept", "weight", "offset", "exposure"),
    *("start", "freeze", "missing", "missing_words", "dates", "levels"),
    required="predict",
)
def alpha(
    table: Table,
    given: GivenSettings,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="An alpha to explain as well, on the inputs as they stand."
        ),
    ] = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Explain alpha: what settles, what is fastest, how many steps it takes, which column decides.

    deltarule alpha movies.csv --predict gross --using budget --alpha 1e-16
    """
    from deltarule.fit.learning_rate import alpha as explained

    source = source_of(table, read, db_table, query)
    with progress_bar() as progress:
        report = explained(source, **given, alpha=alpha, progress=progress)
    print(json.dumps(report.to_dict(), allow_nan=False) if as_json else report)
