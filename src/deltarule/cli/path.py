"""deltarule path: the weights at one strength of a penalty after the other."""

import json
from pathlib import Path as FilePath
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, Query, Table
from deltarule.cli.setting_options import GivenSettings, takes
from deltarule.cli.table import progress_bar, source_of


@takes(
    *("predict", "using", "where", "loss", "ridge", "lasso", "positive", "between", "intercept"),
    *("weight", "missing", "missing_words", "dates", "levels"),
    required="predict",
)
def path(
    table: Table,
    given: GivenSettings,
    knots: Annotated[
        bool, typer.Option("--knots", help="The strengths at which a weight leaves 0, or ends.")
    ] = False,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    out: Annotated[
        FilePath | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write all of it here, as CSV."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how a penalty shrinks the weights, and which strength held-out rows like best.

    deltarule path movies.csv --predict gross --using budget,year,genre --lasso auto
    """
    from deltarule.fit.path import path
    from deltarule.output import check_outputs, write_whole
    from deltarule.views.text import table as as_table

    source = source_of(table, read, db_table, query)
    check_outputs({"--out": out}, source.files)
    with progress_bar() as progress:
        penalty_path = path(source, **given, progress=progress)
    shown = penalty_path.knots if knots else penalty_path.frame
    if shown is None:
        print("no knots are known: they are those of a lasso under squared loss, without ranges")
        return
    if out is not None:
        write_whole(out, shown.write_csv)
    if as_json:
        content = {"chosen": penalty_path.chosen, "path": penalty_path.frame.to_dicts()}
        content["knots"] = None if penalty_path.knots is None else penalty_path.knots.to_dicts()
        print(json.dumps(content, allow_nan=False))
        return
    if knots:
        print(as_table(shown.columns, shown.rows()))
        return
    print(penalty_path)
    if penalty_path.more:
        print(f"{penalty_path.more} more weights: --out FILE writes them all")
