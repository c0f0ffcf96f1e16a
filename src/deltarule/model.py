"""A fitted model: a schema, weights and how it compared; it predicts, explains and compares.

score      = intercept + sum over inputs of weight * input
prediction = the score through the loss's link
average    = the score of the average row;  contribution = weight * (input - its average)
score      = average + the contributions of all columns
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import polars as pl

from deltarule import saved
from deltarule.errors import EmptyError, TargetError
from deltarule.explanation import Explanation, explained
from deltarule.moments.moments import Moments
from deltarule.rule.losses import Loss, each_output, together
from deltarule.rule.predict import Array, Weights
from deltarule.summary import number, paragraphs, share
from deltarule.tables.frames import open_table
from deltarule.tables.names import check_there, column
from deltarule.tables.noticed import Met, flags_of
from deltarule.tables.polars import UnparsedError
from deltarule.tables.schema import Noticed
from deltarule.tables.source import Source
from deltarule.views import overview

if TYPE_CHECKING:
    from deltarule.saved import Record


T = TypeVar("T")


@dataclass(frozen=True)
class OutputCompared:
    """How one output's predictions fit a table. Units: the target's.

    r2 is about the table's own mean; guessing is predicting the mean of the rows learnt from.
    """

    output: str
    rmse: float
    r2: float | None
    baseline_rmse: float
    loss: float
    baseline_loss: float


@dataclass(frozen=True)
class Compared:
    """A model compared with a table."""

    rows: float
    rows_left_out: int
    outputs: tuple[OutputCompared, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.rows:,.0f} rows compared" + _left_out(self.rows_left_out)]
        for one in self.outputs:
            r2 = "" if one.r2 is None else f", R2 {share(one.r2)}"
            lines.append(
                f"{one.output}: typical error {number(one.rmse)}, "
                f"guessing the mean {number(one.baseline_rmse)}{r2}"
            )
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            **asdict(self),
            "outputs": [asdict(one) for one in self.outputs],
            "notes": list(self.notes),
        }


def _left_out(rows: int) -> str:
    return f", {rows:,} left out for a missing target" if rows else ""


class Model:
    """A fitted model. Made by `learn` or `load`."""

    def __init__(self, record: "Record") -> None:
        self._record = record

    @property
    def record(self) -> "Record":
        """Everything the model is, as checked data."""
        return self._record

    @cached_property
    def loss(self) -> Loss:
        """What a row's wrongness counts for, with its link."""
        return together(self._record.losses)

    @property
    def outputs(self) -> list[str]:
        """The targets' names."""
        return [target.name for target in self._record.contract.targets]

    @property
    def prediction_columns(self) -> list[str]:
        """What the columns of a prediction are called."""
        return [f"{output}_prediction" for output in self.outputs]

    @cached_property
    def _weights(self) -> Weights:
        flat = np.array([record.weight for record in self._record.weights])
        weights = {"weight": flat.reshape(len(self.outputs), -1).T}
        if self._record.intercept:
            weights["intercept"] = np.array([record.weight for record in self._record.intercept])
        return weights

    @property
    def weights(self) -> pl.DataFrame:
        """The weights as a table, each with how sure it is; intercepts first."""
        schema: dict[str, type[pl.DataType]] = {
            "output": pl.String,
            "input": pl.String,
            "level": pl.String,
        }
        schema |= dict.fromkeys(["weight", "standard_error", "t", "p", "low", "high"], pl.Float64)
        rows = [
            {"input": "(intercept)", "level": None, **one.model_dump()}
            for one in self._record.intercept
        ]
        return pl.DataFrame(
            [*rows, *(one.model_dump() for one in self._record.weights)], schema=schema
        )

    def moments(self) -> list[Moments]:
        """Each fold's moments of the inputs and targets, if the model carries them."""
        columns = len(self._record.contract.inputs) + len(self.outputs)
        return [saved.unpack(one, columns) for one in self._record.moments]

    def predict(self, table: Any, *, flags: bool = False) -> Any:
        """The predictions, a row for each of the table's, in the table's own kind of frame.

        A dict of single values gives a dict; a path gives a polars frame. With `flags`, a column
        says in words what each row holds that learning had not met; it is null where nothing.
        Errors:  TableError for a table that lacks a column or holds what cannot be computed with
        """
        frame, back, _ = self._predicted(table, flags=flags)
        return back(frame)

    @overload
    def explain(self, table: Any) -> Any: ...
    @overload
    def explain(self, table: Any, *, row: int) -> Explanation: ...
    def explain(self, table: Any, *, row: int | None = None) -> Any:
        """For each row and output: the average score, each column's contribution, the prediction.

        With squared loss all are in the target's units and the score is the prediction. With other
        losses contributions add up to the score, in log odds or log counts. With `row`, counted
        from 1 as in messages, it is that row's Explanation: sorted by size, to be read.
        Errors:  EmptyError where there is no such row
        """
        if row is not None:
            source, _ = open_table(table)
            return _widening(source, lambda: self._explained(source, row))
        frame, back, _ = self._predicted(table, explain=True)
        return back(frame)

    def _explained(self, source: Source, row: int) -> Explanation:
        contract, before = self._record.contract, 0
        for batch in self._batches(source, contract.needs):
            at = row - 1 - before
            if 0 <= at < batch.height:
                view = contract.view(batch[at : at + 1], name=source.name, row=row - 1)
                how = (self._record, self.loss, self._scores)
                return explained(view, *how, table=source.name, number=row)
            before += batch.height
        raise EmptyError(
            f"{source.name} has no row {row:,}: its {before:,} rows are counted from 1"
        )

    def predict_noticing(
        self, table: Any, *, explain: bool = False, flags: bool = False
    ) -> tuple[Any, list[str]]:
        """Predictions, and in words what was new in the table."""
        frame, back, met = self._predicted(table, explain=explain, flags=flags)
        return back(frame), self._notes(met)

    def _predicted(
        self, table: Any, *, explain: bool = False, flags: bool = False
    ) -> tuple[pl.DataFrame, Any, Met]:
        source, back = open_table(table)
        frame, met = _widening(
            source, lambda: self._predicted_rows(source, explain=explain, flags=flags)
        )
        met.said = list(source.notes)
        return frame, back, met

    def _predicted_rows(
        self, source: Source, *, explain: bool, flags: bool
    ) -> tuple[pl.DataFrame, Met]:
        contract, met = self._record.contract, Met()
        parts = []
        for batch in self._batches(source, contract.needs):
            view = contract.view(batch, name=source.name, row=met.rows)
            inputs, noticed = contract.encode(view, name=source.name, row=met.rows)
            made = self._frame(inputs, explain=explain)
            if flags:
                made = made.with_columns(flags_of(noticed, batch.height))
            parts.append(made)
            met.add(noticed, batch.height)
        met.ignored = [
            c for c in source.look().columns if c not in contract.needs and c not in self.outputs
        ]
        if parts:
            return pl.concat(parts), met
        frame = self._frame(np.zeros((0, len(self._record.means))), explain=explain)
        return frame.with_columns(flags_of(Noticed(), 0)) if flags else frame, met

    def _batches(self, source: Source, needed: list[str]) -> Iterator[pl.DataFrame]:
        if not source.typed:
            # Parsed as numbers where they can be; else read as text, to say what is wrong where.
            expected = self._record.contract.expects
            source.expect(expected)
            try:
                source.look()
            except UnparsedError:
                source.expect(dict.fromkeys(expected, pl.String))
        look = source.look()
        if not look.columns:
            return  # no rows at all, such as an empty list
        check_there(look.columns, needed, name=source.name)
        yield from source.batches([column(name) for name in needed])

    def _scores(self, inputs: Array) -> Array:
        """Input by input: a row scores the same to the last bit whatever rows are beside it.

        Shapes:  inputs (n, p) -> (n, k)
        """
        scores = np.zeros((len(inputs), len(self.outputs)))
        if self._record.intercept:
            scores += self._weights["intercept"]
        for values, weight in zip(inputs.T, self._weights["weight"], strict=True):
            scores += values[:, None] * weight
        return scores

    def _frame(self, inputs: Array, *, explain: bool) -> pl.DataFrame:
        scores = self._scores(inputs)
        predictions = self.loss.mean(scores)
        columns: dict[str, Array] = {}
        means = np.array(self._record.means)
        average = self._scores(means[None])[0]
        for at, output in enumerate(self.outputs):
            if explain:
                columns[f"{output}_average"] = np.full(len(inputs), average[at])
                for name, span in self._record.contract.spans().items():
                    weight = self._weights["weight"][span, at]
                    columns[f"{output}_from_{name}"] = (inputs[:, span] - means[span]) @ weight
                if self._record.loss != "squared":
                    columns[f"{output}_score"] = scores[:, at]
            columns[self.prediction_columns[at]] = predictions[:, at]
        return pl.DataFrame(columns)

    def compare(self, table: Any) -> Compared:
        """How well the model predicts a table that has its targets.

        Errors:  EmptyError when no row has all targets
        """
        source, _ = open_table(table)
        return _widening(source, lambda: self._compared(source))

    def _compared(self, source: Source) -> Compared:
        contract = self._record.contract
        goals = [column for target in contract.targets for column in target.term.columns]
        needed = list(dict.fromkeys([*contract.needs, *goals]))
        if contract.row_weight is not None and contract.row_weight in source.look().columns:
            needed.append(contract.row_weight)
        sums, met, left_out = _ComparedSums(len(self.outputs)), Met(), 0
        guess = np.array(self._record.target_means)
        for batch in self._batches(source, needed):
            view = contract.view(batch, name=source.name, row=met.rows, targets=True)
            inputs, noticed = contract.encode(view, name=source.name, row=met.rows)
            targets = contract.outcomes(view, name=source.name, row=met.rows)
            keep = ~np.isnan(targets).any(axis=1)
            self._check_targets(targets, keep, name=source.name, row=met.rows)
            scores = self._scores(inputs[keep])
            sums.add(
                self.loss,
                scores,
                targets[keep],
                guess,
                _row_weights(batch, contract.row_weight, keep),
            )
            left_out += int((~keep).sum())
            met.add(noticed, batch.height)
        if sums.rows == 0:
            raise EmptyError(f"{source.name} has no row with a target: there is nothing to compare")
        outputs = tuple(sums.output(at, name) for at, name in enumerate(self.outputs))
        met.said = list(source.notes)
        return Compared(sums.rows, left_out, outputs, tuple(self._notes(met)))

    def _check_targets(self, targets: Array, keep: Any, *, name: str, row: int) -> None:
        wrong = keep & ~self.loss.accepts(np.where(keep[:, None], targets, 0.0)).all(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise TargetError(
                f"{name}, row {row + at + 1}: {self.loss.name} loss takes {self.loss.takes}"
            )

    def _notes(self, met: "Met") -> list[str]:
        return met.notes({column.name: column for column in self._record.contract.columns})

    def save(self, path: str | Path, *, moments: bool = True) -> None:
        """Write the model file, whole or not at all; without `moments` it is as small as can be.

        Weights that are not finite never get this far: a record refuses them.

        Errors:  OutputError
        """
        record = self._record if moments else self._record.model_copy(update={"moments": ()})
        saved.save(record, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, as `--json` prints it."""
        record = self._record
        fit = [one.model_dump() for one in record.fit]
        held_out = (
            None if record.held_out is None else [one.model_dump() for one in record.held_out]
        )
        learnt = [one.model_dump(exclude={"course"}) for one in record.learnt]
        one = len(self.outputs) == 1
        return {
            "rows": record.rows,
            "rows_left_out": record.rows_left_out,
            "loss": record.loss,
            "outputs": self.outputs,
            "weights": [weight.model_dump() for weight in record.weights],
            "intercept": [intercept.model_dump() for intercept in record.intercept],
            "fit": fit[0] if one else fit,
            "held_out": held_out[0] if one and held_out else held_out,
            "learn": learnt[0] if len(learnt) == 1 else learnt,
            "columns": [column.model_dump() for column in record.columns],
            "notes": list(record.notes),
        }

    def __str__(self) -> str:
        return paragraphs(self._record)

    def _repr_html_(self) -> str:
        return overview.cell(self._record)

    def __repr__(self) -> str:
        inputs = ", ".join(column.name for column in self._record.contract.columns)
        return f"<deltarule model: {', '.join(self.outputs)} from {inputs}>"


def load(path: str | Path) -> Model:
    """Read a model file.

    Errors:  ModelError and its kinds
    """
    return Model(saved.load(Path(path)))


def _widening(source: Source, work: Callable[[], T]) -> T:
    """The work, once more where later rows have wider types than the first showed."""
    try:
        return work()
    except UnparsedError:
        if not source.widen():
            raise
        return work()


def _row_weights(batch: pl.DataFrame, column: str | None, keep: Any) -> Array:
    if column is None or column not in batch.columns:
        return np.ones(int(keep.sum()))
    weights: Array = np.nan_to_num(batch[column].cast(pl.Float64).to_numpy()[keep], nan=0.0)
    return weights


class _ComparedSums:
    """Sums over rows from which `Compared` is told."""

    def __init__(self, outputs: int) -> None:
        self.rows = 0.0
        self.squared, self.guessed = np.zeros(outputs), np.zeros(outputs)
        self.loss, self.guessed_loss = np.zeros(outputs), np.zeros(outputs)
        self.targets = Moments.none(outputs)

    def add(self, loss: Loss, scores: Array, targets: Array, guess: Array, each: Array) -> None:
        predictions = loss.mean(scores)
        self.rows += float(each.sum())
        self.squared += each @ (predictions - targets) ** 2
        self.guessed += each @ (guess - targets) ** 2
        with np.errstate(divide="ignore"):
            flat = np.broadcast_to(loss.score(guess), scores.shape)
        for at, own in enumerate(each_output(loss, scores.shape[1])):
            one = slice(at, at + 1)
            self.loss[at] += each @ own.value(scores[:, one], targets[:, one])
            self.guessed_loss[at] += each @ own.value(flat[:, one], targets[:, one])
        self.targets = self.targets + Moments.of(targets, each)

    def output(self, at: int, name: str) -> OutputCompared:
        about_mean = float(self.targets.cross[at, at])
        return OutputCompared(
            output=name,
            rmse=float(np.sqrt(self.squared[at] / self.rows)),
            r2=1 - float(self.squared[at]) / about_mean if about_mean > 0 else None,
            baseline_rmse=float(np.sqrt(self.guessed[at] / self.rows)),
            loss=float(self.loss[at] / self.rows),
            baseline_loss=float(self.guessed_loss[at] / self.rows),
        )
