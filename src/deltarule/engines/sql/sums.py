"""The sums of the one read, in SQL: counts and ranges first, then shifted products by fold.

The first look gives each number's gaps and range. Numbers that are far from zero in the first rows
are shifted near their median there, by a number of few digits, so that subtracting it rounds
nothing for values that are short themselves. Where that was too far off for the sums' digits, a
scan more begins at their means. One scan, or several where there are more sums than a result has
columns, gives all products by fold; one for each category its sums by level, and one for each pair
of categories how often their levels meet.

A database adds in an order of its own, with several workers: the last digits of sums may vary.

Shapes: m numbers of which g have gaps, s = 1 + m + g, f folds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import polars as pl

from deltarule.engines.sql.layers import Layers
from deltarule.engines.sql.rows import LOCAL, PlanSql, SqlTable
from deltarule.errors import LearningError, ReadError, ValueRefusedError
from deltarule.moments.accumulate import Sums
from deltarule.moments.block import Origin
from deltarule.moments.folds import SURE
from deltarule.moments.grouped_sums import GroupedSums
from deltarule.moments.moments import PLAIN_POWER
from deltarule.rule.predict import Array
from deltarule.tables.cast import class_names
from deltarule.tables.databases.reader import DatabaseReader
from deltarule.tables.fold_columns import Times
from deltarule.tables.layout import Layout
from deltarule.tables.plan import Plan
from deltarule.tables.request import ReplanError
from deltarule.tables.summary import Summary

# Columns of a result: PostgreSQL takes 1,664, SQLite 2,000.
MOST_COLUMNS = 1_500
# Four digits of the sixteen may be lost before a better shift pays; of these at most six.
DIGITS_LOST, MOST_LOST = 1e4, 1e6
SHIFTS = 3
# Times come with their counts, 16 MB of them at most.
MOST_TIMES = 1_000_000


@dataclass
class Look:
    """What a cheap scan says of the rows: how many are left out, and each number's range.

    Shapes:  count, low, high (m,) of the values present
    """

    causes: Counter[int]
    examples: int
    count: Array
    low: Array
    high: Array
    heaviest: float


def _short(mean: float, spread: float) -> float:
    """A number of few digits that is within the spread of the mean."""
    if not spread > 0:
        return mean
    grid = np.ldexp(1.0, int(np.floor(np.log2(spread))))
    return float(np.round(mean / grid) * grid)


def summarise(
    table: SqlTable, plan: Plan, start: Array, gaps: tuple[int, ...]
) -> tuple[Summary, PlanSql, dict[str, Any]]:
    """The summary of a plan's rows; `start` (m,) is where the first rows suggest to measure from.

    And the layers of its rows, and the values of each class by the target. `gaps` are the inputs
    that are missing in some of the first rows: where they are those of all, and no number is the
    same in every row, one scan looks and multiplies.

    Errors:  LearningError, ValueRefusedError, ReplanError
    """
    rows = PlanSql(table, plan)
    rows.hold()
    if rows.counts_copies:
        look, sums = first_look(rows), None
        if look.heaviest > SURE:
            raise LearningError(
                f"{table.name}: a weight counts {look.heaviest:,.0f} copies of a row, and {SURE} "
                f"are the most that are held out one by one: {LOCAL}"
            )
        rows.most_copies = max(1, int(look.heaviest))
    else:
        look, sums = _look_and_products(rows, gaps, start)
    found = tuple(np.flatnonzero(look.count < look.examples).tolist())
    shift = np.where(look.low == look.high, look.low, start)
    if found != gaps or not np.array_equal(shift, start):
        sums = None
    for _ in range(SHIFTS):
        last = _products(rows, look, found, shift) if sums is None else sums
        lost = _lost(last)
        if lost <= DIGITS_LOST:
            break
        shift, sums = _better(last, shift), None
    if lost > MOST_LOST:
        raise LearningError(
            f"{table.name}: sums by fold lose too many digits, as parts of the rows are far apart: "
            f"rows must be read: {LOCAL}"
        )
    layout = Layout.of(plan)
    names, classes = _group(rows, last)
    levels = {name: (own, 0) for name, own in zip(layout.every_category, names, strict=True)}
    return Summary.of_sums(layout, last, levels, plan.causes(look.causes)), rows, classes


def times_of(table: SqlTable, plan: Plan) -> Times:
    """The times of a plan's rows, and what each counts for.

    Errors:  LearningError for more times than are sent here
    """
    rows = PlanSql(table, plan)
    own = rows.kept.then(rows.names, where="gone IS NULL")
    counted = "sum(w)" if plan.request.row_weight is not None else "count(*)"
    [(different,)] = table.reader.ask(own.query(["count(DISTINCT k)"]))
    if different > MOST_TIMES:
        raise LearningError(
            f"{table.name}, column '{plan.request.time}' has {different:,} different times, of "
            f"which {MOST_TIMES:,} are sent: give days or hours, such as cast(... as date), or "
            f"{LOCAL}"
        )
    found = np.array(table.reader.ask(own.query(["k", counted], group=["k"])), dtype=float)
    times, kept = Times(), found.reshape(-1, 2)
    kept = kept[np.isfinite(kept[:, 0])]
    times.add(kept[:, 0], kept[:, 1])
    return times


def first_look(rows: PlanSql) -> Look:
    """Counts and ranges; what cannot be learnt from is refused.

    Errors:  ValueRefusedError, ReplanError, LearningError for a row without an id
    """
    parts, _ = _looked(rows)
    return _look(rows, in_parts(rows.table.reader, rows.kept, ["gone", *parts], ["gone"]))


def _looked(rows: PlanSql) -> tuple[list[str], list[str]]:
    """The aggregates that a look takes, and those of them that are not of numbers."""
    asked = rows.plan.request
    parts = ["count(*)"]
    for at in range(rows.plan.width):
        x = rows.number(at)
        parts += [f"count({x})", f"min({x})", f"max({x})"]
    extra = []
    if asked.row_weight is not None:
        extra += ["min(w)", "max(w)", "max(abs(w - floor(w)))"]
    if asked.exposure is not None:
        extra += ["min(e)"]
    extra += ["max(abs(k))", "count(*) - count(k)"]
    return [*parts, *extra], extra


def _look(rows: PlanSql, found: Sequence[Sequence[Any]]) -> Look:
    """The look of aggregates by why rows are left out, None where they are not: once or by fold.

    Errors:  ValueRefusedError, ReplanError, LearningError for a row without an id
    """
    m, (_, extra) = rows.plan.width, _looked(rows)
    causes = Counter({int(row[0]): int(row[1]) for row in found if row[0] is not None})
    _check_rest(rows, found, 2 + 3 * m, extra)
    kept = [row for row in found if row[0] is None]
    none = np.zeros(m)
    if not kept:
        return Look(causes, 0, none, none + np.inf, none - np.inf, 0.0)
    cells = [[np.nan if one is None else one for one in row[2 : 2 + 3 * m]] for row in kept]
    count, low, high = np.array(cells, dtype=float).reshape(-1, m, 3).transpose(2, 0, 1)
    low = np.min(np.where(count > 0, low, np.inf), axis=0)
    high = np.max(np.where(count > 0, high, -np.inf), axis=0)
    _check_numbers(rows, low, high)
    weights = [float(row[2 + 3 * m + 1] or 0.0) for row in kept] if "max(w)" in extra else [1.0]
    examples = sum(int(row[1]) for row in kept)
    return Look(causes, examples, count.sum(axis=0), low, high, max(weights))


def _check_numbers(rows: PlanSql, low: Array, high: Array) -> None:
    made = rows.plan
    names = [*made.numbers, *made.amounts, *made.beside]
    for name, least, most in zip(names, low, high, strict=True):
        size = max(abs(least), abs(most)) if least <= most else 0.0
        if not np.isfinite(size):
            raise ValueRefusedError(
                f"{rows.table.name}, column '{name}' is infinite in some row: fix or remove it"
            )
        if size > 2.0**PLAIN_POWER:
            raise ValueRefusedError(
                f"{rows.table.name}, column '{name}' has {size:g}, whose square is too large for "
                f"sums: {LOCAL}"
            )


def _check_rest(
    rows: PlanSql, found: Sequence[Sequence[Any]], start: int, extra: Sequence[str]
) -> None:
    """Refuse weights, exposures and keys that no row can have."""
    asked, name = rows.plan.request, rows.table.name
    told = {one: [row[start + at] for row in found] for at, one in enumerate(extra)}
    told = {one: [value for value in values if value is not None] for one, values in told.items()}
    weight = rows.plan.request.row_weight
    if weight is not None:
        least, most = min(told["min(w)"], default=0.0), max(told["max(w)"], default=0.0)
        if least < 0:
            raise ValueRefusedError(
                f"{name}, column '{weight}': a row's weight of {least:g} is below 0: weights count "
                "rows"
            )
        if np.isinf(most):
            raise ValueRefusedError(f"{name}, column '{weight}' is infinite in some row")
        if asked.copies and max(told["max(abs(w - floor(w)))"], default=0.0) > 0:
            raise ReplanError(copies=False)
    if asked.exposure is not None and min(told["min(e)"], default=0.0) < 0:
        raise ValueRefusedError(
            f"{name}, column '{asked.exposure}': an exposure of {min(told['min(e)']):g} is below "
            "0: fix or remove that row"
        )
    by = asked.id or asked.group or asked.time
    if max(told["max(abs(k))"], default=0.0) > 1e300:
        raise ValueRefusedError(
            f"{name}, column '{by}' has a value that is no key of a row: fix it"
        )
    if asked.time is not None:
        return  # rows without a time are left out
    without = sum(told["count(*) - count(k)"])
    if without:
        raise LearningError(
            f"{name}, column '{by}' is missing in {without:,.0f} rows, which then have no part of "
            f"their own to be held out with: fill it, or {LOCAL}"
        )


def _less(literal: Any, x: str, shift: float) -> str:
    return f"({x} - {literal(float(shift))})" if shift else x


def _look_and_products(
    rows: PlanSql, gaps: tuple[int, ...], shift: Array
) -> tuple[Look, Sums | None]:
    """The look, and the sums of products if these are the gaps, by one scan.

    Errors:  as of `first_look`
    """
    (looked, _), (columns, parts) = _looked(rows), _multiplied(rows, gaps, shift)
    minus_one = rows.table.dialect.literal(-1.0)
    # A column of one fenced step: of what is made of two columns PostgreSQL expects so many groups
    # that it sorts the rows.
    key = f"CASE WHEN gone IS NULL THEN f ELSE {minus_one} - gone END AS f"
    fence = rows.table.dialect.fence
    source = rows.with_folds.then([*rows.names, *columns, key], fence=fence)
    try:
        found = in_parts(rows.table.reader, source, ["f", *looked, *parts], ["f"])
    except ReadError:
        with suppress(ReadError):
            first_look(rows)  # which says what number is too large to be squared
        rows.table.reader.release()
        raise
    after = 1 + len(looked)
    by_cause = [
        [None if row[0] is None or row[0] >= 0 else -1 - row[0], *row[1:after]] for row in found
    ]
    look = _look(rows, by_cause)
    kept = [(row[0], row[after:]) for row in found if row[0] is not None and row[0] >= 0]
    whole = tuple(np.flatnonzero(look.count < look.examples).tolist()) == gaps
    return look, _sums(rows, look, gaps, shift, kept) if whole else None


def _products(rows: PlanSql, look: Look, gaps: tuple[int, ...], shift: Array) -> Sums:
    """The sums of products of one, the shifted numbers and the missing indicators, by fold."""
    columns, parts = _multiplied(rows, gaps, shift)
    # Columns that are computed are each named many times.
    fence = rows.table.dialect.fence if gaps or shift.any() else ""
    source = rows.learnt.then([*columns, "f", *_weight(rows)], fence=fence)
    found = in_parts(rows.table.reader, source, ["f", *parts], ["f"])
    return _sums(rows, look, gaps, shift, [(row[0], row[1:]) for row in found])


def _weight(rows: PlanSql) -> list[str]:
    """The column that products are weighed by, if there is one."""
    weighed = rows.plan.request.row_weight is not None and rows.most_copies == 1
    return ["w"] if weighed else []


def _multiplied(rows: PlanSql, gaps: Sequence[int], shift: Array) -> tuple[list[str], list[str]]:
    """The columns z0, z1, ... that are multiplied, and the sums of their products."""
    columns = centred(rows, gaps, shift)
    parts = []
    for i, j in combinations_with_replacement(range(1 + len(columns)), 2):
        factors = [*_weight(rows), *(f"z{at - 1}" for at in (i, j) if at)]
        parts.append(f"sum({' * '.join(factors)})" if factors else "count(*)")
    return [f"{column} AS z{at}" for at, column in enumerate(columns)], parts


def _sums(
    rows: PlanSql,
    look: Look,
    gaps: tuple[int, ...],
    shift: Array,
    found: Iterable[tuple[Any, Sequence[Any]]],
) -> Sums:
    """The sums of products, of their values by fold."""
    m = rows.plan.width
    size = 1 + m + len(gaps)
    gram = np.zeros((rows.plan.request.folds, size, size))
    upper = np.triu_indices(size)
    for fold, values in found:
        gram[int(fold)][upper] = [0.0 if value is None else float(value) for value in values]
    gram = np.triu(gram) + np.triu(gram, 1).transpose(0, 2, 1)
    if not np.isfinite(gram).all():
        raise ValueRefusedError(f"{rows.table.name}: a sum of products is not finite: {LOCAL}")
    return Sums(
        Origin(shift, np.ones(m)),
        gaps,
        gram,
        look.low,
        look.high,
        examples=look.examples,
        causes=look.causes,
    )


def centred(rows: PlanSql, gaps: Sequence[int], shift: Array) -> list[str]:
    """The shifted numbers, 0 where missing, and the missing indicators."""
    d = rows.table.dialect
    zero, one = d.literal(0.0), d.literal(1.0)
    found = []
    for at in range(rows.plan.width):
        x = _less(d.literal, rows.number(at), shift[at])
        found.append(f"COALESCE({x}, {zero})" if at in gaps else x)
    found += [f"CASE WHEN {rows.number(at)} IS NULL THEN {one} ELSE {zero} END" for at in gaps]
    return found


def _lost(sums: Sums) -> float:
    """The worst ratio of a fold's (mean - shift) ** 2 to the variance over all rows.

    A fold may have few rows, that lie close together: its sums are added to others.
    """
    numbers = slice(1, 1 + len(sums.low))
    rows, whole = sums.gram[:, 0, 0], sums.gram.sum(axis=0)
    first, second = whole[0, numbers], whole.diagonal()[numbers]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = second / whole[0, 0] - (first / whole[0, 0]) ** 2
        off = (sums.gram[:, 0, numbers] / rows[:, None]) ** 2
        lost = np.where((off == 0) | ~(rows[:, None] > 0), 0.0, off / variance)
    lost[:, sums.low >= sums.high] = 0.0
    return float(np.max(np.where(lost < 0, np.inf, lost), initial=0.0))


def _better(sums: Sums, shift: Array) -> Array:
    """Shifts at the means that were found."""
    m = len(shift)
    whole = sums.gram.sum(axis=0)
    mean = whole[0, 1 : 1 + m] / whole[0, 0]
    spread = np.sqrt(np.maximum(whole.diagonal()[1 : 1 + m] / whole[0, 0] - mean**2, 0.0))
    return np.array([_short(*both) for both in zip(shift + mean, spread, strict=True)])


def _group(rows: PlanSql, sums: Sums) -> tuple[list[list[str]], dict[str, Any]]:
    """Add sums by level and by pairs of levels; the levels' names, and the values of classes."""
    made, folds = rows.plan, rows.plan.request.folds
    columns = centred(rows, sums.gaps, sums.frame.shift)
    weighed = made.request.row_weight is not None and rows.most_copies == 1
    each = "w" if weighed else ""
    count = "sum(w)" if weighed else "count(*)"
    grouped = [count, *(f"sum({one if not each else f'w * {one}'})" for one in columns)]
    names: list[list[str]] = []
    code: list[dict[Any, int]] = []
    classes: dict[str, Any] = {}
    for at, name in enumerate(rows.categories):
        found = in_parts(rows.table.reader, rows.learnt, ["f", f"c{at}", *grouped], ["f", f"c{at}"])
        values = list(dict.fromkeys(row[1] for row in found if row[1] is not None))
        if len(values) > made.room:
            raise LearningError(
                f"{rows.table.name}: '{name}' has {len(values):,} levels, and all columns together "
                f"keep {made.room:,}: raise --levels, leave it out, or {LOCAL}"
            )
        told = _names(made, name, values)
        own = list(dict.fromkeys(told))
        index = {level: 1 + place for place, level in enumerate(own)}
        code.append({None: 0, **{v: index[level] for v, level in zip(values, told, strict=True)}})
        names.append(own)
        if name in made.classes:
            classes[name] = dict(zip(values, told, strict=True))
        table = np.zeros(((1 + len(own)) * folds, len(grouped)))
        for row in found:
            table[code[at][row[1]] * folds + int(row[0])] += np.array(row[2:], dtype=float)
        sums.levels.append(1 + len(own))
        sums.tables.append(GroupedSums(folds, 1, None, table))
    for one, other in combinations(range(len(names)), 2):
        keys = ["f", f"c{one}", f"c{other}"]
        found = in_parts(rows.table.reader, rows.learnt, [*keys, count], keys)
        sums.pairs[one, other] = _pairs(found, code[one], code[other], folds)
    return names, classes


