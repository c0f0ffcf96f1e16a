"""Summary: the sufficient statistics of rows by fold, which add and subtract.

    a + b   the summary of the rows of both
    a - b   the summary of the rows of a without those of b

Everything is keyed by the names of columns and levels, and is from before anything is decided that
depends on all rows: no level is pooled, and missing values stand apart. So rows may be read in any
parts, in any order, by whatever engine; `finalize` decides on the sum.

    moments     means and centred cross-products of numbers, then of missing indicators
    levels      for each category the sums of these columns by level, and of each pair of categories
                how often their levels meet
    ranges      the least and largest of each number; after a subtraction they are bounds
    histograms  counts of each number in cells of its bits, where asked for
    causes      the rows left out, by cause in words

Shapes: f folds, m numbers of which g have gaps, d = m + g.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.moments.accumulate import Sums
from deltarule.moments.histogram import Histogram, NegativeCountError
from deltarule.moments.moments import Moments, total, two_sum
from deltarule.moments.one_hot import DENSE_COLUMNS, Levels, OneHotCross, dense, rows_kept
from deltarule.rule.predict import Array
from deltarule.tables.layout import Layout
from deltarule.tables.level_sums import LevelSums, PairCounts, Places
from deltarule.tables.plan import Plan

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What rounding may leave of a sum of weights that is zero, relative to the weights it is left of.
ROUNDING = 1e-9
# A variance may shrink to this part of itself: more costs over four of its sixteen digits. What is
# left of a constant's is nothing.
MOST_CANCELLED, NOTHING = 1e-4, 1e-13


@dataclass(frozen=True, eq=False)
class Summary:
    """The sums of some rows. `fill` (m,) is what missing numbers count as in them."""

    layout: Layout
    examples: int
    causes: Mapping[str, int]
    folds: tuple[Moments, ...]
    gaps: tuple[int, ...]
    """The numbers with missing values, in order."""
    fill: Array
    low: Array
    high: Array
    levels: Mapping[str, LevelSums] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], PairCounts] = field(default_factory=dict)
    histograms: tuple[Histogram, ...] = ()
    """Of each number; empty where they were not asked for."""
    bounded: bool = False
    """Whether ranges are bounds, as they are after a subtraction."""
    parts: tuple[str, ...] = ()
    """The fingerprints of the tables that were added."""

    @classmethod
    def of(cls, plan: Plan, sums: Sums, layout: Layout | None = None) -> Self:
        """The summary of sums about one origin, of the columns of a plan."""
        layout = Layout.of(plan) if layout is None else layout
        own = {name: plan.levels[name] for name in layout.every_category}
        levels = {name: (one.names, one.beyond) for name, one in own.items()}
        return cls.of_sums(layout, sums, levels, plan.causes(sums.causes))

    @classmethod
    def of_sums(
        cls,
        layout: Layout,
        sums: Sums,
        levels: Mapping[str, tuple[Sequence[str], int]],
        causes: Mapping[str, int],
    ) -> Self:
        """The summary of sums; `levels` are the names of codes, and how many there are beyond."""
        folds, gaps = range(len(sums.gram)), np.zeros(len(sums.gaps))
        scale = np.concatenate([sums.frame.scale, 1 + gaps])
        shift = np.concatenate([sums.frame.shift / sums.frame.scale, gaps])
        means = [gram[0, 1:] / (gram[0, 0] or 1.0) for gram in sums.gram]
        if sums.kept is not None:
            means = [np.zeros(0)] * len(sums.gram)  # levels are only counted
        names = layout.every_category
        by_level, places = {}, []
        for at, name in enumerate(names):
            tables = [sums.tables[at].by_level(fold, sums.levels[at]) for fold in folds]
            by_level[name], into = LevelSums.of(levels[name][0], tables, means, levels[name][1])
            places.append(into)
        pairs = {}
        for (one, other), pair in sums.pairs.items():
            found = [pair.pairs(fold) for fold in folds]
            counts = PairCounts.by_fold(found, places[one], places[other])
            pairs[names[one], names[other]] = counts
        if sums.kept is None:
            moments = tuple(_about_origin(gram, shift, scale) for gram in sums.gram)
        else:
            goes = tuple(places)
            moments = tuple(
                _of_rows(sums, fold, goes, shift, scale) for fold in range(len(sums.gram))
            )
        return cls(
            *(layout, sums.examples, causes, moments, sums.gaps, sums.frame.shift),
            *(sums.low, sums.high, by_level, pairs, tuple(sums.histograms)),
        )

    def __add__(self, other: "Summary") -> "Summary":
        """The summary of the rows of both.

        Errors:  LearningError where their columns, folds or weights are not the same
        """
        layout = self.layout.joined(other.layout)
        one, two = _aligned(self, other)
        joined = one._merge(two, 1.0)
        causes = Counter(self.causes) + Counter(other.causes)
        return replace(
            joined,
            layout=layout,
            causes=dict(sorted(causes.items())),
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
            bounded=self.bounded or other.bounded,
            parts=(*self.parts, *other.parts),
        )

    def __sub__(self, other: "Summary") -> "Summary":
        """The summary without the other's rows.

        Errors:  LearningError where they are not all in it, or too few digits would be left
        """
        layout = self.layout.joined(other.layout)
        one, two = _aligned(self, other)
        causes = Counter(self.causes)
        causes.subtract(other.causes)
        if self.examples < other.examples or min(causes.values(), default=0) < 0:
            raise never_there("there are fewer rows than that")
        rest = one._merge(two, -1.0)
        rest = replace(
            rest,
            layout=layout,
            causes={why: rows for why, rows in sorted(causes.items()) if rows},
            bounded=True,
            parts=tuple(part for part in self.parts if part not in other.parts),
        )
        return _checked(rest, one)

    @property
    def fingerprint(self) -> str:
        """What tells these rows from others, whatever their order and folds: some digits of sums.

        Rounding in another order changes later digits than these.
        """
        whole, levels = total(self.folds), {}
        for name, own in self.levels.items():
            counts = own.counts.sum(axis=0)[1:-1]
            levels[name] = {
                level: f"{n:.9g}" for level, n in zip(own.names, counts, strict=True) if n
            }
        m = len(self.fill)
        sums = [f"{one:.9e}" for one in (whole.rows, *(whole.scale * whole.mean)[:m])]
        squares = [f"{one:.8e}" for one in np.sqrt(np.abs(whole.cross.diagonal()[:m]))]
        told = [self.examples, dict(self.causes), sums, squares, levels]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _merge(self, other: "Summary", sign: float) -> "Summary":
        """The sums of two aligned summaries."""
        folds, mine, yours = [], [], []
        for a, b in zip(self.folds, other.folds, strict=True):
            whole = a + b if sign > 0 else a - b
            apart = a.apart(b) if a.rows and b.rows else np.zeros(len(a.mean))
            share = b.rows / whole.rows if whole.rows > 0 else 0.0
            mine.append(-sign * apart * share)
            yours.append(apart - sign * apart * share)
            folds.append(whole)
        try:
            histograms = tuple(
                a + b if sign > 0 else a - b
                for a, b in zip(self.histograms, other.histograms, strict=True)
            )
        except NegativeCountError as error:
            raise never_there("a value has fewer rows than that") from error
        levels = {
            name: own.merged(other.levels[name], sign, np.array(mine), np.array(yours))
            for name, own in self.levels.items()
        }
        pairs = {key: own.merged(other.pairs[key], sign) for key, own in self.pairs.items()}
        return replace(
            self,
            examples=self.examples + int(sign) * other.examples,
            folds=tuple(folds),
            levels=levels,
            pairs=pairs,
            histograms=histograms,
        )

    @property
    def rows(self) -> float:
        """The sum of all row weights."""
        return sum(fold.rows for fold in self.folds)

    @property
    def left_out(self) -> int:
        """How many rows were left out, whatever for."""
        return sum(self.causes.values())

    def gap(self, number: int) -> int | None:
        """The index of a number's missing indicator; None where no value is missing."""
        m = len(self.fill)
        return m + self.gaps.index(number) if number in self.gaps else None

    def present(self, number: int) -> tuple[float, float]:
        """The weight of a number's values that are not missing, and their mean in its own units."""
        gap, fill = self.gap(number), float(self.fill[number])
        missing = 0.0 if gap is None else sum(fold.rows * fold.mean[gap] for fold in self.folds)
        rows = self.rows - missing
        return rows, fill + self.away(number, fill) / rows if rows > 0 else fill

    def away(self, number: int, start: float) -> float:
        """The sum of a number's differences from `start`, in its own units, the filled ones too.

        Values far from zero have no more digits than their differences ask for.
        """
        # As a plain float: a sum of values near the largest number is infinite without a warning.
        scale = float(self.folds[0].scale[number])
        start = start / scale
        return scale * float(
            sum(
                fold.rows * ((fold.mean[number] - start) + fold.rest[number]) for fold in self.folds
            )
        )

    def kept(self) -> "Summary":
        """The summary without levels and missing indicators that no row has."""
        m = len(self.fill)
        has = [any(fold.mean[m + at] for fold in self.folds) for at in range(len(self.gaps))]
        if not all(has):
            at = [*range(m), *(m + place for place, one in enumerate(has) if one)]
            self = replace(
                self,
                gaps=tuple(gap for gap, one in zip(self.gaps, has, strict=True) if one),
                folds=tuple(fold.take(at) for fold in self.folds),
                levels={
                    name: replace(own, sums=own.sums[:, :, at]) for name, own in self.levels.items()
                },
            )
        return self.named({name: own.held() for name, own in self.levels.items()})

    def named(self, names: Mapping[str, tuple[str, ...]]) -> "Summary":
        """The summary with these names of levels; the others are beyond."""
        if all(own.names == names[name] for name, own in self.levels.items()):
            return self
        into = {name: own.places(names[name]) for name, own in self.levels.items()}
        return replace(
            self,
            levels={name: own.named(names[name]) for name, own in self.levels.items()},
            pairs={
                (one, other): own.placed(into[one], into[other])
                for (one, other), own in self.pairs.items()
            },
        )

    def widened(self, gaps: tuple[int, ...], scale: Array) -> "Summary":
        """The summary with a missing indicator for each of these numbers, in units of `scale`."""
        m = len(self.fill)
        own = self.folds[0].scale
        scale = np.concatenate([scale, np.ones(len(gaps))])
        if gaps == self.gaps and np.array_equal(own, scale):
            return self
        at = [*range(m), *(m + gaps.index(gap) for gap in self.gaps)]
        by = own / scale[at]
        return replace(
            self,
            gaps=gaps,
            folds=tuple(_placed(fold.scaled(scale[at]), at, scale) for fold in self.folds),
            levels={name: one.columns(at, m + len(gaps), by) for name, one in self.levels.items()},
        )

    def refilled(self, number: int, value: float) -> "Summary":
        """The summary with missing values of a number counted as this one, in its own units."""
        gap, change = self.gap(number), value - self.fill[number]
        if gap is None or change == 0:
            return self
        fill = self.fill.copy()
        fill[number] = value
        by = change / self.folds[0].scale[number]
        return replace(
            self,
            fill=fill,
            folds=tuple(fold.refill(number, gap, change) for fold in self.folds),
            levels={name: one.refill(number, gap, by) for name, one in self.levels.items()},
        )

    def starts(self) -> dict[str, int]:
        """The index of each category's first code, missing, among the columns of `moments`."""
        found, start = {}, len(self.folds[0].mean)
        for name, own in self.levels.items():
            found[name] = start
            start += own.counts.shape[1]
        return found

    def moments(self) -> list[Moments]:
        """Each fold's moments of numbers, missing indicators and one-hot levels."""
        if not self.levels:
            return list(self.folds)
        return [self._one_hot(fold) for fold in range(len(self.folds))]

    def _one_hot(self, fold: int) -> Moments:
        own, starts, names = self.folds[fold], self.starts(), list(self.levels)
        levels = [self.levels[name] for name in names]
        per = 1 / own.rows if own.rows else 0.0
        mean = np.concatenate([own.mean, *(level.counts[fold] * per for level in levels)])
        others = len(mean) - len(own.mean)
        if rows_kept(own.cross):
            sizes = [level.counts.shape[1] for level in levels]
            columns = own.cross.columns_of.with_levels(sizes)
            off = np.concatenate([own.cross.off, mean[len(own.mean) :]])
            kept = replace(own.cross, columns_of=columns, off=off)
            rest = np.concatenate([own.rest, np.zeros(others)])
            return Moments(own.rows, mean, rest, kept, np.append(own.scale, np.ones(others)))
        few = len(mean) <= DENSE_COLUMNS
        cross = OneHotCross(
            rows=own.rows,
            dense_at=np.arange(len(own.mean)),
            dense=dense(own.cross),
            levels=tuple(
                Levels(
                    np.arange(starts[name], starts[name] + level.counts.shape[1]),
                    level.counts[fold],
                    level.sums[fold],
                )
                for name, level in zip(names, levels, strict=True)
            ),
            pairs={}
            if few
            else {
                (names.index(one), names.index(other)): self._pair(one, other, fold)
                for one, other in self.pairs
            },
        )
        rest = np.concatenate([own.rest, np.zeros(others)])
        scale = np.concatenate([own.scale, np.ones(others)])
        if not few:
            return Moments(own.rows, mean, rest, cross, scale)
        whole = cross.array()
        for (one, other), pair in self.pairs.items():
            here = pair.fold == fold
            at = starts[one] + pair.one[here], starts[other] + pair.other[here]
            whole[at] += pair.counts[here]
            whole[at[::-1]] += pair.counts[here]
        return Moments(own.rows, mean, rest, whole, scale)

    def _pair(self, one: str, other: str, fold: int) -> "csr_array":
        from scipy.sparse import csr_array  # it takes 50 ms to load, and few need it

        pair = self.pairs[one, other]
        here = pair.fold == fold
        shape = self.levels[one].counts.shape[1], self.levels[other].counts.shape[1]
        return csr_array((pair.counts[here], (pair.one[here], pair.other[here])), shape=shape)


