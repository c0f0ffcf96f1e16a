"""A long run told short: what is kept, what is telling, and that it stays within its bound."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.rule.compare import Comparison
from deltarule.rule.train import Step
from deltarule.trace.downsample import FELL, ROSE, as_they_come, downsampled, on_screen


def steps(
    losses: Sequence[float],
    weights: Sequence[float] | None = None,
    alphas: Sequence[float] | None = None,
) -> Iterator[Step]:
    """Steps that saw these losses, and after which the weight was this."""
    path = list(range(1, len(losses) + 1)) if weights is None else weights
    before = 0.0
    nothing = np.zeros(1)
    for at, loss in enumerate(losses):
        compared = Comparison(1.0, nothing, nothing, loss, {"weight": np.ones((1, 1))})
        alpha = 1.0 if alphas is None else alphas[at]
        old, new = ({"weight": np.array([[w]])} for w in (before, float(path[at])))
        yield Step(at + 1, old, compared, new, alpha=alpha)
        before = float(path[at])


@given(count=st.integers(1, 700), most=st.integers(2, 60))
def test_it_is_bounded_even_and_has_both_ends(count: int, most: int) -> None:
    found = [told.step.number for told in downsampled(steps([1.0] * count), most=most)]
    assert found[0] == 1
    assert found[-1] == count
    assert found == sorted(set(found))
    assert min(count, most // 2) <= len(found) <= most + 1
    strides = set(np.diff(found[:-1]).tolist())
    assert len(strides) <= 1
    assert found == [1] * (count == 1) + found[(count == 1) :]


def test_a_short_run_is_kept_whole() -> None:
    assert [told.step.number for told in downsampled(steps([3.0, 2, 1]), most=10)] == [1, 2, 3]


def notes(losses: Sequence[float], **more: Sequence[float]) -> dict[int, tuple[str, ...]]:
    found = downsampled(steps(losses, **more), most=4)
    return {told.step.number: told.notes for told in found if told.notes}


def test_the_largest_changes_and_the_first_rise_are_kept() -> None:
    falling = [1000.0 - at for at in range(500)]
    falling[123:] = [loss - 50 for loss in falling[123:]]
    falling[300] += 10
    falling[400] += 20
    found = notes(falling)
    # Step 123 saw the loss before the drop, and its learning made it.
    assert found[123] == (FELL,)
    assert found[300] == ("raised the loss for the first time",)
    assert found[400] == (ROSE,)
    assert set(found) == {123, 300, 400}


def test_one_step_may_be_telling_in_two_ways() -> None:
    assert notes([3.0, 2, 5, 4])[2] == ("raised the loss for the first time", ROSE)


def test_where_a_weight_turned_back_is_kept_once() -> None:
    path = [*range(1, 200), *range(198, 100, -1), *range(102, 150)]
    found = {t.step.number: t.turned for t in downsampled(steps([1.0] * len(path), path), most=4)}
    assert found[200] == (0,)
    assert [turned for turned in found.values() if turned] == [(0,)]


def test_a_weight_that_rests_has_not_turned() -> None:
    path = [1.0, 2, 2, 2, 3, 4]
    assert not any(told.turned for told in downsampled(steps([1.0] * 6, path)))


def test_the_first_smaller_alpha_is_kept() -> None:
    alphas = [1.0] * 70 + [0.5] * 70 + [0.25] * 60
    assert notes([1.0] * 200, alphas=alphas) == {71: ("alpha was made smaller",)}


@pytest.mark.parametrize("worst", [np.inf, np.nan])
def test_losses_that_are_no_numbers_do_no_harm(worst: float) -> None:
    found = downsampled(steps([3.0, 5.0, worst, worst]), most=10)
    assert [told.step.number for told in found] == [1, 2, 3, 4]


def test_a_screen_shows_a_hundred_then_every_tenth_and_so_on() -> None:
    shown = [number for number in range(1, 3001) if on_screen(number)]
    assert shown[:100] == list(range(1, 101))
    assert shown[100:190] == list(range(110, 1001, 10))
    assert shown[190:] == list(range(1100, 3001, 100))
    losses = [1.0] * 1234
    losses[555] = 2.0
    found = [told.step.number for told in as_they_come(steps(losses))]
    assert 555 in found
    assert found[-1] == 1234
    assert set(found) - {555, 1234} == {n for n in shown if n <= 1234}


def test_a_screen_is_one_step_behind_at_most() -> None:
    taken = []

    def watched() -> Iterator[Step]:
        for step in steps([3.0, 2, 1, 0]):
            taken.append(step.number)
            yield step

    coming = as_they_come(watched())
    assert next(coming).step.number == 1
    assert taken == [1, 2]
