"""deltarule alpha: what the learning rate does on a table."""

import json
from typing import Annotated

import typer

from deltarule.cli.arguments import (
    DatabaseTable,
    Dates,
    How,
    Json,
    MissingWords,
    MostLevels,
    Query,
    Table,
    name_and_value,
    names,
    start_of,
    strengths_of,
)
from deltarule.cli.table import progress_bar, source_of


def alpha(
    table: Table,
    predict: Annotated[
        list[str],
        typer.Option(metavar="COLUMNS", help="Columns to predict, with commas between them."),
    ],
    using: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS", help="Columns or SQL expressions to predict from. Default: all."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="An alpha to explain as well, on the inputs as they stand."
        ),
    ] = None,
    loss: Annotated[str, typer.Option(metavar="NAME", help="As for learn.")] = "auto",
    ridge: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER|NAME=NUMBER", help="As for learn.")
    ] = None,
    intercept: Annotated[
        bool,
        typer.Option(
            "--intercept/--no-intercept", help="Whether predictions may start from other than 0."
        ),
    ] = True,
    missing: Annotated[
        str,
        typer.Option(
            metavar="fill|drop", help="Fill missing inputs with the mean, or drop their rows."
        ),
    ] = "fill",
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column that counts rows.")
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|NAME=NUMBER", help="What weights start at, all of them or by name."
        ),
    ] = "0",
    freeze: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=NUMBER]", help="Weights that keep their start, or this value."),
    ] = None,
    missing_words: MissingWords = None,
    dates: Dates = None,
    levels: MostLevels = None,
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
        found = explained(
            source,
            predict=names(predict),
            using=names(using) if using else None,
            alpha=alpha,
            loss=loss,
            **strengths_of(ridge, None),
            intercept=intercept,
            missing=missing,
            weight=weight,
            start=start_of(start),
            freeze=dict(name_and_value(one) for one in names(freeze)),
            missing_words=names(missing_words),
            dates=names(dates) if dates else None,
            levels=levels,
            progress=progress,
        )
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)