def _about_origin(gram: Array, shift: Array, scale: Array) -> Moments:
    """The moments of a Gram matrix (1 + d, 1 + d) of ones and of columns less `shift`."""
    rows = float(gram[0, 0])
    if rows == 0:
        return replace(Moments.none(len(shift)), scale=scale)
    off = gram[0, 1:] / rows
    mean, rest = two_sum(shift, off)
    return Moments(rows, mean, rest, gram[1:, 1:] - np.outer(off, off) * rows, scale)


def _of_rows(
    sums: Sums, fold: int, goes: tuple[Places, ...], shift: Array, scale: Array
) -> Moments:
    """The moments of the rows of a fold that were kept; `goes` gives each code its level."""
    from deltarule.moments.row_cross import Columns, RowCross  # most tables are not that wide

    columns = replace(Columns.of(len(sums.low), sums.gaps), goes=goes)
    rows = float(sums.gram[fold, 0, 0])
    off = sums.gram[fold, 0, 1:] / (rows or 1.0)
    parts = tuple(one.of_fold(fold) for one in sums.kept or ()) if rows else ()
    mean, rest = two_sum(shift, off) if rows else (0 * shift, 0 * shift)
    return Moments(rows, mean, rest, RowCross(rows, parts, columns, off), scale)


def _placed(moments: Moments, at: Sequence[int], scale: Array) -> Moments:
    """The moments of more columns, of which those that are new are zero."""
    size, places = len(scale), np.asarray(at, dtype=np.intp)
    mean, rest, cross = np.zeros(size), np.zeros(size), np.zeros((size, size))
    mean[places], rest[places] = moments.mean, moments.rest
    cross[np.ix_(places, places)] = dense(moments.cross)
    return Moments(moments.rows, mean, rest, cross, scale)


