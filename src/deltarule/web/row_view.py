"""Row view: the drawn rows, predictions and weights of a session at one step.

Shapes: m rows drawn, p inputs, k outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deltarule.errors import DeltaruleError
from deltarule.losses.loss import Loss
from deltarule.rule.predict import Array, Mask, Weights
from deltarule.tables.one_read import Read
from deltarule.tables.schema_columns import MISSING, Number
from deltarule.web.session import Session
from deltarule.web.tables import Table
from deltarule.web.timeline import Position

MOST_DRAWN = 240
MOST_LISTED = 60
GRID = 121
# The name of an input in a row that had no value.
FILLED = "{} (filled in)"


@dataclass(frozen=True)
class ViewData:
    """The drawn sample of the rows held: inputs (m, p), targets (m, k), rows' numbers.

    `missing` are the masks (m,) of the columns of numbers whose gaps are filled in. Where all
    inputs come from one column of numbers, `across` is its name, `x` (m,) its values, and `grid`
    values along it with their inputs, for the line of predictions.
    """

    inputs: Array
    targets: Array
    numbers: Array
    across: str | None
    x: Array
    grid: Array
    grid_inputs: Array
    missing: Mapping[str, Mask]

    def gaps_of(self, place: int) -> list[str]:
        """The columns without a value in a drawn row."""
        return [name for name, mask in self.missing.items() if mask[place]]

    @classmethod
    def of(cls, table: Table, read: Read, *, most: int = MOST_DRAWN) -> "ViewData":
        """The drawn rows of a table, encoded as a run reads it."""
        schema = read.schema
        # Rows without a target are left out, so more are encoded than are drawn.
        step = max(table.held.height // (2 * most), 1)
        frame = table.held.gather_every(step)
        every = table.every * step
        inputs, targets, missing = _encoded(read, frame)
        known = np.flatnonzero(~np.isnan(targets).any(axis=1))
        at = known[np.unique(np.linspace(0, len(known) - 1, most).astype(int))]
        across = _across(schema.needs, frame, [c.kind for c in schema.columns])
        x, grid, grid_inputs = at.astype(float), np.zeros(0), np.zeros((0, inputs.shape[1]))
        if across is not None:
            x = frame[across].cast(pl.Float64, strict=False).to_numpy()[at]
            span = _wide(x, zero=not read.plan.request.intercept)
            grid = np.linspace(span[0], span[1], GRID)
            try:
                line = schema.view(pl.DataFrame({across: grid}), name=table.name)
                grid_inputs, _ = schema.encode(line, name=table.name)
            except DeltaruleError:
                # Not finite, such as log(0): there is no line to draw.
                grid = np.zeros(0)
        numbers = at * float(every) + 1
        # A category's gaps are a level of their own, which its inputs say.
        filled = {one.name for one in schema.columns if isinstance(one, Number)} & missing.keys()
        gaps = {name: missing[name][at] for name in sorted(filled) if missing[name][at].any()}
        return cls(inputs[at], targets[at], numbers, across, x, grid, grid_inputs, gaps)


def _encoded(read: Read, frame: pl.DataFrame) -> tuple[Array, Array, Mapping[str, Mask]]:
    viewed = read.schema.view(frame, name=read.source.name, targets=True)
    inputs, noticed = read.schema.encode(viewed, name=read.source.name)
    return inputs, read.schema.outcomes(viewed, name=read.source.name), noticed.missing


@dataclass(frozen=True)
class Unseen:
    """Held-out rows: inputs (m, p), targets (m, k), perhaps x (m,)."""

    inputs: Array
    targets: Array
    x: Array | None

    @classmethod
    def of(cls, frame: pl.DataFrame, read: Read, across: str | None) -> "Unseen":
        """The rows of a frame, encoded as a run reads it."""
        inputs, targets, _ = _encoded(read, frame)
        return cls(inputs, targets, None if across is None else frame[across].to_numpy())

    def error(self, session: Session, weights: Weights) -> float:
        """Their error at these weights, defined as that of the training rows."""
        problem = session.problem
        with np.errstate(all="ignore"):
            scores = problem.model.predict(weights, self.inputs)
            return session.error(float(problem.loss.value(scores, self.targets).mean()))


def _across(needs: Sequence[str], frame: pl.DataFrame, kinds: Sequence[str]) -> str | None:
    """The only column of numbers that the inputs are computed from, if there is one."""
    if len(needs) != 1 or set(kinds) - {"number"} or not frame[needs[0]].dtype.is_numeric():
        return None
    return needs[0]


def _wide(values: Array, *, zero: bool) -> tuple[float, float]:
    """The range of values, with a margin."""
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * 0.08 or abs(high) * 0.25 or 1.0
    return (low if zero and low == 0 else low - room), (high if zero and high == 0 else high + room)


@dataclass(frozen=True)
class Line:
    """A row of the table of weights."""

    label: str
    output: int
    input: int | None
    """None for the intercept."""
    weight: float
    change: float | None
    frozen: bool


def lines(session: Session) -> list[Line]:
    """The weights with their last changes, output by output."""
    at, problem = session.at, session.problem
    names = labels(session.read)
    found = []
    for output in range(len(session.read.schema.outputs)):
        for place, name in enumerate(names):
            found.append(_line(name, output, place, at, problem.frozen))
        if "intercept" in at.weights:
            found.append(_line("intercept", output, None, at, problem.frozen))
    return found


def _line(
    name: str, output: int, place: int | None, at: Position, frozen: Mapping[str, Mask] | None
) -> Line:
    kind = "intercept" if place is None else "weight"
    index = (output,) if place is None else (place, output)
    weight = float(at.weights[kind][index])
    change = None if at.last is None else weight - float(at.last.before[kind][index])
    held = frozen is not None and bool(frozen[kind][index])
    return Line(name, output, place, weight, change, held)


def labels(read: Read) -> list[str]:
    """The names of the inputs."""
    return [
        name if level is None else level_name(name, level) for name, level in read.schema.inputs
    ]


def labels_of_row(read: Read, drawn: ViewData, place: int) -> list[str]:
    """The names of the inputs, those without a value in a drawn row marked as filled in."""
    return [
        FILLED.format(label) if mask is not None and mask[place] else label
        for label, mask in zip(labels(read), filled(read, drawn), strict=True)
    ]


def filled(read: Read, drawn: ViewData) -> list[Mask | None]:
    """In which of the drawn rows each input was filled in, (m,); None where in none."""
    missing = drawn.missing
    return [missing.get(name) if level is None else None for name, level in read.schema.inputs]


def level_name(name: str, level: str) -> str:
    """The name of the input of a category's level."""
    return f"{name} is missing" if level == MISSING else f"{name} is {level}"


@dataclass(frozen=True)
class Rows:
    """The drawn rows of one output: their predictions, and those along the line."""

    predictions: Array
    targets: Array
    deltas: Array
    line: Array


def rows(session: Session, drawn: ViewData, output: int) -> Rows:
    """The predictions of the drawn rows at the current weights."""
    problem = session.problem
    weights, loss = session.at.weights, problem.loss
    with np.errstate(all="ignore"):
        predictions = loss.link.inverse(problem.model.predict(weights, drawn.inputs))[:, output]
        line = (
            loss.link.inverse(problem.model.predict(weights, drawn.grid_inputs))[:, output]
            if drawn.grid.size
            else drawn.grid
        )
    targets = drawn.targets[:, output]
    return Rows(predictions, targets, predictions - targets, line)


def loss_of(session: Session, output: int) -> Loss:
    """The loss of an output's target."""
    problem = session.problem
    for loss, span in zip(problem.losses, problem.spans, strict=True):
        if output < span.stop:
            return loss
    raise IndexError(output)
