"""Online learning: predict a row, compare it with its target, learn it, one row after the other.

Under squared loss weights are exact after each row: those of all rows so far (`ExactSteps`), of
rows that fade with a half-life, or of a window of the last rows. With other losses each row is one
step of the rule, weight -= alpha * delta * input (`RuleSteps`).

The schema stays as it was learnt: what fills a gap, the levels of a category, the columns that are
left out. A level never seen joins (other), or counts as the average row where there is none; it is
told. Exact means the weights that solving over all rows gives, encoded that way.

The error is progressive: that of predicting each row before it is learnt.

Shapes: p inputs, k outputs, q = p + intercept; a row is x (p,), t (k,).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.errors import LearningError
from deltarule.model.online_rows import OnlineEncoder, OnlineRows
from deltarule.model.online_steps import ExactSteps, RuleSteps, StreamSettings
from deltarule.model.online_sums import GrowingSums, OnlineSums
from deltarule.model.predictor import Predictor
from deltarule.model.record import Record
from deltarule.rule.predict import Array
from deltarule.trace.sentences import weight_names

NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Update:
    """What learning a row, or the rows of a table, did.

    `predictions`, `deltas` (n, k) are from before each row was learnt; a delta is prediction -
    target. `flags` says what is new about the rows, `left_out` why some were not learnt.
    """

    stream: "Stream"
    predictions: Array
    deltas: Array
    flags: Sequence[str]
    left_out: Mapping[str, int]
    _ends: tuple[Array, Array]

    @property
    def rows(self) -> int:
        """How many rows were learnt."""
        return len(self.predictions)

    @property
    def prediction(self) -> Any:
        """A number of one row, an array (n,) of several, None of none; by output if several."""
        return self._by_output(self.predictions)

    @property
    def delta(self) -> Any:
        """prediction - target, as the prediction."""
        return self._by_output(self.deltas)

    @property
    def changed(self) -> dict[str, Any]:
        """How much each weight changed, by name, the intercept as (intercept)."""
        before, after = (self._own(weights) for weights in self._ends)
        return self._named(after - before)

    @property
    def weights(self) -> dict[str, Any]:
        """The weights after it, by name."""
        return self._named(self._own(self._ends[1]))

    def _own(self, weights: Array) -> Array:
        own = self.stream.steps.out(weights)
        return np.vstack([own["intercept"], own["weight"]]) if "intercept" in own else own["weight"]

    def _named(self, weights: Array) -> dict[str, Any]:
        names = self.stream.names
        each = [dict(zip(names, own, strict=True)) for own in weights.T.tolist()]
        named: dict[str, Any] = self._each(each)
        return named

    def _by_output(self, values: Array) -> Any:
        if not len(values):
            return None
        each = values[0].tolist() if len(values) == 1 else list(values.T)
        return self._each(each)

    def _each(self, each: Sequence[Any]) -> Any:
        """What there is of one output, or of each by its name."""
        return each[0] if len(each) == 1 else dict(zip(self.stream.outputs, each, strict=True))

    def __repr__(self) -> str:
        return f"<update by {self.rows:,} rows: delta {self.delta!r}>"


class Stream:
    """A model that learns row by row."""

    def __init__(
        self, predictor: Predictor, settings: StreamSettings, *, sums: GrowingSums | None = None
    ) -> None:
        """With no settings, a model goes on with those of its stream, or else of its table.

        The `sums` of its rows are kept while all rows count alike.
        Errors:  LearningError where nothing says how to go on
        """
        record = predictor.record
        self.predictor = predictor
        before = record.streamed
        if before is not None and settings == StreamSettings():
            settings = StreamSettings(before.half_life, before.window, before.alpha)
        elif settings == StreamSettings() and predictor.loss.closed_form:
            settings = StreamSettings(record.half_life, record.window)
        self.settings = settings
        self.exact = predictor.loss.closed_form and self.settings.alpha is None
        grows = self.exact and not settings.forgets
        self.sums = None if sums is None or not grows else OnlineSums(sums)
        self.encoder = OnlineEncoder(predictor)
        self.steps: ExactSteps | RuleSteps = self._begun()
        self.ahead = False
        """Whether rows were learnt since the record was made."""
        k = len(record.contract.outputs)
        self.mean, self._total = np.array(record.target_means), record.rows
        self.rows, self.weight = 0, 0.0
        self.left_out: Counter[str] = Counter()
        self.squares, self.guessing = np.zeros(k), np.zeros(k)
        if before is not None:
            self.rows, self.weight = before.rows, before.weight
            self.squares = np.array(before.rmse) ** 2 * before.weight
            self.guessing = np.array(before.baseline_rmse) ** 2 * before.weight
        self.outputs = record.contract.outputs
        names = weight_names(record.contract.inputs)
        self.names = ["(intercept)", *names] if record.intercept else names
        self._decay = 2 ** (-1 / self.settings.half_life) if self.settings.half_life else 1.0
        self._most = self.settings.window or np.inf
        offset = record.contract.offset
        self._shifted = offset is None or self.exact

    def _begun(self) -> ExactSteps | RuleSteps:
        record, settings = self.predictor.record, self.settings
        if not self.exact:
            if settings.half_life is not None or settings.window is not None:
                raise LearningError(
                    f"half-lives and windows are for squared loss: with {self.predictor.loss.name} "
                    "loss each row is a step of the rule, which forgets at the pace of --alpha"
                )
            return RuleSteps(self.predictor, settings)
        if not sum(one.rows for one in record.moments) > 0:
            raise LearningError(
                "the model has no moments to go on from, as it was saved without them or has too "
                "many levels: learn it again, or name a learning rate (--alpha), for steps of the "
                "rule"
            )
        steps = ExactSteps(self.predictor, settings)
        if record.streamed is None and steps.differs(self.predictor.weights):
            raise LearningError(
                "the weights are not those that least squares gives (a lasso, a range, frozen "
                "weights, or steps that stopped before): name a learning rate (--alpha) for steps "
                "of the rule"
            )
        return steps

    def update(self, rows: Any) -> Update:
        """Predict, compare and learn a row (a dict), or the rows of a table one after the other.

        Rows that cannot be learnt, as without a target, are left out and told.
        Errors:  TableError and its kinds
        """
        one = self.encoder.row(rows)
        parts = list(self.encoder.table(rows)) if one is None else []
        if self.sums is not None:
            # Not before it is known that they can be read and learnt.
            read = parts if one is None else [one.as_rows()]
            for part in read:
                self.steps.check(part)
            if any(len(part.inputs) for part in read) or not self.encoder.asks:
                self.sums.add(rows)
        if one is not None:
            before = self.steps.weights
            prediction, delta = self._one(one.x, one.t, one.each, one.offset)
            ends = before, self.steps.weights
            return Update(self, prediction[None], delta[None], one.flags, NOTHING, ends)
        return self._learnt(parts)

    @property
    def targets(self) -> list[str]:
        """The targets that are columns."""
        known = self.predictor.contract.targets
        return [target.name for target in known if target.expression is None]

    @property
    def reads(self) -> set[str]:
        """The columns that are read of a row."""
        contract = self.predictor.contract
        weight = [] if contract.row_weight is None else [contract.row_weight]
        plain = [name for name, one in contract.known.items() if one.expression is None]
        return {*contract.read_through, *plain, *self.targets, *weight, *self.encoder.asks}

    def leave_out(self, why: str) -> Update:
        """Count a row that cannot be learnt, for this reason."""
        made = replace(self._learnt([]), left_out=Counter({why: 1}))
        self.left_out += Counter(made.left_out)
        return made

    def updates(self, table: Any) -> Iterator[Update]:
        """The same of a table, batch by batch, in bounded memory."""
        if self.sums is not None:
            rows = 0
            for part in self.encoder.table(table):
                self.steps.check(part)
                rows += len(part.inputs)
            if rows or not self.encoder.asks:
                self.sums.add(table)
        for part in self.encoder.table(table):
            yield self._learnt([part])

    def _learnt(self, parts: Sequence[OnlineRows]) -> Update:
        before, k = self.steps.weights, len(self.mean)
        n = sum(len(part.inputs) for part in parts)
        predictions, deltas = np.empty((n, k)), np.empty((n, k))
        at, flags, left_out = 0, list[str](), Counter[str]()
        for part in parts:
            for x, t, each, offset in zip(
                part.inputs, part.targets, part.each, part.offsets, strict=True
            ):
                predictions[at], deltas[at] = self._one(x, t, float(each), float(offset))
                at += 1
            flags += part.flags
            left_out += part.left_out
        self.left_out += left_out
        ends = before, self.steps.weights
        return Update(self, predictions, deltas, tuple(flags), left_out, ends)

    def _one(self, x: Array, t: Array, each: float, offset: float) -> tuple[Array, Array]:
        prediction, delta = self.steps.learn(x, t, each, offset)
        self.ahead = True
        self.rows += 1
        self.weight += each
        self.squares += each * delta * delta
        apart = self.mean - t
        if self._shifted:
            apart += offset
        self.guessing += each * apart * apart
        # The mean of the rows before, that fades as they do.
        self._total = min(self._total * self._decay + each, self._most)
        self.mean -= apart * (each / self._total)
        return prediction, delta

    def record(self) -> Record:
        """The model's record as it is now."""
        from deltarule.model.online_record import record_of

        made = record_of(self)
        self.ahead = False
        return made

    @property
    def rmse(self) -> Array:
        """The progressive typical error of each output: each row predicted before it is learnt."""
        return np.sqrt(self.squares / self.weight)

    @property
    def baseline_rmse(self) -> Array:
        """That of predicting the mean of the rows before."""
        return np.sqrt(self.guessing / self.weight)
