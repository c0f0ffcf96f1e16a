"""Settle: the schema, and the moments of its inputs, once all rows were read.

What depends on all rows (which levels share (other), what fills the gaps) is done on the moments,
exactly as if the rows had been encoded that way.
"""

import numpy as np

from deltarule.errors import ColumnError, LearningError, TargetError
from deltarule.moments.moments import Moments
from deltarule.moments.tally import Sums
from deltarule.rule.predict import Array
from deltarule.tables.plan import Asked, Plan, too_many
from deltarule.tables.schema import (
    MISSING,
    OTHER,
    Category,
    LeftOut,
    Number,
    Offset,
    Schema,
    Target,
)


class NumbersError(Exception):
    """A target that looked like two classes has more values: it holds numbers after all."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


def settle(
    made: Plan, folds: list[Moments], sums: Sums, name: str
) -> tuple[Schema, list[Moments], list[str]]:
    """The schema, and the moments of its inputs and targets, from those of all that was read."""
    m = made.width
    rows = sum(fold.rows for fold in folds)
    mean = sum((fold.rows * fold.mean for fold in folds), np.zeros_like(folds[0].mean)) / rows
    columns: list[Number | Category] = []
    places: dict[str, list[int]] = {}
    left_out = list(made.left_out)
    notes: list[str] = []
    gaps: dict[str, int] = {}
    for at, column in enumerate(made.numbers):
        low, high = float(sums.low[at]), float(sums.high[at])
        gap = m + sums.gaps.index(at) if at in sums.gaps else None
        kind = "boolean" if column in made.booleans else "number"
        if low > high:
            left_out.append(LeftOut(name=column, kind=kind, why="no value in it"))
            continue
        share = 0.0 if gap is None else float(mean[gap])
        if low == high and not made.asked.keep_constant:
            left_out.append(LeftOut(name=column, kind=kind, why=_always(f"{low:g}", share * rows)))
            continue
        filled = sums.frame.shift[at]
        own = folds[0].scale[at]
        present = filled if share == 0 else (mean[at] * own - share * filled) / (1 - share)
        if gap is not None and share > 0:
            folds = [fold.refill(at, gap, present - filled) for fold in folds]
        else:
            present = mean[at] * own
        # A gap seen too seldom to learn an effect from is only filled.
        own_gap = gap is not None and share * rows >= _often(rows)
        twin = _twin(gap, gaps, folds) if gap is not None and own_gap else None
        if twin:
            own_gap = False
            notes.append(
                f"{column} is missing on the same rows as {twin}: "
                "one 'is missing' input serves both"
            )
        elif gap is not None and own_gap:
            gaps[column] = gap
        columns.append(
            Number(
                name=column,
                expression=made.terms[column].expression,
                kind="boolean" if column in made.booleans else "number",
                mean=float(np.clip(present, low, high)),
                low=low,
                high=high,
                missing=round(share * rows, 9),
                gap=own_gap,
            )
        )
        places[column] = [at, gap] if gap is not None and own_gap else [at]
    start = m + len(sums.gaps)
    for at, column in enumerate(made.categories):
        size = sums.tables[at].shape[1]
        found, place, folds = _levels(made, column, at, start, sums, folds, notes)
        start += size
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            columns.append(found)
            places[column] = place
    if not columns:
        why = "; ".join(f"{column.name}: {column.why}" for column in left_out)
        raise ColumnError(f"{name} has no column to use as an input ({why})")
    order = list(made.terms)
    columns.sort(key=lambda column: order.index(column.name))
    columns = _referenced(columns, made.asked)
    targets = []
    first = len(made.numbers)
    after = first + len(made.amounts)
    for target in made.asked.predict:
        if target in made.classes:
            found_, places[target] = _classes(made, target, start, sums, folds, name)
            start += sums.tables[len(made.categories) + made.classes.index(target)].shape[1]
            targets.append(found_)
            continue
        at = made.amounts.index(target)
        # A target that is measured from an offset stands after it, too, as it is.
        place_ = after + 1 + at if made.offset and made.asked.shifted else first + at
        low, high = float(sums.low[place_]), float(sums.high[place_])
        expression = made.terms[target].expression
        targets.append(Target(name=target, expression=expression, low=low, high=high))
        places[target] = [first + at]
    schema = Schema(
        columns=tuple(columns),
        targets=tuple(targets),
        row_weight=made.asked.row_weight,
        drop_missing=made.asked.drop_missing,
        left_out=tuple(left_out),
        read_through=made.read_through,
        offset=None if made.offset is None else _offset(made, mean, folds, sums, after),
    )
    taken: list[int] = []
    for column_ in columns:
        place = places[column_.name]
        if isinstance(column_, Category):
            place = [
                p
                for p, level in zip(place, column_.known, strict=True)
                if level != column_.reference
            ]
        taken.extend(place)
    taken.extend(place for target in made.asked.predict for place in places[target])
    return schema, [fold.take(taken) for fold in folds], notes


def _offset(made: Plan, mean: Array, folds: list[Moments], sums: Sums, at: int) -> Offset:
    assert made.offset is not None, "there is an offset"
    low, high = float(sums.low[at]), float(sums.high[at])
    return Offset(
        name=made.offset,
        expression=made.terms[made.offset].expression,
        mean=float(np.clip(mean[at] * folds[0].scale[at], low, high)),
        low=low,
        high=high,
    )


def _always(value: str, missing: float) -> str:
    return f"always {value}" + (" where it is not missing" if missing else "")


def _twin(gap: int, gaps: dict[str, int], folds: list[Moments]) -> str | None:
    """A column missing on exactly the same rows: then the two columns' sums are the same."""
    for column, other in gaps.items():
        if all(
            fold.mean[gap] == fold.mean[other] and fold.cross[gap, gap] == fold.cross[gap, other]
            for fold in folds
        ):
            return column
    return None


