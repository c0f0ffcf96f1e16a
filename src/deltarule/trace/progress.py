"""Progress display of a terminal: the error so far as a sparkline, and the current weights."""

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deltarule.moments.stacked import stack
from deltarule.rule.train import Step
from deltarule.trace.loss_history import LossHistory
from deltarule.views.format import number

BARS = "▁▂▃▄▅▆▇█"
WEIGHTS_SHOWN = 8
WIDTH = 60
# The loss of one minibatch is mostly noise, so the mean of about so many is shown.
MEAN_OF = 50


class Progress:
    """The progress so far, as a terminal shows it."""

    def __init__(self, weights: Sequence[str], *, error_name: str) -> None:
        """`weights` are their names, the intercept last, in the order of `stack`."""
        self.names, self.error_name = list(weights), error_name
        self.course = LossHistory()
        self.step: Step | None = None
        self.error = np.nan

    def add(self, step: Step) -> None:
        """Add a step."""
        self.step = step
        error = step.error
        share = 1.0 if step.saw is None else 1 / min(step.number, MEAN_OF)
        self.error = error if step.number == 1 else self.error + share * (error - self.error)
        self.course.add(step.number, self.error)

    @property
    def line(self) -> str:
        """The progress in one line."""
        if self.step is None:
            return "no step yet"
        epoch = "" if self.step.epoch is None else f", epoch {self.step.epoch:,}"
        alpha = "" if self.step.alpha is None else f", alpha {number(self.step.alpha)}"
        error = f"{self.error_name} {number(self.error)}"
        return f"step {self.step.number:,}{epoch}: {error}{alpha}"

    def __rich__(self) -> RenderableType:
        """The whole display, for rich."""
        if self.step is None:
            return Text(self.line)
        return Group(
            Text(self.line, style="bold"),
            Text(sparkline([error for _, error in self.course], WIDTH), style="cyan"),
            self._weights(self.step),
        )

    def _weights(self, step: Step) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("weight")
        table.add_column("now", justify="right", min_width=12)
        table.add_column("")
        table.add_column("last change", justify="right", min_width=11)
        now = stack(step.weights)[:, 0]
        with np.errstate(all="ignore"):
            changed = now - stack(step.before)[:, 0]
        for name, weight, change in list(zip(self.names, now, changed, strict=True))[
            :WEIGHTS_SHOWN
        ]:
            arrow = "↑" if change > 0 else "↓" if change < 0 else "·"
            colour = "green" if change > 0 else "red" if change < 0 else "dim"
            by = Text(number(abs(float(change))), style=colour)
            # Plain text: brackets in a column's name are not markup.
            table.add_row(Text(name), Text(number(float(weight))), Text(arrow, style=colour), by)
        more = len(now) - WEIGHTS_SHOWN
        if more > 0:
            table.add_row(Text(f"and {more:,} more", style="dim"))
        return table


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as bars, on a log scale where they span more than a factor of ten.

    >>> sparkline([1.0, 2.0, 3.0, 8.0], 4)
    '▁▂▃█'
    """
    finite = np.array([value for value in values if np.isfinite(value)])
    if not finite.size:
        return ""
    at = np.linspace(0, len(finite) - 1, min(width, len(finite))).round().astype(int)
    shown = finite[at]
    if shown.min() > 0 and shown.max() > 10 * shown.min():
        shown = np.log(shown)
    low, high = float(shown.min()), float(shown.max())
    share = (shown - low) / (high - low) if high > low else np.zeros_like(shown)
    return "".join(BARS[round(float(one) * (len(BARS) - 1))] for one in share)
