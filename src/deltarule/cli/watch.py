"""deltarule watch: the page on which a model is seen to learn."""

from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Query, names, start_of
from deltarule.cli.table import source_of


def watch(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="What learn takes; without one, the lessons."),
    ] = None,
    predict: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMNS", help="Columns to predict, with commas between them."),
    ] = None,
    using: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS", help="Columns to predict from, or expressions, as in learn."
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What a wrong row counts for, as in learn; auto by the target."
        ),
    ] = "auto",
    learner: Annotated[str, typer.Option(metavar="NAME", help="What takes the steps.")] = "descent",
    alpha: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="The learning rate. Default: one that settles."),
    ] = None,
    standardise: Annotated[
        bool | None,
        typer.Option(
            "--standardise/--no-standardise",
            help="Take steps on standardised inputs. Default: unless alpha is given.",
        ),
    ] = None,
    ridge: Annotated[float, typer.Option(metavar="NUMBER", help="Penalty on large weights.")] = 0.0,
    intercept: Annotated[
        bool,
        typer.Option(
            "--intercept/--no-intercept", help="Whether predictions may start from other than 0."
        ),
    ] = True,
    start: Annotated[
        str, typer.Option(metavar="NUMBER|NAME=NUMBER", help="What weights start at.")
    ] = "0",
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Weights that keep their start.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="NUMBER", help="The port to listen at. Default: a free one."
        ),
    ] = 0,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in a browser, or only print where.")
    ] = True,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
) -> None:
    """Watch a model learn: a page on this machine alone, until Ctrl-C.

    deltarule watch movies.csv --predict gross --using budget
    """
    from deltarule.web.app.routes import Given
    from deltarule.web.app.serve import serve
    from deltarule.web.session import Choices, Session
    from deltarule.web.tables import opened

    given: Given | None = None
    if table is None and predict:
        raise typer.BadParameter("name the table it is a column of", param_hint="--predict")
    if table is not None:
        found = opened(source_of(table, read, db_table, query))
        targets, inputs = found.suggested(names(predict), names(using))
        choices = Choices(
            predict=targets,
            using=inputs,
            loss=found.loss_of(targets) if loss == "auto" else loss,
            learner=learner,
            alpha=alpha,
            standardise=alpha is None if standardise is None else standardise,
            ridge=ridge,
            intercept=intercept,
            start=start_of(start),
            freeze=tuple(names(freeze)),
        )
        Session(found, choices)  # what cannot be learnt is refused here, not on the page
        given = Given(found, choices)

    def tell(address: str) -> None:
        print(f"Watch it learn at {address}\nCtrl-C ends it.", flush=True)

    serve(given, port=port, tell=tell, show=show)
