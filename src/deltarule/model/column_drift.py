"""Drift of one column: how its values are spread, beside the rows that were learnt from.

    psi         population stability index over about ten cells, levels and missing values among
                them, less what sampling gives
    moved       Wasserstein distance, in standard deviations of the rows learnt from
    new levels  more rows with a level that is not known by name
    missing     more or fewer rows without a value
    outside     more rows beyond all values learnt from

A score is the largest of these, each as a multiple of the size from which it is called drift. So 1
is drift, and from `SOME` on there is some. What sampling alone explains counts as 0.

Shapes: n rows learnt from, m rows now
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from deltarule.metrics.shift import (
    NOISE,
    Shift,
    in_tenths,
    share_shift,
    stability_index,
    wasserstein,
)
from deltarule.rule.predict import Array
from deltarule.tables.distributions import Distribution
from deltarule.tables.schema import Noticed, Schema
from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number
from deltarule.views.format import number, percent

DRIFT: Mapping[str, float] = {
    "psi": 0.25,
    "moved": 0.5,
    "new_levels": 0.05,
    "missing": 0.10,
    "outside": 0.10,
}
"""From which size on each effect is drift: a PSI, standard deviations, and shares of rows."""
SOME = 0.4
OTHERS = "other levels"
LAST_DAY = 2_932_896  # of the year 9999


def verdict(score: float) -> str:
    """A score in words."""
    return "drifted" if score >= 1 else "some drift" if score >= SOME else "no drift"


@dataclass(frozen=True)
class CellShares:
    """The shares of rows in a cell, learnt from and now."""

    cell: str
    before: float
    now: float


@dataclass(frozen=True)
class ColumnDrift:
    """A column's effects, those that sampling explains being 0; None where not known."""

    column: str
    kind: str
    psi: float | None
    moved: float | None = None
    mean_moved: float | None = None
    new_levels: float | None = None
    missing: float | None = None
    outside: float | None = None
    shares: tuple[CellShares, ...] = ()
    """Of rows in each cell, as they are."""
    pooled: bool = False
    """Whether rare levels have no name, so that they count with those never seen."""
    found: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The shares of rows, before and now, of which effects are differences."""

    @cached_property
    def effects(self) -> dict[str, float]:
        """Each effect as a multiple of the size from which it is drift, the largest first."""
        sizes = {name: getattr(self, name) for name in DRIFT}
        known = {name: abs(one) / DRIFT[name] for name, one in sizes.items() if one is not None}
        return dict(sorted(known.items(), key=lambda pair: -pair[1]))

    @property
    def score(self) -> float:
        """The largest effect: 1 or more is drift."""
        return max(self.effects.values(), default=0.0)

    @property
    def verdict(self) -> str:
        """The score in words."""
        return verdict(self.score)

    @property
    def words(self) -> str:
        """What has changed, the largest effect first."""
        parts = [self._told(name) for name, size in self.effects.items() if size >= SOME]
        return "; ".join(dict.fromkeys(part for part in parts if part))

    def _told(self, effect: str) -> str:
        before, now = (percent(one) for one in self.found.get(effect, (0.0, 0.0)))
        match effect:
            case "moved":
                return self._moved()
            case "missing":
                return f"missing in {now} of rows, was {before}"
            case "new_levels":
                rare = "too rare or " if self.pooled else ""
                # All levels learnt from had been seen: this is the share expected of new rows.
                return f"levels {rare}never seen in {now} of rows, expected {before}"
            case "outside":
                return f"beyond all values learnt from in {now} of rows"
        most = max(self.shares, key=lambda one: abs(one.now - one.before))
        other = {MISSING: "missing", OTHERS: "new_levels"}.get(most.cell)
        if other is not None and other in self.found:
            return self._told(other)
        return f"{most.cell}: {percent(most.now)} of rows, was {percent(most.before)}"

    def _moved(self) -> str:
        assert self.moved is not None, "it is the effect"
        mean = self.mean_moved or 0.0
        if abs(mean) < self.moved / 2:
            return f"spread otherwise, by {self.moved:.2g} standard deviations"
        side = "higher" if mean > 0 else "lower"
        return f"{abs(mean):.2g} standard deviations {side} on average"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        effects = {name: getattr(self, name) for name in ("psi", "moved", "mean_moved")}
        effects |= {name: getattr(self, name) for name in ("new_levels", "missing", "outside")}
        return {
            "column": self.column,
            "kind": self.kind,
            "verdict": self.verdict,
            "score": self.score,
            **effects,
            "words": self.words,
            "shares": [vars(one) for one in self.shares],
        }


@dataclass(frozen=True)
class Spread:
    """How a number was spread over n rows: its distribution, if known, range and gaps."""

    name: str
    distribution: Distribution | None
    low: float
    high: float
    missing: float
    """The share of rows without a value."""
    examples: float
    days: bool = False
    """Whether it counts days since 1970, which are shown as dates."""

    def drift(self, values: Array, kind: str) -> ColumnDrift:
        """The drift of values (m,), NaN where missing."""
        m = len(values)
        known = values[~np.isnan(values)]
        now = 1 - len(known) / m
        gaps = share_shift(self.missing, now, self.examples, m)
        out = float(((known < self.low) | (known > self.high)).mean()) if len(known) else 0.0
        # Of so many rows before, the next is beyond them all with this chance.
        by_chance = 2 / (self.examples + 1)
        outside = share_shift(by_chance, out, self.examples, max(len(known), 1))
        found = {"missing": (self.missing, now), "outside": (by_chance, out)}
        made: dict[str, Any] = {"missing": gaps.size, "outside": max(0.0, outside.size)}
        if self.distribution is None:
            return ColumnDrift(self.name, kind, psi=None, found=found, **made)
        counts = self.distribution.counts(known)
        made |= self._cells(self.distribution, counts, m - len(known))
        if kind != "boolean":
            made |= _moved(self.distribution, known, counts)
        return ColumnDrift(self.name, kind, found=found, **made)

    def _cells(self, known: Distribution, counts: Array, gaps: int) -> dict[str, Any]:
        rows = np.array(known.rows, dtype=np.float64)
        parts = [slice(at, at + 1) for at in range(len(rows))] if known.each else in_tenths(rows)
        inside = counts[1:-1]
        before = [0.0, *(float(rows[part].sum()) for part in parts), 0.0]
        now = [counts[0], *(float(inside[part].sum()) for part in parts), counts[-1]]
        as_text = number if not self.days else _day
        first, last = (as_text(known.edges[at]) for at in (0, -1))
        names = [f"below {first}", *_labels(known, parts, as_text), f"above {last}"]
        missing = known.total * self.missing / (1 - self.missing) if self.missing < 1 else 0.0
        return _shares([*before, missing], [*now, gaps], [*names, MISSING])


def _labels(
    known: Distribution, parts: Sequence[slice], as_text: Callable[[float], str]
) -> list[str]:
    texts = [as_text(edge) for edge in known.edges]
    if known.each:
        return texts
    return [
        f"{texts[part.start - 1]} to {texts[part.stop - 1]}"
        if part.start
        else f"to {texts[part.stop - 1]}"
        for part in parts
    ]


def _day(value: float) -> str:
    if abs(value) > LAST_DAY:
        return number(value)
    return str(np.datetime64(math.floor(value), "D"))


def _shares(before: Sequence[float], now: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    """The PSI of rows by cell, and their shares in those cells that have any."""
    old, new = np.array(before), np.array(now)
    n, m = old.sum() or 1.0, new.sum() or 1.0
    shares = tuple(
        CellShares(name, float(a / n), float(b / m))
        for name, a, b in zip(names, old, new, strict=True)
        if a or b
    )
    return {"psi": stability_index(old, new).size, "shares": shares}


def _moved(known: Distribution, values: Array, counts: Array) -> dict[str, Any]:
    """The Wasserstein distance and that of the means, in standard deviations."""
    n, m = known.total, len(values)
    if not m or not known.sd:
        return {"moved": None, "mean_moved": None}
    edges, own = known.limits / known.sd, values / known.sd
    before, now = np.cumsum(known.rows) / n, (counts[0] + np.cumsum(counts[1:-1])) / m
    area, noise = wasserstein(edges, before, now, n, m, stepped=known.each)
    above, below = np.maximum(own - edges[-1], 0), np.maximum(edges[0] - own, 0)
    far = above + below
    # A few values that are far out may come with any sample of such rows.
    noise += NOISE * float(np.sqrt(far @ far)) / m
    shift = Shift.of(area + float(far.mean()), beyond_noise=area + float(far.mean()) > noise)
    ends = before - now if known.each else (before[1:] + before[:-1] - now[1:] - now[:-1]) / 2
    mean = float(np.diff(edges) @ ends[: len(edges) - 1]) + float((above - below).mean())
    return {"moved": shift.size, "mean_moved": mean if shift.beyond_noise else 0.0}


def category_drift(
    schema: Schema, column: Category, series: pl.Series, rows: float, examples: float
) -> ColumnDrift:
    """The drift of a category's values (m,), of which it learnt from so many rows."""
    noticed, m = Noticed(), len(series)
    codes = schema.codes(column, series, noticed)
    none = np.zeros(m, dtype=bool)
    gaps, unseen = (one.get(column.name, none) for one in (noticed.missing, noticed.unseen))
    names = [name for name in column.known if name not in (MISSING, OTHER)]
    place = {name: at for at, name in enumerate(column.known)}
    counts = np.bincount(codes[~gaps & ~unseen], minlength=len(place))
    scale = examples / rows
    own_gap = MISSING in column.known
    missing = column.known[MISSING] if own_gap else column.missing
    pooled = max(0.0, column.known.get(OTHER, 0.0) - (0.0 if own_gap else missing))
    levels, unnamed = _regressed(np.array([column.known[name] for name in names]))
    before = [*levels, pooled + unnamed, missing]
    now = [*(float(counts[place[name]]) for name in names), float(unseen.sum()), float(gaps.sum())]
    made = _shares([one * scale for one in before], now, [*names, OTHERS, MISSING])
    there_before, there = max(sum(before) - missing, 1.0), max(m - float(gaps.sum()), 1.0)
    was, new = (pooled + unnamed) / there_before, float(unseen.sum()) / there
    more = share_shift(was, new, max(there_before * scale, 1.0), there)
    share = missing / sum(before) if sum(before) else 0.0
    less = share_shift(share, float(gaps.mean()), examples, m)
    found = {"new_levels": (was, new), "missing": (share, float(gaps.mean()))}
    return ColumnDrift(
        column.name,
        column.kind,
        new_levels=max(0.0, more.size),
        missing=less.size,
        pooled=OTHER in column.known,
        found=found,
        **made,
    )


