"""The loss surface of losses without moments: splines through a coarse grid of few rows."""

import numpy as np
import pytest

from deltarule.web.app.payload import Look, Open, begun
from deltarule.web.lessons import lesson_named
from deltarule.web.loss_surface import ROUGH, SMOOTH, _by_rows, _splines, loss_surface
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
    every = _by_rows(page.session, page.drawn, 0, places, offsets)
    assert found.error.shape == every.shape == (SMOOTH, SMOOTH)
    span = np.nanmax(every) - np.nanmin(every)
    assert np.abs(found.error - every).max() < 0.01 * span
