"""Student's t against scipy, and against the closed form of one degree of freedom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from deltarule.moments import student

FREEDOM = [0.3, 1, 2, 3, 7.5, 29, 100, 1_000, 11_999, 12_001, 1e6, 1e9, 1e15, np.inf]


@pytest.mark.parametrize("freedom", FREEDOM)
def test_tails_are_those_of_scipy(freedom):
    # Up to 20: where the tail is below 1e-80, rounding of t itself is 1e-13 of it.
    t = np.array([0.0, 1e-3, 0.1, 0.5, 1.0, 1.5, 1.75, 2.0, 3.0, 5.0, 10.0, 20.0])
    expected = special.stdtr(freedom, -t)
    np.testing.assert_allclose(student.upper_tail(freedom, t), expected, rtol=1e-12)
    np.testing.assert_allclose(student.upper_tail(freedom, -t), 1 - expected, rtol=1e-12)


def test_one_degree_of_freedom_is_the_arctangent_however_far_out():
    t = np.array([1e-9, 0.1, 1.0, 1e3, 1e9, 1e20, 1e100])
    np.testing.assert_allclose(student.upper_tail(1, t), np.arctan(1 / t) / np.pi, rtol=1e-12)


@pytest.mark.parametrize("freedom", FREEDOM)
@pytest.mark.parametrize("share", [1e-9, 0.005, 0.25, 0.5, 0.8, 0.975, 0.9995])
def test_quantiles_are_those_of_scipy(freedom, share):
    expected = stats.norm.ppf(share) if freedom == np.inf else stats.t.ppf(share, freedom)
    # Of 1e9 degrees and more scipy's own differ by 1e-11 from the normal's.
    np.testing.assert_allclose(
        student.quantile(freedom, share), expected, rtol=1e-10, atol=1e-12, strict=False
    )


@given(freedom=st.floats(0.5, 1e8), share=st.floats(0.001, 0.999))
def test_a_quantile_has_its_share_below_it(freedom, share):
    t = student.quantile(freedom, share)
    assert 1 - student.upper_tail(freedom, t) == pytest.approx(share, rel=1e-10)


def test_many_values_are_the_same_as_few():
    freedom, t = 17.0, np.linspace(-4, 4, student.FEW + 1)
    many, few = student.upper_tail(freedom, t), student.upper_tail(freedom, t[:100])
    np.testing.assert_allclose(many[:100], few, rtol=1e-12)


def test_what_is_unknown_stays_unknown():
    assert np.isnan(student.upper_tail([np.nan, 3.0], [1.0, np.nan])).all()
    assert np.isnan(student.quantile([np.nan], 0.9)).all()
    assert np.isnan(student.quantile([3.0], 1.0)).all()
