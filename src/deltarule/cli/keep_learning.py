"""deltarule learn --into, and forget: models changed by their sums alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Table, Where
from deltarule.cli.table import source_of

if TYPE_CHECKING:
    from deltarule.model.model import Model

FEWEST_ROWS = 5

SummaryFile = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="FILE",
        help="The model's sums. Default: those beside it, as model.sums beside model.json.",
    ),
]

OldTable = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="TABLE",
        help="The rows that the model was learnt from, where a sample of them was kept: then it is "
        "exact.",
    ),
]
ForExchange = Annotated[
    bool,
    typer.Option(
        "--for-exchange",
        help="The sums are to be handed on: refuse levels that fewer than --min-level-rows rows "
        "hold.",
    ),
]
MinLevelRows = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="NUMBER",
        help=f"The fewest rows of a level in sums that are handed on. Default: {FEWEST_ROWS}.",
    ),
]


def fewest_rows(for_exchange: bool, least: int | None, kept: Path | None) -> int:
    """The fewest rows that a level may have: one where what is kept stays at home."""
    if kept is None and (for_exchange or least is not None):
        raise typer.BadParameter("--for-exchange and --min-level-rows go with --keep-summary")
    return FEWEST_ROWS if least is None and for_exchange else least or 1


def learn_into(
    model: Path, table: Any, *, old: Any, summary: Path | None, again: bool, as_json: bool
) -> None:
    """Have a model learn the rows of another table, too."""
    _change(model, summary, as_json, lambda known: known.learn_more(table, again=again, old=old))


def forget(
    model: ModelFile,
    rows: Table,
    where: Where = None,
    old: OldTable = None,
    summary: SummaryFile = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Forget rows: the model is then exactly as if they had never been there.

    TABLE holds the rows to forget as they were learnt, or with --where the table that they stand
    in. It takes the sums that learn --keep-summary writes beside the model; or with --keep-sample
    the rows that stay, in the table of --where, or of --with less the ids of TABLE. The new model
    and its sums are written over the old ones.

    deltarule forget model.json customers.csv --where "customer = 7"
    """
    source = source_of(rows, read, db_table, query)
    others = None if old is None else source_of(old, read, None, None)
    _change(model, summary, as_json, lambda known: known.forget(source, where=where, old=others))


def _change(
    model: Path, summary: Path | None, as_json: bool, changed: Callable[["Model"], "Model"]
) -> None:
    """Replace a model and its sums by what becomes of them."""
    from deltarule.fit import keep_learning
    from deltarule.model.model_and_sums import alone, sums_beside

    sums = sums_beside(model) if summary is None else summary
    with alone(sums):
        made = changed(keep_learning.load(model, sums))
        made.save(model, summary=sums)
    _tell(made, as_json)


def _tell(model: "Model", as_json: bool) -> None:
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)
