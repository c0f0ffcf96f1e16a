"""Few rows, as dicts, scored by the compiled tree: a hundredth of the time that a table takes.

What is not plain (other types than JSON's, cells that are refused, columns that are not there,
overflow) is left to the way of tables, which knows all kinds and says what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from deltarule.dataclass import dataclass
from deltarule.errors import ExpressionError
from deltarule.model.predictor import Predictor
from deltarule.model.scorer import tree_of
from deltarule.scorer.compiled import Compiled, compiled
from deltarule.scorer.runtime.errors import RefusedError
from deltarule.tables.schema_columns import Column, Offset
from deltarule.tables.unseen_values import WORDS, UnseenValues, word_of

MOST_ROWS = 64
# Beyond these compiling takes more than half a second, longer than some tables take to predict:
# weights in all, most of them of levels, and terms of all sums.
MOST_WEIGHTS, MOST_TERMS = 100_000, 2_000
CELLS = frozenset((str, float, int, bool, type(None)))
TEXT = frozenset((str,))
NUMBERS = {int, float}
Watch = Callable[[Mapping[str, Any], Sequence[Any], Sequence[tuple[str, str]]], None]


@dataclass(frozen=True)
class Scored:
    """The predictions of some rows, as dicts, and their drift."""

    rows: list[dict[str, Any]]
    drift: UnseenValues | None
    """None where there is none."""


class FewRows:
    """A model's compiled tree, made when it is first used."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def __getstate__(self) -> dict[str, Any]:
        # Compiled functions cannot be pickled; they are made again.
        return {"_predictor": self._predictor}

    @cached_property
    def _compiled(self) -> Compiled | None:
        """The functions; None for what has no form in Python, and for too many weights."""
        contract = self._predictor.contract
        terms = len(contract.columns) * len(contract.outputs)
        if terms > MOST_TERMS or len(self._predictor.record.weights) > MOST_WEIGHTS:
            return None
        try:
            return compiled(tree_of(self._predictor))
        except ExpressionError:
            return None

    def score(
        self,
        table: Any,
        *,
        explain: bool = False,
        flags: bool = False,
        watch: Watch | None = None,
    ) -> Scored | None:
        """The predictions of a dict or a list of dicts; None where they are not so plain.

        Where they are, `watch` is called with each row, its terms, and its drift: the kinds and the
        columns' names.
        """
        rows = plain_rows(table)
        if rows is None or self._compiled is None:
            return None
        compute = self._compiled.explained if explain else self._compiled.predictions
        found, drift, watched = [], None, []
        for row in rows:
            met: list[tuple[str, str]] = []
            try:
                terms = self._compiled.inputs(row, met)
                predicted = compute(terms)
            except (RefusedError, KeyError, ArithmeticError):
                return None
            if any(x.__class__ is float and x - x != 0 for x in predicted.values()):
                return None
            if met:
                drift = drift or UnseenValues()
                for kind, column in met:
                    getattr(drift, kind)[column] += 1
            if flags:
                predicted["flags"] = in_words(met, self._predictor.contract.known)
            found.append(predicted)
            if watch is not None:
                watched.append((row, terms, met))
        for one in watched:
            assert watch is not None, "rows are kept for it"
            watch(*one)
        if drift is not None:
            drift.rows = len(rows)
        return Scored(found, drift)


def plain_rows(table: Any) -> Sequence[Mapping[str, Any]] | None:
    """The rows of a dict or of a short list of dicts, whose cells are JSON's; None for others."""
    if table.__class__ is dict:
        plain = CELLS.issuperset(map(type, table.values())) and TEXT.issuperset(map(type, table))
        return [table] if plain else None
    if table.__class__ not in (list, tuple) or not 0 < len(table) <= MOST_ROWS:
        return None
    kinds: dict[str, type] = {}
    for row in table:
        if row.__class__ is not dict:
            return None
        for name, cell in row.items():
            kind = cell.__class__
            if kind not in CELLS or name.__class__ is not str:
                return None
            # A column of several types is read as a whole, not cell by cell.
            own = kind if cell is None else kinds.setdefault(name, kind)
            if own is not kind and {own, kind} != NUMBERS:
                return None
    rows: Sequence[Mapping[str, Any]] = table
    return rows


def in_words(met: Sequence[tuple[str, str]], known: Mapping[str, Column | Offset]) -> str | None:
    """The drift of a row in words, such as "genre: never seen"; None where there is none."""
    said = [
        f"{name}: {word_of(kind, known[name])}" for kind in WORDS for of, name in met if of == kind
    ]
    return "; ".join(said) or None
