"""The command line as typer has it: its commands, of which only the one that runs is loaded."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated

import typer

from deltarule import __version__
from deltarule.cli.command import CommandGroup, GroupedCommand

COMMANDS: Mapping[str, str] = {
    "learn": "learn",
    "forget": "keep_learning",
    "merge": "merge",
    "update": "update",
    "watch": "watch",
    "compare": "compare",
    "diagnose": "diagnose",
    "drift": "drift",
    "predict": "predict",
    "explain": "explain",
    "export": "export",
    "card": "card",
    "report": "report",
    "serve": "serve",
    "columns": "columns",
    "alpha": "alpha",
    "path": "path",
    "show": "show",
    "demo": "demo",
}
"""Each command's module, in the order that help lists them."""


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line with the command that the arguments begin with; else with all."""
    app = typer.Typer(
        name="deltarule",
        cls=CommandGroup,
        epilog="Try it on real films: deltarule demo",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    first = arguments[0] if arguments else ""
    for name in [first] if first in COMMANDS else COMMANDS:
        module = import_module(f"deltarule.cli.{COMMANDS[name]}")
        app.command(cls=GroupedCommand)(getattr(module, name))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"deltarule {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Learn to predict columns of a table from its others: predict, compare, learn.

    Linear, logistic, softmax, Poisson, gamma and Tweedie regression, quantiles, ridge and lasso,
    with the error on held-out rows (cross-validation) and every number of every step.
    """
