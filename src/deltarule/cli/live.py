"""Steps shown while they are taken: a live view on a terminal, plain lines in a pipe."""

import sys
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

from deltarule.cli.guard import terminal
from deltarule.errors import printable

if TYPE_CHECKING:
    from deltarule.fit.run import Run
    from deltarule.rule.train import Step
    from deltarule.trace.progress import Progress

# A run that is over sooner than this shows nothing by itself.
PATIENCE = 1.0
FRAMES = 8


def shown(run: "Run", steps: "Iterator[Step]", *, live: bool | None) -> "Iterator[Step]":
    """The steps of a run, shown on stderr as they pass.

    `live` True shows them from the first, False never; None on a terminal, once a run takes long.
    """
    terminal = sys.stderr.isatty()
    if live is False or (live is None and not terminal):
        yield from steps
    elif terminal:
        yield from _on_terminal(run, steps, after=0.0 if live else PATIENCE)
    else:
        yield from _in_lines(run, steps)


def _progress(run: "Run") -> "Progress":
    from deltarule.trace.progress import Progress
    from deltarule.trace.sentences import weight_names

    assert run.problem is not None, "there are steps"
    names = [printable(one, one_line=True) for one in weight_names(run.read.schema.inputs)]
    if run.problem.model.intercept:
        names.append("intercept")
    return Progress(names, error_name=f"mean {run.problem.loss.error_name}")


def _on_terminal(run: "Run", steps: "Iterator[Step]", *, after: float) -> "Iterator[Step]":
    from rich.console import Console
    from rich.live import Live

    progress = _progress(run)
    begun, drawn = monotonic(), 0.0
    view: Live | None = None
    try:
        for step in steps:
            progress.add(step)
            now = monotonic()
            if view is None and now - begun >= after:
                view = Live(console=Console(file=terminal()), transient=True, auto_refresh=False)
                view.start()
            if view is not None and (now - drawn >= 1 / FRAMES or step.stopped):
                view.update(progress, refresh=True)
                drawn = now
            yield step
    finally:
        if view is not None:
            view.stop()


def _in_lines(run: "Run", steps: "Iterator[Step]") -> "Iterator[Step]":
    from deltarule.trace.downsample import on_screen

    progress = _progress(run)
    for step in steps:
        progress.add(step)
        if on_screen(step.number) or step.stopped:
            print(progress.line, file=sys.stderr)
        yield step
