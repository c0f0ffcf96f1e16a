"""Making a plan: what the first rows say of each column, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

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
from deltarule.tables.source import LOOK_ROWS
from deltarule.tables.terms import Look, Term, Terms, one_term, target_term, terms_of
from deltarule.tables.text_formats import Formats, NumberFormat, PeriodFormat, format_of
from deltarule.tables.whole_numbers import is_id, numbers_rows, whole_numbers

# Each class of a target has weights of its own, which sway those of all others.
MOST_CLASSES = 100
# Two different numbers in fewer rows than this are rather two amounts than two classes.
CLASSES_SHOW = 10


def plan(
    look: pl.DataFrame,
    asked: Request,
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
    formats = formats or {}
    if not look.columns or look.height == 0:
        raise EmptyError(f"{name} has no rows: there is nothing to learn from")
    weight = [asked.row_weight] if asked.row_weight else []
    apart = [*asked.predict, *weight]
    check_there(look.columns, weight, name=name)
    given = [*apart, *(asked.using or [])]
    twice = [column for column in given if given.count(column) > 1]
    if twice:
        raise LearningError(
            f"'{twice[0]}' is given twice: a column is either predicted, used or the weight"
        )
    numbers = {
        column: one.expression(column)
        for column, one in formats.items()
        if isinstance(one, NumberFormat)
    }
    periods = [column for column, one in formats.items() if isinstance(one, PeriodFormat)]
    shown = Look(look, name, asked.dates, numbers, periods)
    by = asked.id or asked.group or asked.time
    folds = one_term(by, shown) if by else None
    cluster = one_term(asked.cluster, shown) if asked.cluster else None
    offset = _offset(asked.offset, shown) if asked.offset else None
    terms = {one: target_term(one, shown) for one in apart}
    taken = {c for term in terms.values() for c in term.columns}
    using = asked.using
    if not using:
        check_there(look.columns, asked.without, name=name)
        left = {*taken, *asked.without}
        left |= {c for term in (folds, cluster, offset) if term for c in term.columns}
        using = [name for name in look.columns if name not in left and not is_pattern(name)]
    inputs = terms_of(using, shown) if asked.terms is None else _given(asked.terms, shown)
    for term in inputs.terms:
        # What is part of a target may be used all the same, as cost for price - cost.
        parts = {c for one in terms.values() if len(one.columns) > 1 for c in one.columns}
        for column in set(term.columns) & (taken - parts):
            raise LearningError(f"'{term.name}' uses '{column}', which is predicted or the weight")
        if asked.id is not None and folds is not None and set(term.columns) & set(folds.columns):
            raise LearningError(
                f"'{term.name}' uses the id '{asked.id}', which says who a row is of and explains "
                "nothing: leave it out"
            )
    terms |= {term.name: term for term in inputs.terms}
    if offset is not None:
        if offset.name in terms:
            raise LearningError(
                f"'{offset.name}' is the offset, which is not learnt: it cannot be predicted, used "
                "or the weight"
            )
        terms[offset.name] = offset
    kinds = dict(look.schema)
    view = evaluated(look, list(terms.values()), kinds, name=name)
    read = dict.fromkeys(column for term in terms.values() for column in term.columns)
    own = {column: formats.get(column) or format_of(kinds[column]) for column in read}
    read_as = {column: one for column, one in own.items() if one is not None}
    left_out = _unusable(look, asked)
    made = Plan(asked, terms, inputs.became, kinds, [], set(), [], left_out, {}, formats=read_as)
    if folds is not None:
        made.fold_by, made.key_kind = _fold_by(folds, look, asked, name=name)
    if cluster is not None:
        kind = evaluated(look, [cluster], look.schema, name=name)[cluster.name].dtype
        made.cluster_by = cluster_column(cluster.polars(look.schema), kind)
    for target in asked.predict:
        made.target_kinds[target] = view[target].dtype
        _place_target(target, view[target], made, name)
        known = whole_numbers(view[target])
        if known is not None:
            made.whole_numbers[target] = known
    if offset is not None:
        made.offset = offset.name
        check_number(view[offset.name], f"{name}: the offset '{offset.name}'", ColumnError)
    if asked.shifted is None:
        made.asked = replace(asked, shifted=not (made.classes or made.yes_no))
    for column in weight:
        check_number(view[column], f"{name}: the weight '{column}'", ColumnError)
    if asked.copies is None:
        # Copies of a row have its id too, which keeps them together.
        numbered = not (asked.id or asked.group or asked.time)
        copies = bool(weight) and numbered and all_whole(view[weight[0]])
        made.asked = replace(made.asked, copies=copies)
    for term in inputs.terms:
        _place(term.name, view[term.name], made, counted or {})
        if term.expression is None and term.name in made.numbers and is_id(view[term.name]):
            made.ids.append(term.name)
    made.levels |= levels_of(
        {name: made.counts_of[name] for name in made.categories},
        counted or {},
        most=made.most_levels,
        room=made.room,
    )
    return made


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


def _unusable(look: pl.DataFrame, asked: Request) -> list[LeftOut]:
    """Columns that none of polars' methods can tell from several, where all are to be used."""
    names = [] if asked.using else [name for name in look.columns if is_pattern(name)]
    return [LeftOut(name=name, kind=kind_of(look.schema[name]), why=PATTERN) for name in names]