def _often(rows: float) -> int:
    """How often a level must be seen to learn from: twice; in a long table, five times."""
    return 5 if rows >= 500 else 2


def _levels(
    made: Plan, column: str, at: int, start: int, sums: Sums, folds: list[Moments], notes: list[str]
) -> tuple[Category | LeftOut, list[int], list[Moments]]:
    """The category, where its levels stand in the moments, and those with rare levels pooled."""
    rows = float(sum(fold.rows for fold in folds))
    names = [MISSING, *made.levels[column].names]
    size = sums.tables[at].shape[1]
    counts = sum((fold.rows * fold.mean[start : start + size] for fold in folds), np.zeros(size))
    counts = np.round(counts, 9)
    if MISSING in names[1:]:
        # Text that says "(missing)" means it.
        said = names.index(MISSING, 1)
        folds = [fold.pool(start, [start + said]) for fold in folds]
        counts[0], counts[said] = counts[0] + counts[said], 0.0
    named = {
        names[code] if code < len(names) else OTHER: code
        for code in range(size)
        if counts[code] > 0
    }
    needed = _often(rows)
    by_count = sorted(named, key=lambda level: (-counts[named[level]], level))
    beyond = set(by_count[made.asked.levels :])
    rare = [
        level
        for level, code in named.items()
        if counts[code] < needed or level == OTHER or level in beyond
    ]
    asked = made.asked.reference.get(column)
    rare = [level for level in rare if level != asked]
    kept = {level: float(counts[code]) for level, code in named.items() if level not in rare}
    if rare:
        into = named[rare[0]]
        codes = [named[level] for level in rare[1:]]
        if codes:
            folds = [fold.pool(start + into, [start + code for code in codes]) for fold in folds]
        pooled = float(sum(counts[named[level]] for level in rare))
        named[OTHER] = into
        kept[OTHER] = pooled
    if len(kept) < 2:
        why = f"always {next(iter(kept))}" if not rare else "no level is seen often enough"
        return LeftOut(name=column, kind="category", why=why), [], folds
    order = sorted(kept, key=lambda level: (level == OTHER, -kept[level], level))
    category = Category(
        name=column,
        expression=made.terms[column].expression,
        known={level: kept[level] for level in order},
        reference=None,
        pooled=len([level for level in rare if level != OTHER]) + made.levels[column].beyond,
    )
    return category, [start + named[level] for level in order], folds


def _classes(
    made: Plan, target: str, start: int, sums: Sums, folds: list[Moments], name: str
) -> tuple[Target, list[int]]:
    """The target, and where its outputs stand in the moments.

    Errors:  TargetError for too many classes, too few, or one with a single row
    """
    if made.levels[target].beyond:
        raise too_many(target, name)
    names = made.levels[target].names
    codes = slice(start, start + 1 + len(names))
    counts = sum((fold.rows * fold.mean[codes] for fold in folds), np.zeros(1 + len(names)))
    counts = np.round(counts, 9)
    met = {level: code for code, level in enumerate(names, start=1) if counts[code] > 0}
    if len(met) > 2 and made.asked.takes[target] == "either" and made.kinds[target].is_numeric():
        raise NumbersError(target)
    if len(met) < 2:
        raise TargetError(
            f"{name}: the target '{target}' is {next(iter(met))!r} in every row: there is nothing "
            "to learn"
        )
    for level, code in met.items():
        if counts[code] == 1 and made.asked.row_weight is None:
            raise TargetError(
                f"{name}: the class {level!r} of '{target}' has a single row, from which nothing "
                "can be learnt: leave that row out, or give it another class"
            )
    order = sorted(met, key=_by_number)
    found = Target(
        name=target,
        expression=made.terms[target].expression,
        low=0.0,
        high=1.0,
        classes={level: float(counts[met[level]]) for level in order},
    )
    return found, [start + met[str(level)] for level in found.levels]


def _by_number(level: str) -> tuple[float, str]:
    """Numbers in their order, then words in theirs."""
    try:
        value = float(level)
    except ValueError:
        return np.inf, level
    return (np.inf if np.isnan(value) else value), level


def _referenced(columns: list[Number | Category], asked: Asked) -> list[Number | Category]:
    """The columns with each category's reference level set: the most frequent, unless asked for.

    Without an intercept the first category keeps all its levels, each its own starting point.
    """
    done: list[Number | Category] = []
    kept_all = asked.intercept
    for column in columns:
        if isinstance(column, Category):
            reference: str | None = asked.reference.get(column.name, next(iter(column.known)))
            if reference not in column.known:
                shown = ", ".join(list(column.known)[:8])
                raise LearningError(f"'{column.name}' has no level '{reference}': it has {shown}")
            if not kept_all:
                kept_all, reference = True, None
            column = column.model_copy(update={"reference": reference})
        done.append(column)
    for name in asked.reference:
        if name not in [column.name for column in columns if isinstance(column, Category)]:
            raise LearningError(f"'{name}' is no category, so it has no reference level")
    return done
