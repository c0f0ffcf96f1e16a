"""deltarule compare: how well a model predicts a table, or which of two does it better."""

import json
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Where
from deltarule.cli.table import source_of


def compare(
    model: ModelFile,
    others: Annotated[
        list[str],
        typer.Argument(metavar="[MODEL_B] TABLE", help="Perhaps another model, and a table."),
    ],
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    where: Where = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Of two models: which rows belong together, so that the verdict is of groups. "
            "Default: the models' own --group or --id.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with a table that has the targets.

    With two models, say which predicts the same rows better, by how much, and how sure that is.
    """
    from deltarule.model.model import load

    *more, table = others
    if len(more) > 1:
        raise typer.BadParameter(
            f"{len(others) + 1} were given: give one or two models, then a table"
        )
    models = [load(model), *(load(path) for path in more)]
    if cluster is not None and not more:
        raise typer.BadParameter("--cluster is for the comparison of two models")
    source, settings = source_of(table, read, db_table, query), {"where": where}
    if more:
        settings["cluster"] = cluster
    comparison = models[0].compare(source, *models[1:], **settings)
    print(json.dumps(comparison.to_dict(), allow_nan=False) if as_json else comparison)
