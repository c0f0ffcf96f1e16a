"""deltarule card: a model card in Markdown."""

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import ModelFile
from deltarule.cli.guard import print_data


def card(
    model: ModelFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to. Default: the screen."),
    ] = None,
) -> None:
    """Write a model card: what it predicts, from what, how well, and its limits, in Markdown.

    deltarule card model.json -o MODEL_CARD.md
    """
    from deltarule.model.model import load
    from deltarule.output import check_outputs, write_whole

    loaded = load(model)
    check_outputs({"--out": out}, [model])
    text = loaded.card()
    if out is None:
        print_data(text)
        return
    write_whole(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    print(f"{out} written")
