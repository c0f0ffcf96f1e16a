"""deltarule learn: a model from a table."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, KeepSummary, Query, Table
from deltarule.cli.guard import print_data
from deltarule.cli.keep_learning import (
    ForExchange,
    MinLevelRows,
    OldTable,
    SummaryFile,
    fewest_rows,
    learn_into,
)
from deltarule.cli.report import write_report
from deltarule.cli.setting_options import OPTIONS, GivenSettings, option_name, takes
from deltarule.cli.table import progress_bar, source_of
from deltarule.cli.trace import Tracing


@takes(*OPTIONS)
def learn(
    table: Table,
    given: GivenSettings,
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
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the model here.")] = None,
    keep_summary: KeepSummary = None,
    for_exchange: ForExchange = False,
    min_level_rows: MinLevelRows = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Learn these rows into a model that has its sums: exactly the model of all rows. "
            "With a sample of its rows it is exact where --with gives them.",
        ),
    ] = None,
    old: OldTable = None,
    summary: SummaryFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --into: also a table that was learnt before.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a web page on the model and this table here."),
    ] = None,
    show_sql: Annotated[
        str | None,
        typer.Option(
            metavar="DIALECT",
            help="In place of the model, the queries that --engine database asks, in the SQL of "
            "duckdb, sqlite, postgres, bigquery, snowflake, redshift or spark. A table that is "
            "elsewhere is copied for it, to a file that is removed.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn a model from a table, and say what it predicts, how well, and how it learnt.

    Names have commas between them, and quotes around them where they hold commas.

    deltarule learn movies.csv --predict gross --using budget,genre --save model.json
    """
    from deltarule.fit.run import Run
    from deltarule.fit.settings import Settings
    from deltarule.model.model_and_sums import sums_beside
    from deltarule.output import check_outputs
    from deltarule.tables.schema_source import rows_where

    if into is not None:
        if given:
            message = "--into learns what its model does, as it does: leave it out"
            raise typer.BadParameter(message, param_hint=option_name(next(iter(given))))
        more = source_of(table, read, db_table, query)
        others = None if old is None else source_of(old, read, None, None)
        learn_into(into, more, old=others, summary=summary, again=again, as_json=as_json)
        return
    if old is not None:
        raise typer.BadParameter("--with goes with --into", param_hint="--with")
    if not given.get("predict"):
        raise typer.BadParameter("say which column to predict", param_hint="--predict")
    sampled = "keep_sample" in given
    if (sampled or keep_summary is not None) and save is None:
        option = "--keep-sample" if sampled else "--keep-summary"
        raise typer.BadParameter(f"{option} goes with a model's file: name it with --save")
    if sampled and keep_summary is None and save is not None:
        keep_summary = sums_beside(save)
    least = fewest_rows(for_exchange, min_level_rows, keep_summary)
    how = Tracing.of(trace, trace_rows, words=words, live=live, as_json=as_json)
    source = source_of(table, read, db_table, query)
    if show_sql is not None:
        from deltarule.cli.show_sql import queries_of

        if as_json or any(one is not None for one in (save, keep_summary, report, trace)):
            message = "it prints queries, and no model: leave out what is to become of one"
            raise typer.BadParameter(message, param_hint="--show-sql")
        print_data(queries_of(source, given, show_sql))
        return
    other = None
    if "hold_out" in given:
        other = given["hold_out"] = source_of(given["hold_out"], read, None, None)
    check_outputs(
        {"--trace": how.file, "--save": save, "--keep-summary": keep_summary, "--report": report},
        [*source.files, *(() if other is None else other.files)],
    )
    with progress_bar() as progress:
        settings = Settings(
            **given,
            trace_rows=how.rows,
            keep_summary=keep_summary is not None and not sampled,
            progress=progress,
        )
        run = Run.of(source, settings)
    model = run.model(how.trace(run))
    if save is not None:
        model.save(save, summary=keep_summary, min_level_rows=least)
    if report is not None:
        rows = rows_where(source, given.get("where"), model.record.contract)
        write_report(model, rows, report)
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)
