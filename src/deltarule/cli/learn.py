"""deltarule learn: a model from a table."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import (
    Between,
    DatabaseTable,
    Dates,
    How,
    Json,
    KeepSummary,
    Lasso,
    MissingWords,
    MostLevels,
    Positive,
    Query,
    Ridge,
    Table,
    Where,
    batch_of,
    name_and_value,
    names,
    pair,
    range_of,
    start_of,
    strengths_of,
)
from deltarule.cli.keep_learning import SummaryFile, learn_into
from deltarule.cli.report import write_report
from deltarule.cli.table import progress_bar, source_of
from deltarule.cli.trace import Tracing


def learn(
    table: Table,
    predict: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Columns to predict, with commas between them, or SQL expressions over them: "
            "log(price).",
        ),
    ] = None,
    using: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Columns to predict from, with commas between them, or SQL expressions over them: "
            "log(budget), year - 1970, budget:genre, poly(x, 3). Default: all that can be used.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS", help="Columns not to predict from; all others that can be used are."
        ),
    ] = None,
    where: Where = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What a wrong row counts for, one for all targets or one each: squared (amounts), "
            "logistic (yes/no), softmax (classes), poisson (counts), gamma or tweedie(1.5) "
            "(positive amounts), huber (outliers), absolute (median), quantile(0.9) (bound). "
            "Default: squared, logistic or softmax, by the target's values.",
        ),
    ] = None,
    ridge: Ridge = None,
    lasso: Lasso = None,
    positive: Positive = None,
    between: Between = None,
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
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="A column that counts rows. With logistic: trials, the target their share of "
            "successes.",
        ),
    ] = None,
    offset: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Added to every score as it is, not learnt; also an SQL expression, such as "
            "log(exposure).",
        ),
    ] = None,
    exposure: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="How much each row was exposed to, for counts: short for --offset log(COLUMN).",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            show_default="5",
            metavar="NUMBER",
            help="Parts to hold out in turn for the error on held-out rows (cross-validation).",
        ),
    ] = None,
    row_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Says who or what a row is of: folds depend on it, not on the row's number. It is "
            "no input.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Hold out whole groups, such as customers: rows of one value stay together.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Hold out forward in time: each period is predicted from the earlier ones only.",
        ),
    ] = None,
    errors: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="Standard errors: classical; robust or HC0 to HC3 where residuals vary in size "
            "(heteroscedasticity); cluster, CR0 or CR1 where those of a group are correlated. By "
            "one more pass over the rows.",
        ),
    ] = "classical",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Rows that belong together, such as a customer's, for standard errors by cluster. "
            "Default with --errors cluster: the --group.",
        ),
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A table of rows set aside: the error on held-out rows is of these.",
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=LEVEL",
            help="The level others are compared with. Default: the most frequent.",
        ),
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="exact, descent, momentum, nesterov, adam or newton. Default: exact, or newton "
            "where it must.",
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="The learning rate: plain descent on the inputs as they stand."
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|NAME=NUMBER", help="What weights start at, all of them or by name."
        ),
    ] = "0",
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="The most steps to take. Default: 10000; with --batch, --epochs decides.",
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(
            metavar="all|NUMBER",
            help="How many rows a step sees: 1 is one row at a time. An epoch is one round.",
        ),
    ] = "all",
    epochs: Annotated[
        int, typer.Option(metavar="NUMBER", help="The most epochs, with --batch.")
    ] = 100,
    shuffle: Annotated[
        bool,
        typer.Option(
            "--shuffle/--in-order", help="Each epoch in an order of its own, or in the table's."
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(metavar="NUMBER", help="What the orders are drawn from.")
    ] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            help="Stop when every weight_delta is this small beside the largest at the start.",
        ),
    ] = 1e-8,
    freeze: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=NUMBER]", help="Weights that keep their start, or this value."),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="[FILE]",
            help="The steps, on the screen or into a file: .csv, .parquet or .jsonl. Of a long run "
            "a part, with the first, the last and the telling ones.",
        ),
    ] = None,
    trace_rows: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBERS", help="Rows that each step is also shown for, such as 1,5."),
    ] = None,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            show_default=False,
            help="Error and weights while learning. Default: on a terminal, when it takes long.",
        ),
    ] = None,
    words: Annotated[
        bool,
        typer.Option("--words", help="Each step spelled out, for --trace-rows or for row 1."),
    ] = False,
    missing_words: MissingWords = None,
    dates: Dates = None,
    levels: MostLevels = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who goes over the rows: local, this machine, or an engine where the rows are. "
            "Default: chosen by the table, and said where it is another.",
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the model here.")] = None,
    keep_summary: KeepSummary = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Learn these rows into a model that has its sums: exactly the model of all rows.",
        ),
    ] = None,
    summary: SummaryFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --into: also a table that was learnt before.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a web page on the model and this table here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn a model from a table, and say what it predicts, how well, and how it learnt.

    deltarule learn movies.csv --predict gross --using budget,genre --save model.json
    """
    from deltarule.fit import Run
    from deltarule.fit.settings import Settings
    from deltarule.output import check_outputs
    from deltarule.tables.filtered import where_of

    if into is not None:
        if predict:
            told = "--into learns what its model does: leave it out"
            raise typer.BadParameter(told, param_hint="--predict")
        more = source_of(table, read, db_table, query)
        learn_into(into, more, summary=summary, again=again, as_json=as_json)
        return
    if not predict:
        raise typer.BadParameter("say which column to predict", param_hint="--predict")
    if keep_summary is not None and save is None:
        raise typer.BadParameter("--keep-summary goes with a model's file: name it with --save")
    how = Tracing.of(trace, trace_rows, words=words, live=live, as_json=as_json)
    source = source_of(table, read, db_table, query)
    other = None if hold_out is None else source_of(hold_out, read, None, None)
    check_outputs(
        {"--trace": how.file, "--save": save, "--keep-summary": keep_summary, "--report": report},
        [*source.files, *(() if other is None else other.files)],
    )
    with progress_bar() as progress:
        settings = Settings(
            predict=names(predict),
            using=names(using) if using else None,
            without=names(without),
            where=where,
            loss=names(loss) or "auto",
            positive=names(positive),
            between=dict(range_of(one, "--between") for one in names(between)),
            **strengths_of(ridge, lasso),
            intercept=intercept,
            missing=missing,
            weight=weight,
            offset=offset,
            exposure=exposure,
            folds=folds,
            errors=errors,
            cluster=cluster,
            id=row_id,
            group=group,
            time=time,
            hold_out=other,
            reference=dict(pair(one, "--reference", "COLUMN=LEVEL") for one in names(reference)),
            missing_words=names(missing_words),
            dates=names(dates) if dates else None,
            levels=levels,
            learner=learner,
            alpha=alpha,
            start=start_of(start),
            steps=steps,
            batch=batch_of(batch),
            epochs=epochs,
            shuffle=shuffle,
            seed=seed,
            tolerance=tolerance,
            freeze=dict(name_and_value(one) for one in names(freeze)),
            trace_rows=how.rows,
            keep_summary=keep_summary is not None,
            engine=engine,
            progress=progress,
        )
        run = Run(source, settings)
    how.trace(run)
    model = run.model()
    if save is not None:
        model.save(save, summary=keep_summary)
    if report is not None:
        write_report(model, where_of(source, where), report)
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)