def _offset(one: str, shown: Look) -> Term:
    """A column of numbers, or of text that spells them, or an expression."""
    return target_term(one, shown) if one in shown.kinds else one_term(one, shown)


def _fold_by(term: Term, look: pl.DataFrame, asked: Request, *, name: str) -> tuple[pl.Expr, str]:
    """The id, what groups rows, or what orders them in time, and the kind of its values."""
    values = evaluated(look, [term], look.schema, name=name)[term.name]
    column = key_column if asked.time is None else time_column
    read = column(term.polars(look.schema), values.dtype, name=term.name, where=name)
    kind = "number" if values.dtype == pl.Boolean else kind_of(values.dtype)
    return read, kind if values.count() and asked.time is None else ""


def _place(column: str, values: pl.Series, made: Plan, counted: Mapping[str, LevelCounts]) -> None:
    """Put an input among the numbers or the categories, or leave it out."""
    kind, why = input_kind(values)
    if kind == "category":
        counts = counted.get(column) or LevelCounts.of(values, whole=len(values) < LOOK_ROWS)
        made.counts_of[column] = counts
        named = (made.terms[column].expression or "").startswith("category(")
        if counts.nearly_unique and not named:
            kind, why = "text", f"nearly unique to each row ({counts})"
    if not made.asked.using and numbers_rows(values):
        why = "it only numbers the rows"
    if why:
        made.left_out.append(LeftOut(name=column, kind=kind, why=why))
    elif kind == "category":
        made.categories.append(column)
    else:
        made.numbers.append(column)
        if kind == "boolean":
            made.booleans.add(column)


def _place_target(target: str, values: pl.Series, made: Plan, name: str) -> None:
    """Say whether a target's values are classes; else they must be numbers.

    Errors:  TargetError
    """
    takes = made.asked.takes.get(target, "numbers")
    present = (values.fill_nan(None) if values.dtype.is_float() else values).drop_nulls()
    kind = kind_of(values.dtype)
    text, countable = kind == "text", kind in ("number", "boolean")
    alike = set(present.unique().to_list()) if countable and present.n_unique() <= 2 else set()
    # Two shares between 0 and 1 are rather numbers, which logistic loss takes as they are.
    apart = len(alike) == 2 and not all(0 <= value <= 1 for value in alike)
    two = apart and len(present) >= CLASSES_SHOW
    repeated = text and present.n_unique() <= max(2, NEARLY_UNIQUE * len(present))
    if takes == "classes" or (takes == "either" and (repeated or two)):
        made.classes.append(target)
        made.levels[target] = LevelCodes((), MOST_CLASSES)
        if class_names(present).n_unique() > MOST_CLASSES:
            raise too_many(target, name)
        return
    more = ", or softmax loss for classes" if repeated else ""
    check_number(values, f"{name}: the target '{target}'", TargetError, more)
    if alike and alike <= {0, 1}:
        made.yes_no.add(target)


def too_many(target: str, name: str) -> TargetError:
    """The error of a target with more classes than can be learnt."""
    return TargetError(
        f"{name}: the target '{target}' has more than {MOST_CLASSES} different values, too many "
        "classes to predict: choose another target, or merge its values"
    )
