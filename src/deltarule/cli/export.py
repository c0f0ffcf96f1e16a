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
            help="python: one file without dependencies.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Where to. Default: the screen, or a pipe."
        ),
    ] = None,
) -> None:
    """Write a model in another form, to predict where deltarule is not installed.

    The form is run on rows made from the model's own ranges and levels, where what runs it is
    installed, and nothing is written that predicts otherwise than the model.

    deltarule export model.json --to python -o model.py
    """
    from deltarule.errors import LearningError
    from deltarule.export.registry import EXPORTS
    from deltarule.model.export import write_export
    from deltarule.model.model import load
    from deltarule.output import check_outputs

    if to not in EXPORTS:
        raise LearningError(f"there is no form '{to}': choose {', '.join(EXPORTS)}")
    loaded = load(model)
    check_outputs({"--out": out}, [model])
    made = loaded.exported(to)
    if out is not None:
        write_export(out, made.content)
        print(f"{out} written, {made.check}")
        return
    if isinstance(made.content, bytes):
        raise LearningError(f"{to} is no text: say with --out where to")
    print_data(made.content)
    print(str(made.check), file=sys.stderr)
