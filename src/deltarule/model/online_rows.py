"""Rows to learn from one by one: a dict by compiled code, anything else as a table.

Shapes: n rows, p inputs, k targets' outputs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import ExpressionError
from deltarule.model.few_rows import MOST_WEIGHTS, in_words, plain_rows
from deltarule.model.predictor import Predictor
from deltarule.model.scorer import design_tree
from deltarule.rule.predict import Array
from deltarule.scorer.compiled import Compiled, compiled
from deltarule.scorer.runtime.errors import RefusedError
from deltarule.tables.filtered import FilteredSource, condition_of
from deltarule.tables.frames import open_table
from deltarule.tables.left_out import gap, unmet
from deltarule.tables.schema_columns import Category
from deltarule.tables.schema_source import batches, read_as_learnt
from deltarule.tables.unseen_values import UnseenValues

NUMBERS = (float, int, bool)
BOOLEANS = {"true": True, "false": False}
NO_FLAGS: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnlineRows:
    """Rows as arrays: inputs (n, p), targets (n, k), row weights and offsets (n,).

    `left_out` counts the rows that are not among them, by cause; `flags` is what is new about the
    rows, a line for each finding.
    """

    inputs: Array
    targets: Array
    each: Array
    offsets: Array
    left_out: Counter[str]
    flags: Sequence[str]


class OnlineRow(NamedTuple):
    """One row: inputs x (p,), targets t (k,), its weight and its offset."""

    x: Array
    t: Array
    each: float
    offset: float
    flags: Sequence[str]

    def as_rows(self) -> OnlineRows:
        """The same as a batch of one."""
        each, offsets = np.array([self.each]), np.array([self.offset])
        return OnlineRows(self.x[None], self.t[None], each, offsets, Counter(), self.flags)


class OnlineEncoder:
    """Turns rows into arrays, with the schema as it was learnt."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self._contract = predictor, predictor.contract
        where = predictor.record.where
        self._condition = None if where is None else condition_of(where)

    def __getstate__(self) -> dict[str, Any]:
        # Compiled functions cannot be pickled; they are made again.
        own = {"_predictor": self._predictor, "_contract": self._contract}
        return {**own, "_condition": self._condition}

    @property
    def asks(self) -> tuple[str, ...]:
        """The columns of the condition that rows must meet."""
        return () if self._condition is None else tuple(self._condition.columns)

    @cached_property
    def _compiled(self) -> Compiled | None:
        """The functions of a row; None for what they cannot read."""
        contract = self._contract
        targets = contract.targets
        plain = all(one.expression is None for one in targets)
        squares = sum(len(one.levels) ** 2 for one in contract.columns)
        plain &= self._condition is None
        if not plain or contract.missing_words or contract.drop_missing or squares > MOST_WEIGHTS:
            return None
        try:
            return compiled(design_tree(contract))
        except ExpressionError:
            return None

    @cached_property
    def _parts(self) -> list[tuple[tuple[float, ...], tuple[float, ...]] | None]:
        """Of each number its inputs where it is missing, and those beside it where it is not.

        None for a category, whose value is its inputs.
        """
        return [
            None
            if isinstance(one, Category)
            else (((one.mean, 1.0), (0.0,)) if one.gap else ((one.mean,), ()))
            for one in self._contract.columns
        ]

    @cached_property
    def _goals(self) -> list[tuple[str, dict[Any, tuple[float, ...]]]]:
        """Each target's name, and of classes the outputs of each."""
        found = []
        for one in self._contract.targets:
            known: dict[Any, tuple[float, ...]] = {
                name: tuple(float(name == level) for level in one.levels) for name in one.classes
            }
            known |= {yes: known[word] for word, yes in BOOLEANS.items() if word in known}
            found.append((one.name, known))
        return found

    @cached_property
    def _all_plain(self) -> bool:
        """Whether the values of a row without gaps are its inputs."""
        return all(one is not None and not one[1] for one in self._parts)

    def row(self, row: Any) -> OnlineRow | None:
        """A dict as arrays; None for what is not so plain, or has no target."""
        functions = self._compiled
        if row.__class__ is not dict or functions is None:
            return None
        contract, met = self._contract, list[tuple[str, str]]()
        each = offset = 1.0
        try:
            goals: list[float] = []
            for name, known in self._goals:
                if known:
                    goals += known[row[name]]
                else:
                    goals.append(row[name])
            if contract.row_weight is not None:
                each = row[contract.row_weight]
            values: Sequence[Any] = functions.inputs(row, met)
        except (RefusedError, KeyError, ArithmeticError, TypeError):
            return None
        for number in (*goals, each):
            if number.__class__ not in NUMBERS or number - number != 0:
                return None
        if contract.offset is not None:
            values, offset = values[:-1], values[-1]
        else:
            offset = 0.0
        if not each > 0 or offset is None or (met and plain_rows(row) is None):
            return None
        inputs = values if self._all_plain and not met else self._filled(values)
        flags = in_words(met, contract.known) if met else None
        targets = np.array(goals, dtype=np.float64)
        loss = self._predictor.loss
        if not (loss.closed_form or loss.accepts(targets[None]).all()):
            return None
        return OnlineRow(
            np.array(inputs, dtype=np.float64),
            targets,
            float(each),
            offset,
            NO_FLAGS if flags is None else (flags,),
        )

    def _filled(self, values: Sequence[Any]) -> list[float]:
        inputs: list[float] = []
        for value, part in zip(values, self._parts, strict=True):
            if part is None:
                inputs += value
            elif value is None:
                inputs += part[0]
            else:
                inputs.append(value)
                inputs += part[1]
        return inputs

    def table(self, table: Any) -> Iterator[OnlineRows]:
        """A table's rows in batches.

        Errors:  TableError and its kinds
        """
        contract, row, unmet_before = self._contract, 0, 0
        source, _ = open_table(table)
        filtered = None
        if self._condition is not None:
            learnt, words = contract.text_formats, contract.missing_words
            filtered = FilteredSource(source, self._condition, learnt=learnt, words=words)
            source = filtered
        source = read_as_learnt(source, contract)
        weight = [] if contract.row_weight is None else [contract.row_weight]
        for batch in batches(source, self._predictor.compares, contract.expects, wanted=weight):
            scored = self._predictor.scored(batch, name=source.name, row=row)
            drift, left_out = UnseenValues(), scored.causes
            if filtered is not None:
                left_out += self._unmet(filtered.gone - unmet_before)
                unmet_before = filtered.gone
            drift.add(scored.noticed, batch.height)
            keep = np.ones(len(scored.each), dtype=bool)
            if contract.drop_missing:
                for name, mask in scored.noticed.missing.items():
                    gone = keep & mask[scored.number - row]
                    if gone.any():
                        left_out[gap(name)] += int(gone.sum())
                        keep &= ~gone
            offsets = np.zeros(len(keep)) if scored.offsets is None else scored.offsets
            yield OnlineRows(
                scored.inputs[keep],
                scored.targets[keep],
                scored.each[keep],
                offsets[keep],
                left_out,
                tuple(drift.notes(contract.known)),
            )
            row += batch.height
        if filtered is not None and filtered.gone > unmet_before:
            yield self._none(self._unmet(filtered.gone - unmet_before))

    def _unmet(self, rows: int) -> Counter[str]:
        """So many rows do not meet the condition."""
        told = "" if self._condition is None else unmet(self._condition.text)
        return Counter({told: rows} if rows else {})

    def _none(self, left_out: Counter[str]) -> OnlineRows:
        """No rows, and why."""
        record = self._predictor.record
        p, k = len(record.means), len(record.contract.outputs)
        none = np.zeros(0)
        return OnlineRows(np.zeros((0, p)), np.zeros((0, k)), none, none, left_out, ())