def _names(plan: Plan, name: str, values: Sequence[Any]) -> list[str]:
    """The level that each value of a category or class is."""
    if name not in plan.classes:
        return [str(value) for value in values]
    kind = plan.target_kinds[name]
    if not values or isinstance(values[0], str):
        series = pl.Series(values, dtype=pl.String)
    else:
        series = pl.Series(values, dtype=pl.Float64)
        series = series.cast(pl.Boolean) if kind == pl.Boolean else series
    return class_names(series).to_list()


def _pairs(
    found: Sequence[Sequence[Any]], one: dict[Any, int], other: dict[Any, int], folds: int
) -> GroupedSums:
    stride = 1 << max(len(other) - 1, 0).bit_length()
    sums: dict[int, float] = {}
    for fold, mine, yours, count in found:
        key = (one[mine] * stride + other[yours]) * folds + int(fold)
        sums[key] = sums.get(key, 0.0) + float(count)
    keys = np.array(sorted(sums), dtype=np.int64)
    values = np.array([[sums[int(key)]] for key in keys], dtype=float).reshape(-1, 1)
    return GroupedSums(folds, stride, keys, values)


def in_parts(
    reader: DatabaseReader,
    source: Layers,
    parts: Sequence[str],
    keys: Sequence[str],
    parameters: Sequence[float] = (),
) -> list[list[Any]]:
    """Aggregates by these keys, which come first; in several scans where they are too many."""
    grouped = list(parts[len(keys) :])
    every: dict[tuple[Any, ...], list[Any]] = {}
    width = MOST_COLUMNS - len(keys)
    for start in range(0, len(grouped), width):
        query = source.query([*keys, *grouped[start : start + width]], group=keys)
        for row in reader.ask(query, parameters):
            every.setdefault(tuple(row[: len(keys)]), []).extend(row[len(keys) :])
    return [[*key, *values] for key, values in every.items()]