def _aligned(one: Summary, other: Summary) -> tuple[Summary, Summary]:
    """Both with the same columns, units, levels, fill values and histograms."""
    gaps = tuple(sorted({*one.gaps, *other.gaps}))
    m = len(one.fill)
    scale = np.maximum(one.folds[0].scale[:m], other.folds[0].scale[:m])
    first, two = one.widened(gaps, scale), other.widened(gaps, scale)
    for number in gaps:
        # Missing values count as the mean of those of both that are there: from anywhere far off,
        # such as from 0 in a part that has none, they would cost digits.
        (mine, mean), (yours, other_mean) = first.present(number), two.present(number)
        if mine + yours > 0:
            fill = mean + (other_mean - mean) * (yours / (mine + yours))
            first, two = first.refilled(number, fill), two.refilled(number, fill)
    names = {name: own.together(other.levels[name]) for name, own in one.levels.items()}
    if not (one.histograms and other.histograms):
        first, two = replace(first, histograms=()), replace(two, histograms=())
    return first.named(names), two.named(names)


def joined(parts: Sequence[Summary]) -> Summary:
    """The sum of several summaries, in pairs, so that few are added to a large one."""
    while len(parts) > 1:
        pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
        parts = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def _checked(rest: Summary, before: Summary) -> Summary:
    """A difference that could be sums of rows, without what rounding left of others.

    Errors:  LearningError
    """
    folds = tuple(map(_checked_fold, rest.folds, before.folds))
    _check_digits(folds, before.folds)
    levels = {}
    for name, own in rest.levels.items():
        counts = _checked_counts(own.counts, before.levels[name].counts, name)
        sums = np.where(counts[:, :, None] == 0, 0.0, own.sums)
        levels[name] = replace(own, counts=counts, sums=sums)
    pairs = {}
    for key, pair in rest.pairs.items():
        counts = _checked_counts(pair.counts, np.full(len(pair.counts), before.rows), key[0])
        pairs[key] = PairCounts.of(pair.fold, pair.one, pair.other, counts)
    low, high = before.low.copy(), before.high.copy()
    for at, cells in enumerate(rest.histograms):
        low[at], high[at] = max(low[at], cells.low), min(high[at], cells.high)
    exact = len(rest.histograms) == len(low) and all(cells.exact for cells in rest.histograms)
    rest = replace(rest, folds=folds, levels=levels, pairs=pairs, low=low, high=high)
    return replace(rest, bounded=not exact).kept()


