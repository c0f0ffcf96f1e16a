"""Histograms: cells fixed by the bits of the values, whatever the order and the parts."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltarule.moments.histogram import CELLS, Histogram, NegativeCountError
from deltarule.rule.predict import Array

DRAWN = settings(deadline=None, derandomize=True, max_examples=60)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
KINDS = ("normal", "years", "money", "zeros", "both ends", "tiny")


def values_of(kind: str, n: int = 5000) -> Array:
    rng = np.random.default_rng(KINDS.index(kind))
    return {
        "normal": lambda: rng.normal(size=n),
        "years": lambda: rng.integers(1900, 2026, n).astype(float),
        "money": lambda: np.exp(3 * rng.normal(size=n)),
        "zeros": lambda: np.where(rng.uniform(size=n) < 0.3, 0.0, rng.normal(2000, 50, n)),
        "both ends": lambda: rng.choice([-1e308, -5e-324, -0.0, 0.0, 5e-324, 1e308], n),
        "tiny": lambda: rng.normal(size=n) * 1e-310,
    }[kind]()


def slow(values: Array, shift: int) -> dict[int, int]:
    """The same cells, one value at a time, with whole numbers of any size."""
    found: dict[int, int] = {}
    for value in (values + 0.0).tolist():
        bits = int(np.float64(value).view(np.int64))
        key = bits if bits >= 0 else -(bits + 2**63) - 1
        found[key >> shift] = found.get(key >> shift, 0) + 1
    return dict(sorted(found.items()))


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_those_of_the_bits_and_as_narrow_as_they_may_be(kind: str) -> None:
    values = values_of(kind)
    found = Histogram.of(values)
    assert dict(zip(found.cells.tolist(), found.rows.tolist(), strict=True)) == slow(
        values, found.shift
    )
    assert len(found.cells) <= CELLS
    assert found.shift == 0 or len(slow(values, found.shift - 1)) > CELLS
    assert found.low <= values.min() <= found.starts[0] + abs(found.ends[0] - found.starts[0])
    assert found.starts[-1] <= values.max() <= found.high
    assert (found.starts <= found.ends).all()
    # The last value below 0 is -0.0.
    assert (found.ends[:-1] <= found.starts[1:]).all()


def test_few_values_have_cells_of_their_own() -> None:
    found = Histogram.of(values_of("years"))
    assert found.exact
    assert found.starts.tolist() == found.ends.tolist() == sorted(set(values_of("years").tolist()))


@DRAWN
@given(values=st.lists(NUMBERS, max_size=40), cut=st.integers(0, 40))
def test_parts_make_the_whole_and_subtract_again(values: list[float], cut: int) -> None:
    one, other = Histogram.of(np.array(values[:cut])), Histogram.of(np.array(values[cut:]))
    whole = Histogram.of(np.array(values))
    assert one + other == other + one == whole
    assert whole - other == one
    assert whole.total == len(values)


@pytest.mark.parametrize("kind", KINDS)
def test_many_parts_in_any_order_are_the_whole(kind: str) -> None:
    values = values_of(kind, 20_000)
    whole, rng = Histogram.of(values), np.random.default_rng(0)
    # Parts of one value, of few and of thousands; each on its own has narrower cells.
    parts = [Histogram.of(part) for part in np.split(values, [1, 2, 300, 5000, 5001, 12_000])]
    for _ in range(5):
        assert reduce(add, [parts[at] for at in rng.permutation(len(parts))]) == whole
    left = whole - parts[4]
    assert left.shift == whole.shift
    assert left + parts[4] == whole
    assert left == reduce(add, parts[:4] + parts[5:]).coarser(whole.shift)


def test_values_that_were_never_counted_are_not_taken_away() -> None:
    whole = Histogram.of(np.array([1.0, 2.0]))
    with pytest.raises(NegativeCountError):
        whole - Histogram.of(np.array([3.0]))
    with pytest.raises(NegativeCountError):
        whole - Histogram.of(np.array([1.0, 1.0]))


def test_no_values_have_no_range() -> None:
    none = Histogram.of(np.array([]))
    assert (none.low, none.high, none.total) == (np.inf, -np.inf, 0)
    assert none + none == none
