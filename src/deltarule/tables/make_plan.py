"""Making a plan: what the first rows say of each column, and what becomes of it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import polars as pl

from deltarule.dataclass import dataclass, replace
from deltarule.errors import ColumnError, EmptyError, LearningError, TargetError
from deltarule.tables.cast import (
    all_whole,
    class_names,
)
from deltarule.tables.codes import LevelCodes, levels_of
from deltarule.tables.column_names import PATTERN, check_there, is_pattern
from deltarule.tables.fold_columns import (
    cluster_column,
    key_column,
    time_column,
)
from deltarule.tables.kinds import LeftOut, check_number, input_kind, kind_of
from deltarule.tables.level_counts import NEARLY_UNIQUE, LevelCounts
from deltarule.tables.plan import Plan
from deltarule.tables.polars_source import explained
from deltarule.tables.request import (
    Request,
)
from deltarule.tables.sentinels import sentinel_notes
from deltarule.tables.source import LOOK_ROWS
from deltarule.tables.terms import Look, Term, Terms, one_term, target_term, terms_of
from deltarule.tables.text_formats import Formats, NumberFormat, PeriodFormat, format_of
from deltarule.tables.whole_numbers import is_id, numbers_rows, whole_numbers

# Each class of a target has weights of its own, which sway those of all others.
MOST_CLASSES = 100
# Two different numbers in fewer rows than this are rather two amounts than two classes.
CLASSES_SHOW = 10

TargetKind = Literal["classes", "yes or no", "numbers"]
"""Numbers that are all 0 or 1 as far as was looked are yes or no."""


def plan(
    look: pl.DataFrame,
    request: Request,
    *,
    name: str,
    formats: Formats | None = None,
    counted: Mapping[str, LevelCounts] | None = None,
) -> Plan:
    """What to make of each column; `formats` are those of columns that were text.

    `counted` are levels that were counted in all rows.

    Errors:  ColumnError, TargetError, EmptyError; LearningError when a column has two parts to
             play, ExpressionError for an expression that cannot be an input
    """
    formats, counted = formats or {}, counted or {}
    if not look.columns or look.height == 0:
        raise EmptyError(f"{name} has no rows: there is nothing to learn from")
    numbers = {
        column: one.expression(column)
        for column, one in formats.items()
        if isinstance(one, NumberFormat)
    }
    periods = [column for column, one in formats.items() if isinstance(one, PeriodFormat)]
    shown = Look(look, name, request.dates, numbers, request.reference, periods)
    roles = _roles(request, shown)
    terms, kinds, offset = roles.terms, dict(look.schema), roles.offset
    view = evaluated(look, list(terms.values()), kinds, name=name)
    read = dict.fromkeys(column for term in terms.values() for column in term.columns)
    own = {column: formats.get(column) or format_of(kinds[column]) for column in read}
    fold_by, key_kind, cluster_by = None, "", None
    if roles.folds is not None:
        fold_by, key_kind = _fold_by(roles.folds, look, request, name=name)
    if roles.cluster is not None:
        cluster = evaluated(look, [roles.cluster], look.schema, name=name).to_series()
        cluster_by = cluster_column(roles.cluster.polars(look.schema), cluster.dtype)
    targets = {one: _target_kind(view[one], request, name) for one in request.predict}
    known = {one: whole_numbers(view[one]) for one in request.predict}
    if offset is not None:
        check_number(view[offset.name], f"{name}: the offset '{offset.name}'", ColumnError)
    weight = request.row_weight
    if weight:
        check_number(view[weight], f"{name}: the weight '{weight}'", ColumnError)
    inputs = {
        term.name: _input(term, view[term.name], request, counted.get(term.name))
        for term in roles.inputs.terms
    }
    used = {name: one.kind for name, one in inputs.items() if not one.why}
    amounts = [one for one, kind in used.items() if kind != "category"]
    request = _inferred(request, targets, view)
    made = Plan(
        request=request,
        terms=terms,
        became=roles.inputs.became,
        kinds=kinds,
        numbers=amounts,
        booleans={one for one, kind in used.items() if kind == "boolean"},
        categories=[one for one, kind in used.items() if kind == "category"],
        left_out=[
            *_unusable(look, request),
            *(LeftOut(name=n, kind=one.kind, why=one.why) for n, one in inputs.items() if one.why),
        ],
        levels={one: LevelCodes((), MOST_CLASSES) for one in targets if targets[one] == "classes"},
        classes=[one for one in targets if targets[one] == "classes"],
        target_kinds={one: view[one].dtype for one in targets},
        yes_no={one for one in targets if targets[one] == "yes or no"},
        fold_by=fold_by,
        key_kind=key_kind,
        cluster_by=cluster_by,
        offset=None if offset is None else offset.name,
        counts_of={n: one.counts for n, one in inputs.items() if one.counts is not None},
        whole_numbers={n: one for n, one in known.items() if one is not None},
        ids=[one for one in amounts if terms[one].expression is None and is_id(view[one])],
        sentinels=sentinel_notes(look[column] for column in read),
        formats={column: one for column, one in own.items() if one is not None},
    )
    counts = {one: made.counts_of[one] for one in made.categories}
    levels = levels_of(counts, counted, most=made.most_levels, room=made.room)
    return replace(made, levels={**made.levels, **levels})


@dataclass(frozen=True)
class Roles:
    """The terms by the parts that they play; `terms` are those of all, but what decides folds."""

    terms: dict[str, Term]
    inputs: Terms
    folds: Term | None
    cluster: Term | None
    offset: Term | None


def _roles(request: Request, shown: Look) -> Roles:
    """Which column or expression plays which part.

    Errors:  ColumnError; LearningError where one plays two parts
    """
    columns = list(shown.kinds)
    weight = [request.row_weight] if request.row_weight else []
    apart = [*request.predict, *weight]
    check_there(columns, weight, name=shown.name)
    given = [*apart, *(request.using or [])]
    twice = [column for column in given if given.count(column) > 1]
    if twice:
        raise LearningError(
            f"'{twice[0]}' is given twice: a column is either predicted, used or the weight"
        )
    by = request.id or request.group or request.time
    folds = one_term(by, shown) if by else None
    cluster = one_term(request.cluster, shown) if request.cluster else None
    offset = _offset(request.offset, shown) if request.offset else None
    terms = {one: target_term(one, shown) for one in apart}
    taken = {c for term in terms.values() for c in term.columns}
    using = request.using
    if not using:
        check_there(columns, request.without, name=shown.name)
        left = {*taken, *request.without}
        left |= {c for term in (folds, cluster, offset) if term for c in term.columns}
        using = [name for name in columns if name not in left and not is_pattern(name)]
    inputs = terms_of(using, shown) if request.terms is None else _given(request.terms, shown)
    # What is part of a target may be used all the same, as cost for price - cost.
    parts = {c for one in terms.values() if len(one.columns) > 1 for c in one.columns}
    for term in inputs.terms:
        for column in set(term.columns) & (taken - parts):
            raise LearningError(f"'{term.name}' uses '{column}', which is predicted or the weight")
        if request.id is not None and folds is not None and set(term.columns) & set(folds.columns):
            raise LearningError(
                f"'{term.name}' uses the id '{request.id}', which says who a row is of and "
                "explains nothing: leave it out"
            )
    terms |= {term.name: term for term in inputs.terms}
    if offset is not None:
        if offset.name in terms:
            raise LearningError(
                f"'{offset.name}' is the offset, which is not learnt: it cannot be predicted, used "
                "or the weight"
            )
        terms[offset.name] = offset
    return Roles(terms, inputs, folds, cluster, offset)


def _inferred(request: Request, targets: Mapping[str, TargetKind], view: pl.DataFrame) -> Request:
    """The request with what it leaves to the values: the offset's part, and copies of rows."""
    if request.shifted is None:
        request = replace(request, shifted=set(targets.values()) <= {"numbers"})
    if request.copies is None:
        # Copies of a row have its id too, which keeps them together.
        numbered = not (request.id or request.group or request.time)
        weight = request.row_weight or None
        copies = weight is not None and numbered and all_whole(view[weight])
        request = replace(request, copies=copies)
    return request