def _checked_fold(rest: Moments, before: Moments) -> Moments:
    """A fold's difference.

    Errors:  LearningError for a negative variance
    """
    if rest.rows <= ROUNDING * before.rows:
        return replace(Moments.none(len(rest.mean)), scale=rest.scale)
    left, was = rest.cross.diagonal(), before.cross.diagonal()
    if (left < -ROUNDING * was).any():
        raise never_there("a variance would be negative")
    constant = left <= NOTHING * was
    cross = np.where(constant[:, None] | constant, 0.0, dense(rest.cross))
    zero = constant & (np.abs(rest.mean) <= ROUNDING * np.sqrt(was / before.rows))
    return replace(rest, mean=np.where(zero, 0.0, rest.mean), cross=cross)


def _check_digits(rest: Sequence[Moments], before: Sequence[Moments]) -> None:
    """Errors: LearningError where cancellation leaves too few digits of a variance."""
    left, was = total(rest).cross.diagonal(), total(before).cross.diagonal()
    if ((left > NOTHING * was) & (left < MOST_CANCELLED * was)).any():
        raise LearningError(
            "too few digits are left without these rows, which are nearly all there were: learn "
            "anew from the rows that stay"
        )


def _checked_counts(rest: Array, before: Array, name: str) -> Array:
    """Counts of levels without what rounding left.

    Errors:  LearningError for a count below 0
    """
    if (rest < -ROUNDING * before).any():
        raise never_there(f"a level of {name} has fewer rows than that")
    return np.where(np.abs(rest) <= ROUNDING * before, 0.0, rest)


def never_there(why: str) -> LearningError:
    """The error for rows to forget that are not all in a summary."""
    return LearningError(
        f"these rows were not all learnt from ({why}): give the rows as they were learnt"
    )
