"""Finalize categories and classes after the read: rare levels, reference levels, classes.

Levels are pooled in the moments, with the same result as if the rows had been encoded that way.
"""

from collections.abc import Collection, Sequence

import numpy as np

from deltarule.errors import LearningError, TargetError
from deltarule.moments.moments import Moments
from deltarule.tables.kinds import LeftOut
from deltarule.tables.level_counts import MOST_COUNTED
from deltarule.tables.make_plan import too_many
from deltarule.tables.missing_words import GAP_WORDS
from deltarule.tables.request import ReplanError, Request
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number, Target
from deltarule.tables.summary import Summary

# Words for missing that are seldom the name of a class; "unknown" and "pending" may be one.
GAP_CLASSES = {
    *map(str.lower, GAP_WORDS),
    *("n.a.", "n.a", "#n/a n/a", "#na", "<na>", "nat", "nil", "--", "---", "..", "..."),
    *("missing", "(missing)", "not available", "no data"),
}
# Most columns named in a note on levels.
CUT_SHOWN = 3


def often(rows: float) -> int:
    """The least rows of a level that is not pooled: two; in a long table, five."""
    return 5 if rows >= 500 else 2


def levels(
    summary: Summary, request: Request, column: str, start: int, folds: list[Moments]
) -> tuple[Category | LeftOut, list[int], list[Moments]]:
    """The category, the indices of its levels in the moments, and the moments with pooling."""
    rows, own = summary.rows, summary.levels[column]
    counts = np.round(own.counts.sum(axis=0), 9)
    names = [MISSING, *own.names, OTHER]
    named = {level: code for code, level in enumerate(names) if counts[code] > 0}
    needed = often(rows)
    by_count = sorted(named.keys() - {OTHER}, key=lambda level: (-counts[named[level]], level))
    beyond = set(by_count[most_levels(summary, request) :])
    rare = [
        level
        for level, code in named.items()
        if counts[code] < needed or level == OTHER or level in beyond
    ]
    wanted = request.reference.get(column)
    rare = [level for level in rare if level != wanted]
    few = set(rare)
    kept = {level: float(counts[code]) for level, code in named.items() if level not in few}
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
        expression=summary.layout.terms[column],
        known={level: kept[level] for level in order},
        reference=None,
        pooled=len([level for level in rare if level not in (MISSING, OTHER)]) + own.beyond,
        missing=float(counts[0]),
    )
    return category, [start + named[level] for level in order], folds


def most_levels(summary: Summary, request: Request) -> int:
    """How many levels one category may keep."""
    return summary.layout.most_levels if request.levels is None else request.levels


def gap_class_notes(summary: Summary, target: str) -> list[str]:
    """A note on classes of a target that may be words for missing, such as NA."""
    own = summary.levels[target]
    counts = np.round(own.counts.sum(axis=0), 9)
    words = {
        level: counts[code]
        for code, level in enumerate(own.names, start=1)
        if counts[code] > 0 and level.strip().lower() in GAP_CLASSES
    }
    if not words:
        return []
    shown = ", ".join(f"'{word}' ({count:,.6g})" for word, count in words.items())
    return [
        f"{target}: {shown} {'is a class' if len(words) == 1 else 'are classes'}; if rows that say "
        f'so have none, leave them out: --missing-words "{",".join(words)}"'
    ]


def cut_notes(
    summary: Summary, request: Request, columns: Sequence[Number | Category]
) -> list[str]:
    """One note on all categories with more levels than are kept."""
    cut = []
    for one in columns:
        if not isinstance(one, Category) or one.name not in summary.levels:
            continue
        kept = len(one.known.keys() - {MISSING, OTHER})
        if summary.levels[one.name].beyond or (
            one.pooled and kept >= most_levels(summary, request)
        ):
            more = "" if kept + one.pooled < MOST_COUNTED else "more than "
            cut.append(f"{one.name} ({kept:,} of {more}{kept + one.pooled:,})")
    if not cut:
        return []
    shown = ", ".join(cut[:CUT_SHOWN]) + (
        f" and {len(cut) - CUT_SHOWN} other columns" if len(cut) > CUT_SHOWN else ""
    )
    return [
        f"only the most frequent levels are kept of {shown}: the others share {OTHER}; --levels "
        f"says how many of one column, all columns together keep {summary.layout.room:,}"
    ]


def classes(
    summary: Summary, request: Request, target: str, start: int, name: str
) -> tuple[Target, list[int]]:
    """The target, and the indices of its outputs in the moments.

    Errors:  TargetError for too many classes, too few, or one with a single row; ReplanError for a
             target that looked like two classes and has more values, so that it is numbers
    """
    own, layout = summary.levels[target], summary.layout
    if own.beyond:
        raise too_many(target, name)
    counts = np.round(own.counts.sum(axis=0), 9)
    met = {level: code for code, level in enumerate(own.names, start=1) if counts[code] > 0}
    if len(met) > 2 and target in layout.either:
        raise ReplanError(takes={**request.takes, target: "numbers"})
    if not met:
        raise TargetError(
            f"{name}: the row weights add up to {own.counts.sum():g}, too little to count the "
            f"classes of '{target}' by: give larger weights"
        )
    if len(met) < 2:
        raise TargetError(
            f"{name}: the target '{target}' is {next(iter(met))!r} in every row: there is nothing "
            "to learn"
        )
    for level, code in met.items():
        if counts[code] == 1 and layout.row_weight is None:
            raise TargetError(
                f"{name}: the class {level!r} of '{target}' has a single row, from which nothing "
                "can be learnt: leave that row out, or give it another class"
            )
    order = sorted(met, key=_by_number)
    found = Target(
        name=target,
        expression=layout.terms[target],
        low=0.0,
        high=1.0,
        classes={level: float(counts[met[level]]) for level in order},
    )
    return found, [start + met[str(level)] for level in found.levels]


def _by_number(level: str) -> tuple[float, str]:
    """A sort key: numbers in numeric order, then words in alphabetical order."""
    try:
        value = float(level)
    except ValueError:
        return np.inf, level
    return (np.inf if np.isnan(value) else value), level


def referenced(
    columns: list[Number | Category], request: Request, crossed: Collection[str]
) -> list[Number | Category]:
    """The columns with each category's reference level set: the most frequent by default.

    `crossed` are columns whose reference level an interaction has.
    Without an intercept the first category keeps all its levels (no reference).
    """
    done: list[Number | Category] = []
    kept_all = request.intercept
    for column in columns:
        if isinstance(column, Category):
            reference: str | None = request.reference.get(column.name, next(iter(column.known)))
            if column.of != "text" and reference == MISSING:
                value = next(iter(column.known))
                raise LearningError(
                    f"'{column.name}' is {value} or missing: it is compared with {value}"
                )
            if reference not in column.known:
                shown = ", ".join(list(column.known)[:8])
                raise LearningError(f"'{column.name}' has no level '{reference}': it has {shown}")
            if not kept_all:
                kept_all, reference = True, None
            column = column.model_copy(update={"reference": reference})
        done.append(column)
    categories = [column.name for column in columns if isinstance(column, Category)]
    for name in request.reference:
        if name not in (*categories, *crossed):
            raise LearningError(f"'{name}' is no category, so it has no reference level")
    return done
