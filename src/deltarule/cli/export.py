"""deltarule export: a model in another form."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import ModelFile
from deltarule.cli.guard import print_data


def export(
    model: ModelFile,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="python, one file without dependencies; javascript, one module for Node and "
            "browsers; sql, a query that predicts a table's rows; onnx.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Where to. Default: the screen, or a pipe."
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of sql: duckdb (the default), postgres, sqlite, mysql, bigquery, snowflake, "
            "spark, tsql, redshift or clickhouse.",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of sql: the table to predict the rows of.")
    ] = None,
    view: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of sql: make a view of this name.")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Of sql: the table's columns beside the predictions, with commas; else those "
            "that the model reads.",
        ),
    ] = None,
    check_in: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of postgres: a database to run the check in, postgresql://HOST/NAME; by a "
            "temporary table, and nothing stays there.",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Of sql and onnx: with each column's contribution.")
    ] = False,
) -> None:
    """Write a model in another form, to predict where deltarule is not installed.

    The form is run on rows made from the model's own ranges and levels, where what runs it is
    installed (Node, onnxruntime; SQLite and DuckDB of sql, PostgreSQL by --check-in), and nothing
    is written that predicts otherwise than the model.

    deltarule export model.json --to python -o model.py

    deltarule export model.json --to sql --dialect postgres --table films --view predicted
    """
    from deltarule.errors import LearningError
    from deltarule.export.registry import EXPORTS
    from deltarule.fit.setting_values import names_in
    from deltarule.model.export import write_export
    from deltarule.model.model import load
    from deltarule.output import check_outputs

    if to not in EXPORTS:
        raise LearningError(f"there is no form '{to}': choose {', '.join(EXPORTS)}")
    loaded = load(model)
    check_outputs({"--out": out}, [model])
    given = {
        "dialect": dialect,
        "table": table,
        "view": view,
        "keep": None if keep is None else names_in(keep),
        "explain": explain or None,
        "check_in": check_in,
    }
    exported = loaded.exported(to, **{name: one for name, one in given.items() if one is not None})
    if out is not None:
        write_export(out, exported.content)
        print(f"{out} written, {exported.check}")
        return
    if isinstance(exported.content, bytes):
        raise LearningError(f"{to} is no text: say with --out where to")
    print_data(exported.content)
    print(str(exported.check), file=sys.stderr)