def _given(terms: Mapping[str, str | None], shown: Look) -> Terms:
    """Inputs that are decided. Errors: ColumnError for a column that is not there."""
    found = [Term(name, expression) for name, expression in terms.items()]
    check_there(list(shown.kinds), [c for term in found for c in term.columns], name=shown.name)
    return Terms(found, {})


def evaluated(
    rows: pl.DataFrame, terms: Sequence[Term], kinds: Mapping[str, pl.DataType], *, name: str
) -> pl.DataFrame:
    """The terms of some rows.

    Errors:  ReadError, UnparsedError for a value that an expression cannot take
    """
    with explained(name):
        return rows.select([term.polars(kinds) for term in terms])


def _unusable(look: pl.DataFrame, request: Request) -> list[LeftOut]:
    """Columns that none of polars' methods can tell from several, where all are to be used."""
    names = [] if request.using else [name for name in look.columns if is_pattern(name)]
    return [LeftOut(name=name, kind=kind_of(look.schema[name]), why=PATTERN) for name in names]


def _offset(one: str, shown: Look) -> Term:
    """A column of numbers, or of text that spells them, or an expression."""
    return target_term(one, shown) if one in shown.kinds else one_term(one, shown)


def _fold_by(term: Term, look: pl.DataFrame, request: Request, *, name: str) -> tuple[pl.Expr, str]:
    """The id, what groups rows, or what orders them in time, and the kind of its values."""
    values = evaluated(look, [term], look.schema, name=name)[term.name]
    column = key_column if request.time is None else time_column
    read = column(term.polars(look.schema), values.dtype, name=term.name, where=name)
    kind = "number" if values.dtype == pl.Boolean else kind_of(values.dtype)
    return read, kind if values.count() and request.time is None else ""


