"""The scorer's tree of a model's record, with all that does not depend on a row computed."""

from __future__ import annotations

import numpy as np

from deltarule.errors import ExpressionError
from deltarule.model.predictor import Predictor
from deltarule.model.record import Record
from deltarule.rule.predict import Array
from deltarule.scorer.lower import as_kind, lower
from deltarule.scorer.runtime.errors import spaced
from deltarule.scorer.tree import (
    Apply,
    Category,
    Inverse,
    Kind,
    Node,
    Number,
    Offset,
    Read,
    Target,
    Tree,
)
from deltarule.tables import schema_columns
from deltarule.tables.expressions.number_text import NO, YES
from deltarule.tables.schema import Schema
from deltarule.tables.schema_columns import MISSING, OTHER
from deltarule.tables.terms import parsed
from deltarule.tables.text_formats import DateFormat, PeriodFormat

KINDS: dict[str, Kind] = {
    "number": "number",
    "boolean": "boolean",
    "text": "text",
    "time": "time",
    "duration": "duration",
}


def tree_of(predictor: Predictor) -> Tree:
    """The tree of a model.

    Errors:  ExpressionError where an expression's columns have no kind, as in files of earlier
             versions
    """
    record, contract = predictor.record, predictor.contract
    weights = predictor.weights["weight"]
    means, centres = np.array(record.means), np.array(record.centres or np.zeros(len(weights)))
    starts = np.array(record.starts) if record.centres else predictor.weights.get("intercept")
    starts = np.zeros(weights.shape[1]) if starts is None else starts.copy()
    columns: list[Number | Category] = []
    for column, span in zip(contract.columns, contract.spans().values(), strict=True):
        own, mean, centre = weights[span], means[span], centres[span]
        if isinstance(column, schema_columns.Number):
            # The centre of a missing indicator, like those of levels, joins the start.
            starts -= centre[1:] @ own[1:]
            columns.append(_number(column, contract, own, mean, float(centre[0])))
        else:
            starts -= centre @ own
            columns.append(_category(column, contract, own, mean))
    return Tree(
        columns=tuple(columns),
        offset=_offset(contract),
        outputs=tuple(contract.outputs),
        starts=_vector(starts),
        averages=_vector(predictor.average[0]),
        targets=_targets(record),
        missing_words=contract.missing_words,
        shows_score=record.has_scores,
        about=_about(record),
    )


def design_tree(schema: Schema) -> Tree:
    """The tree of a schema alone: a category's level has the values of its inputs, one-hot.

    It has no outputs; of the compiled functions, `inputs` is of use.

    Errors:  ExpressionError, as for `tree_of`
    """
    columns: list[Number | Category] = []
    for column in schema.columns:
        size = len(column.levels)
        if isinstance(column, schema_columns.Number):
            columns.append(_number(column, schema, np.zeros((size, 0)), np.zeros(size), 0.0))
        else:
            columns.append(_category(column, schema, np.eye(size), np.zeros(size)))
    return Tree(
        columns=tuple(columns),
        offset=_offset(schema),
        outputs=(),
        starts=(),
        averages=(),
        targets=(),
        missing_words=schema.missing_words,
        shows_score=False,
        about=(),
    )


def _offset(schema: Schema) -> Offset | None:
    own = schema.offset
    if own is None:
        return None
    return Offset(own.name, _value(own, schema), mean=own.mean, low=own.low, high=own.high)


def _vector(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _number(
    column: schema_columns.Number,
    schema: Schema,
    weights: Array,
    means: Array,
    centre: float,
) -> Number:
    """Shapes:  weights (1 or 2, k), means (1 or 2,)."""
    return Number(
        name=column.name,
        value=_value(column, schema),
        fill=column.mean,
        low=column.low,
        high=column.high,
        centre=centre,
        mean=float(means[0]),
        weights=_vector(weights[0]),
        missing=_vector(weights[1]) if column.gap else (),
        base=_vector(means[1] * weights[1]) if column.gap else (),
    )


def _category(
    column: schema_columns.Category,
    schema: Schema,
    weights: Array,
    means: Array,
) -> Category:
    """Shapes:  weights (levels, k), means (levels,)."""
    own = dict(zip(column.levels, map(_vector, weights), strict=True))
    levels = {level: own.get(level, (0.0,) * weights.shape[1]) for level in column.known}
    total = sum(column.known.values())
    shares = np.array([column.known[str(level)] / total for level in column.levels])
    average = _vector(shares @ weights)
    other = levels.get(OTHER, average)
    return Category(
        name=column.name,
        value=_value(column, schema),
        levels=levels,
        missing=levels.get(MISSING, other),
        other=other,
        base=_vector(means @ weights),
        spellings=_spellings([one for one in levels if one not in (MISSING, OTHER)]),
        pooled=OTHER in levels,
        rare=column.pooled > 0,
        missing_is_level=MISSING in levels,
    )


def _spellings(labels: list[str]) -> dict[str, str]:
    """The words for yes and no, with the level of each, where the levels are yes and no."""
    words = [spaced(label).lower() for label in labels]
    known = {word in YES: label for word, label in zip(words, labels, strict=True)}
    if len(labels) != 2 or len(known) != 2 or not {*YES, *NO}.issuperset(words):
        return {}
    return {word: known[word in YES] for word in (*YES, *NO)}


def _value(column: schema_columns.Column | schema_columns.Offset, schema: Schema) -> Node:
    """What a column's input is computed from: a number, or a category's level."""
    formats = schema.text_formats
    number = not isinstance(column, schema_columns.Category)
    if column.expression is None:
        kind: Kind = (
            "number"
            if isinstance(column, schema_columns.Number | schema_columns.Offset)
            else column.of
        )
        read = Read(column.name, kind, formats.get(column.name))
        return read if number else Apply("label", (read,), "text")
    reads = {name: _read(name, schema) for name in parsed(column.expression).columns}
    node = lower(parsed(column.expression).tree, reads)
    if number:
        return as_kind(node, "number")
    return node if node.kind == "text" else Apply("label", (node,), "text")


def _read(name: str, schema: Schema) -> Read:
    """How an expression reads a column.

    Errors:  ExpressionError where the record does not say
    """
    word, how = schema.read_through.get(name, ""), schema.text_formats.get(name)
    if word == "date":
        day = isinstance(how, PeriodFormat) or (isinstance(how, DateFormat) and how.kind == "date")
        return Read(name, "date" if day else "datetime", how)
    if word not in KINDS:
        raise ExpressionError(f"the model does not say of which kind {name!r} is: learn it again")
    return Read(name, KINDS[word], how)


def _targets(record: Record) -> tuple[Target, ...]:
    contract = record.contract
    found = []
    spans = contract.target_spans().values()
    for target, span, loss in zip(contract.targets, spans, record.losses, strict=True):
        inverse = contract.inverses.get(target.name)
        found.append(
            Target(
                name=target.name,
                outputs=tuple(range(span.start, span.stop)),
                link=loss.link.name,
                classes=tuple(target.classes),
                low=target.low,
                high=target.high,
                inverse=None if inverse is None else Inverse(inverse.column, inverse.steps),
            )
        )
    return tuple(found)


def _about(record: Record) -> tuple[tuple[str, str], ...]:
    """Where a model comes from, in words."""
    return (
        ("learnt from", record.learnt_from),
        ("learnt at", record.learnt_at),
        ("rows", f"{record.rows:,.0f}"),
        ("loss", record.loss),
        ("written by", record.written_by),
    )