def _regressed(counts: Array) -> tuple[list[float], float]:
    """The rows that levels with so many may be expected to have again, and those that others will.

    Levels are named because they had many rows, so that the rarest of them will have fewer, and
    levels without a name more: of levels with t rows, the least that are named, as many rows as all
    of these had together (Good 1953), here smoothed over levels with up to half as many again.
    """
    if not len(counts):
        return [], 0.0
    least = float(counts.min())
    rare = counts <= 1.5 * least
    # That many whole counts there are from the least to half as many again.
    lost = float(counts[rare].sum()) / (int(1.5 * least) - int(least) + 1)
    kept = np.where(rare, 1 - lost / counts[rare].sum(), 1.0) * counts
    return kept.tolist(), lost


def classes_drift(
    name: str, classes: Mapping[str, float], now: Mapping[str, int], examples: float
) -> ColumnDrift:
    """The drift of a target's classes, by how many rows have each."""
    scale = examples / sum(classes.values())
    made = _shares(
        [one * scale for one in classes.values()],
        [float(now.get(level, 0)) for level in classes],
        list(classes),
    )
    return ColumnDrift(name, "target", **made)


def spread_of(column: Number, rows: float, examples: float, known: Distribution | None) -> Spread:
    """How an input was spread."""
    share, days = column.missing / rows, (column.expression or "").startswith("days(")
    return Spread(column.name, known, column.low, column.high, share, examples, days)