@dataclass(frozen=True)
class Input:
    """What an input's values are, why it is left out if it is, and its levels if it has some."""

    kind: str
    why: str
    counts: LevelCounts | None = None


def _input(term: Term, values: pl.Series, request: Request, counts: LevelCounts | None) -> Input:
    """What an input is by its first values; `counts` where all rows were counted."""
    kind, why = input_kind(values)
    if kind == "category":
        counts = counts or LevelCounts.of(values, whole=len(values) < LOOK_ROWS)
        named = (term.expression or "").startswith("category(")
        if counts.nearly_unique and not named:
            kind, why = "text", f"nearly unique to each row ({counts})"
    else:
        counts = None
    if not request.using and numbers_rows(values):
        why = "it only numbers the rows"
    return Input(kind, why, counts)


def _target_kind(values: pl.Series, request: Request, name: str) -> TargetKind:
    """Whether a target's values are classes; else they must be numbers.

    Errors:  TargetError
    """
    target = values.name
    takes = request.takes.get(target, "numbers")
    present = values.drop_nulls()
    present = present.drop_nans() if values.dtype.is_float() else present
    kind = kind_of(values.dtype)
    text, countable = kind == "text", kind in ("number", "boolean")
    alike = set(present.unique().to_list()) if countable and present.n_unique() <= 2 else set()
    # Two shares between 0 and 1 are rather numbers, which logistic loss takes as they are.
    apart = len(alike) == 2 and not all(0 <= value <= 1 for value in alike)
    two = apart and len(present) >= CLASSES_SHOW
    repeated = text and present.n_unique() <= max(2, NEARLY_UNIQUE * len(present))
    if takes == "classes" or (takes == "either" and (repeated or two)):
        if class_names(present).n_unique() > MOST_CLASSES:
            raise too_many(target, name)
        return "classes"
    more = ", or softmax loss for classes" if repeated else ""
    check_number(values, f"{name}: the target '{target}'", TargetError, more)
    return "yes or no" if alike and alike <= {0, 1} else "numbers"


def too_many(target: str, name: str) -> TargetError:
    """The error of a target with more classes than can be learnt."""
    return TargetError(
        f"{name}: the target '{target}' has more than {MOST_CLASSES} different values, too many "
        "classes to predict: choose another target, or merge its values"
    )
