"""Shift of a column between two samples: effect sizes, with what sampling alone would give.

    PSI          population stability index, sum (q - p) ln(q / p) over cells with shares p before
                 and q now. Without any shift it is about (cells - 1) (1/n + 1/m): that is taken off
    Wasserstein  the area between the two distribution functions, in standard deviations
    share        a difference of shares of rows, as of missing values

Whether there is a shift at all is asked apart from its size: an effect within `NOISE` standard
errors of none counts as none, so that few rows are not taken for a shift. Many rows never turn a
small effect into a large one.

Shapes: c cells; n rows before, m now.
Source: Siddiqi 2006 (PSI and its usual limits); Wilson & Hilferty 1931 (quantiles of chi-square)
"""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.rule.predict import Array

NOISE = 4.5
# Cells of which either sample would have fewer rows than this are put together.
FEWEST_IN_CELL = 5.0


@dataclass(frozen=True)
class Shift:
    """An effect, and whether it is beyond what sampling gives; `size` is 0 where it is not."""

    size: float
    beyond_noise: bool

    @classmethod
    def of(cls, size: float, *, beyond_noise: bool) -> "Shift":
        """An effect that is none where sampling explains it."""
        return cls(size if beyond_noise else 0.0, beyond_noise)


def share_shift(before: float, now: float, n: float, m: float) -> Shift:
    """How much a share of rows has changed: now - before."""
    both = (before * n + now * m) / (n + m)
    error = math.sqrt(max(both * (1 - both), 0.0) * (1 / n + 1 / m))
    # A share of a few rows is far from normal: that many rows are let pass.
    slack = FEWEST_IN_CELL * (1 / n + 1 / m)
    return Shift.of(now - before, beyond_noise=abs(now - before) > NOISE * error + slack)


def stability_index(before: Array, now: Array) -> Shift:
    """The PSI of rows by cell, less what sampling gives; cells of few rows are one.

    Shapes:  before, now (c,), rows

    >>> stability_index(np.array([500.0, 500.0]), np.array([250.0, 250.0])).size
    0.0
    >>> round(stability_index(np.array([500.0, 500.0]), np.array([350.0, 150.0])).size, 3)
    0.166
    """
    n, m = float(before.sum()), float(now.sum())
    if not n or not m:
        return Shift(0.0, beyond_noise=False)
    before, now = _with_enough(before, now)
    cells = len(before)
    if cells < 2:
        return Shift(0.0, beyond_noise=False)
    p, q = (before + 0.5) / (n + 0.5 * cells), (now + 0.5) / (m + 0.5 * cells)
    raw = float(((q - p) * np.log(q / p)).sum())
    # Chi-square of two samples, which is not swayed by cells that are nearly empty as PSI is.
    both = (before + now) / (n + m)
    chi_square = float((((before / n - now / m) ** 2) / both).sum()) / (1 / n + 1 / m)
    beyond = chi_square > _chi_square_limit(cells - 1)
    return Shift.of(max(0.0, raw - (cells - 1) * (1 / n + 1 / m)), beyond_noise=beyond)


def in_tenths(before: Array) -> list[slice]:
    """Neighbouring cells put together to about a tenth of the rows each, as is usual for PSI."""
    found, start, rows = [], 0, 0.0
    tenth = before.sum() / 10
    for at, count in enumerate(before):
        rows += float(count)
        if rows >= tenth * (1 - 1e-9):
            found.append(slice(start, at + 1))
            start, rows = at + 1, 0.0
    if start < len(before):
        last = found.pop().start if found and rows < tenth / 2 else start
        found.append(slice(last, len(before)))
    return found


def wasserstein(
    edges: Array, before: Array, now: Array, n: float, m: float, *, stepped: bool
) -> tuple[float, float]:
    """The area between two distribution functions from the first edge to the last, and its noise.

    Between edges the functions are straight, or where each edge is a value, steps. The noise is the
    largest area that sampling is taken to give, for a standard deviation of 1.
    Shapes:  edges, before, now (c,): edges in units of it, and the shares up to each
    """
    width, apart = np.diff(edges), before - now
    both = (n * before + m * now) / (n + m)
    spread = np.sqrt(np.maximum(both * (1 - both), 0.0))
    per_row = math.sqrt(1 / n + 1 / m)
    mean = math.sqrt(2 / math.pi) * float((width * spread[:-1]).sum()) * per_row
    noise = mean + NOISE * per_row
    if stepped:
        return float((width * np.abs(apart[:-1])).sum()), noise
    a, b = np.abs(apart[:-1]), np.abs(apart[1:])
    crossing = apart[:-1] * apart[1:] < 0
    sums = np.where(a + b > 0, a + b, 1.0)
    area = np.where(crossing, (a * a + b * b) / sums, a + b)
    return float((width * area).sum() / 2), noise


def _with_enough(before: Array, now: Array) -> tuple[Array, Array]:
    """The cells with enough rows, and one of the rest."""
    n, m = float(before.sum()), float(now.sum())
    expected = (before + now) * min(n, m) / (n + m)
    few = expected < FEWEST_IN_CELL
    if not few.any():
        return before, now
    rest = [np.array([one[few].sum()]) for one in (before, now)]
    if expected[few].sum() < FEWEST_IN_CELL and not few.all():
        # Too few still: they join the smallest of the others.
        own, at = [before[~few].copy(), now[~few].copy()], int(np.argmin(expected[~few]))
        own[0][at] += rest[0][0]
        own[1][at] += rest[1][0]
        return own[0], own[1]
    return np.append(before[~few], rest[0]), np.append(now[~few], rest[1])


def _chi_square_limit(freedom: int) -> float:
    """The quantile of chi-square at which a normal variable is at `NOISE`."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + NOISE * math.sqrt(part)) ** 3)
