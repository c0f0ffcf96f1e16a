"""The loss surface: the cut that is drawn, its lowest point, its axes; splines of other losses."""

from dataclasses import replace

import numpy as np
import pytest

from deltarule.web.app.payload import Look, Open, begun
from deltarule.web.lessons import LESSONS, lesson_named
from deltarule.web.loss_surface import ROUGH, SMOOTH, Cut, LossSurface, _splines, loss_surface
from deltarule.web.row_view import labels
from deltarule.web.session import Session
from deltarule.web.tables import opened


def test_splines_pass_through_what_they_were_given_and_are_exact_for_lines():
    splines, knots, points = _splines(ROUGH, SMOOTH), np.arange(ROUGH), np.linspace(0, 24, SMOOTH)
    values = np.random.default_rng(3).normal(size=ROUGH)
    assert (splines @ values)[::3] == pytest.approx(values, abs=1e-12)
    assert splines @ (2.0 * knots - 5) == pytest.approx(2 * points - 5, abs=1e-12)
    # A natural spline is flat at its ends, which costs it digits for a curve that is not.
    assert splines @ np.sin(knots / 5) == pytest.approx(np.sin(points / 5), abs=5e-3)


def opened_at(name: str, number: int, **changed) -> tuple[Open, list[int | None]]:
    """A lesson at a step, and the places of the weights it shows."""
    lesson = lesson_named(name)
    assert lesson is not None
    page = Open(Session(opened(lesson.table()), replace(lesson.choices, **changed)), lesson)
    page.session.go(number, seconds=np.inf)
    names = labels(page.session.read)
    shown = begun(lesson, page).shown
    return page, [names.index(one) if one != "intercept" else None for one in shown]


SQUARED = [
    one.name
    for one in LESSONS
    if one.choices.loss == "squared" and one.choices.predict == ("gross",)
]


@pytest.mark.parametrize("number", [0, 1, 6])
@pytest.mark.parametrize("name", [*SQUARED, "overfitting", "correlation"])
def test_the_floor_is_the_lowest_point_of_what_is_drawn(name, number):
    page, places = opened_at(name, number)
    found = loss_surface(page.session, page.drawn, 0, places)
    assert found.lowest is not None
    if found.up is None:
        assert found.across[found.error.argmin()] == pytest.approx(
            found.lowest[0], abs=found.across[1] - found.across[0]
        )
        return
    low = np.array(found.lowest, dtype=float)
    inside = found.across[0] < low[0] < found.across[-1] and found.up[0] < low[1] < found.up[-1]
    assert inside == (name != "scale")  # where it is off the edge
    if inside:
        row, column = np.unravel_index(found.error.argmin(), found.error.shape)
        apart = abs(found.across[column] - low[0]), abs(found.up[row] - low[1])
        # Along a narrow valley the grid's least point may be some cells off.
        cells = 5 if name == "correlation" else 1
        assert apart[0] <= cells * (found.across[1] - found.across[0])
        assert apart[1] <= cells * (found.up[1] - found.up[0])


def test_the_floor_of_a_loss_without_moments_is_where_the_steps_arrive():
    page, places = opened_at("yes-no", 1)
    found = loss_surface(page.session, page.drawn, 0, places)
    assert found.up is not None
    assert found.whole
    page.session.go(200, seconds=np.inf)
    weights = page.session.at.weights
    arrived = [float(weights["weight"][0, 0]), float(weights["intercept"][0])]
    for low, end, axis in zip(found.lowest, arrived, (found.across, found.up), strict=True):
        assert low == pytest.approx(end, abs=axis[1] - axis[0])


def test_a_floor_beyond_the_edge_is_not_known_without_moments():
    page, places = opened_at("classes", 1)
    found = loss_surface(page.session, page.drawn, 0, places)
    row, column = np.unravel_index(found.error.argmin(), found.error.shape)
    assert column == 0 or row in (0, len(found.up) - 1)
    assert found.lowest is None


def test_a_floor_that_other_weights_still_move_is_told_apart():
    page, places = opened_at("several-inputs", 1)
    assert not loss_surface(page.session, page.drawn, 0, places).whole
    page.session.go(400, seconds=np.inf)
    assert loss_surface(page.session, page.drawn, 0, places).whole
    page, places = opened_at("batches", 1)  # whose weights are both shown
    assert loss_surface(page.session, page.drawn, 0, places).whole


def roundness(found: LossSurface) -> float:
    """How much the error rises to the sides, as a share of how much it rises up and down."""
    middle = len(found.across) // 2
    sides = found.error[middle, [0, -1]].mean() - found.error[middle, middle]
    ends = found.error[[0, -1], middle].mean() - found.error[middle, middle]
    return float(sides / ends)


def test_standardised_the_bowl_of_the_lesson_on_scale_is_round():
    page, places = opened_at("scale", 3)
    assert roundness(loss_surface(page.session, page.drawn, 0, places)) > 1e6
    page, places = opened_at("scale", 3, standardise=True, alpha=None)
    assert 0.9 < roundness(loss_surface(page.session, page.drawn, 0, places)) < 1.1


@pytest.mark.parametrize("name", ["several-inputs", "correlation", "batches"])
def test_a_first_step_crosses_the_rings_at_right_angles(name):
    page, places = opened_at(name, 0, batch=None)
    found = loss_surface(page.session, page.drawn, 0, places)
    assert found.up is not None
    start = page.session.at.weights["weight"][places, 0].copy()
    page.session.go(1)
    step = page.session.at.weights["weight"][places, 0] - start
    # As on the screen: both axes are as long.
    size = np.array([found.across[-1] - found.across[0], found.up[-1] - found.up[0]])
    grids = (found.across, found.up)
    at = [int(np.abs(axis - one).argmin()) for axis, one in zip(grids, start, strict=True)]
    up, across = (part[at[1], at[0]] for part in np.gradient(found.error))
    steep = -np.array([across, up])
    step = step / size
    assert steep @ step > 0.999 * np.linalg.norm(steep) * np.linalg.norm(step)


@pytest.mark.parametrize("name", ["yes-no", "classes"])
def test_the_smooth_surface_is_near_that_of_every_point(name):
    lesson = lesson_named(name)
    assert lesson is not None
    page = Open(Session(opened(lesson.table()), lesson.choices), lesson)
    page.session.go(4)
    shown: Look = begun(lesson, page)
    names = labels(page.session.read)
    places = [names.index(one) if one != "intercept" else None for one in shown.shown]
    found = loss_surface(page.session, page.drawn, 0, places)
    assert found.up is not None
    assert found.here[1] is not None
    offsets = [found.across - found.here[0], found.up - found.here[1]]
    every = Cut(page.session, page.drawn, 0, places).by_rows(offsets)
    assert found.error.shape == every.shape == (SMOOTH, SMOOTH)
    span = np.nanmax(every) - np.nanmin(every)
    assert np.abs(found.error - every).max() < 0.01 * span
