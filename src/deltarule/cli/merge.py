"""deltarule merge: one model from the sums that were kept of several tables."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli.arguments import Json, KeepSummary


def merge(
    summaries: Annotated[
        list[Path],
        typer.Argument(
            metavar="SUMMARIES", help="Files of learn --keep-summary, or models beside theirs."
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option("--save", "-o", metavar="FILE", help="Write the model here."),
    ] = None,
    keep_summary: KeepSummary = None,
    as_json: Json = False,
) -> None:
    """Merge what was learnt from several tables, without their rows.

    The weights are those of learning from all rows together. All must have been learnt with the
    same settings: under squared loss with sums, else with samples of rows, which give estimates.

    deltarule merge north.sums south.sums --save both.json
    """
    from deltarule.fit.keep_learning import kept_of
    from deltarule.fit.keep_learning import merge as merged
    from deltarule.model.model_and_sums import sums_beside
    from deltarule.output import check_outputs

    if keep_summary is not None and save is None:
        raise typer.BadParameter("--keep-summary goes with a model's file: name it with --save")
    beside = [sums_beside(one) for one in summaries]
    check_outputs({"--save": save, "--keep-summary": keep_summary}, [*summaries, *beside])
    model = merged(*map(kept_of, summaries))
    if save is not None:
        model.save(save, summary=keep_summary)
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)
