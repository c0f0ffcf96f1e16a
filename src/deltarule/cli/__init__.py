"""The command line. Each command has a module of its own, named after it.

Nothing heavy is imported before a command runs, so that help is instant.
"""

import os
import sys
from itertools import pairwise
from typing import Annotated

import typer

from deltarule import __version__
from deltarule.cli.alpha import alpha
from deltarule.cli.card import card
from deltarule.cli.columns import columns
from deltarule.cli.command import CommandGroup, GroupedCommand
from deltarule.cli.compare import compare
from deltarule.cli.demo import demo
from deltarule.cli.diagnose import diagnose
from deltarule.cli.drift import drift
from deltarule.cli.explain import explain
from deltarule.cli.export import export
from deltarule.cli.guard import guarded
from deltarule.cli.keep_learning import forget
from deltarule.cli.learn import learn
from deltarule.cli.merge import merge
from deltarule.cli.path import path
from deltarule.cli.predict import predict
from deltarule.cli.report import report
from deltarule.cli.serve import serve
from deltarule.cli.show import show
from deltarule.cli.trace import ON_SCREEN
from deltarule.cli.update import update
from deltarule.cli.watch import watch

app = typer.Typer(
    name="deltarule",
    cls=CommandGroup,
    epilog="Try it on real films: deltarule demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    learn,
    forget,
    merge,
    update,
    watch,
    compare,
    diagnose,
    drift,
    predict,
    explain,
    export,
    card,
    report,
    serve,
    columns,
    alpha,
    path,
    show,
    demo,
)
"""In the order that help lists them."""

for command in COMMANDS:
    app.command(cls=GroupedCommand)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"deltarule {__version__}")
        raise typer.Exit


@app.callback()
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


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 data or model cannot be used, 2 wrong usage."""
    # Nobody's plugins belong in a command: looking for them in all packages takes pydantic 20 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    arguments = _trace_without_file(sys.argv[1:])
    sys.exit(guarded(lambda: app(arguments, prog_name="deltarule", standalone_mode=False)))


def _trace_without_file(arguments: list[str]) -> list[str]:
    """`--trace` alone means the screen: typer options either always or never take a value."""
    return [
        f"--trace={ON_SCREEN}" if one == "--trace" and following.startswith("-") else one
        for one, following in pairwise([*arguments, "--"])
    ]
