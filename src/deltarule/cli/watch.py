"""deltarule watch: the page on which a model is seen to learn."""

from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Query
from deltarule.cli.setting_options import GivenSettings, takes
from deltarule.cli.table import source_of


@takes("predict", "using", "intercept", "start", "freeze")
def watch(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="What learn takes; without one, the lessons."),
    ] = None,
    given: GivenSettings | None = None,
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
    from deltarule.web.app.routes import GivenTable as Shown
    from deltarule.web.app.serve import serve
    from deltarule.web.session import Choices, Session
    from deltarule.web.tables import opened

    shown: Shown | None = None
    given = given or {}
    predict = given.get("predict", [])
    if table is None and predict:
        raise typer.BadParameter("name the table it is a column of", param_hint="--predict")
    if table is not None:
        found = opened(source_of(table, read, db_table, query))
        targets, inputs = found.suggested(predict, given.get("using", []))
        choices = Choices(
            predict=targets,
            using=inputs,
            loss=found.loss_of(targets) if loss == "auto" else loss,
            learner=learner,
            alpha=alpha,
            standardise=alpha is None if standardise is None else standardise,
            ridge=ridge,
            intercept=given.get("intercept", True),
            start=given.get("start", 0.0),
            freeze=tuple(given.get("freeze", ())),
        )
        Session(found, choices)  # what cannot be learnt is refused here, not on the page
        shown = Shown(found, choices)

    def tell(address: str) -> None:
        print(f"Watch it learn at {address}\nCtrl-C ends it.", flush=True)

    serve(shown, port=port, tell=tell, show=show)
