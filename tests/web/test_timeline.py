"""A walk gives the numbers of dr.steps at any step, in any order, and goes on past divergence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.web import timeline as walks
from deltarule.web.session import Choices, Session
from deltarule.web.tables import opened

FILM = {"budget": [200_000.0], "gross": [99_750_000.0]}
ONE = Choices(("gross",), ("budget",), alpha=1e-11, intercept=False, start=1.0)


def table(rows: int = 60) -> dict[str, list[float]]:
    rng = np.random.default_rng(3)
    size, age = rng.normal(5, 2, rows), rng.normal(0, 1, rows)
    yes = (rng.random(rows) < 1 / (1 + np.exp(size - 5))).astype(float)
    price = 3 * size - age + rng.normal(0, 1, rows)
    return {
        "size": size.tolist(),
        "age": age.tolist(),
        "price": price.tolist(),
        "yes": yes.tolist(),
    }


def flat(weights) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in weights.values()])


@given(st.lists(st.integers(0, 73), min_size=1, max_size=12))
def test_the_film_is_the_same_to_the_last_bit_wherever_one_goes(numbers):
    steps = list(dr.steps(FILM, **vars_of(ONE), tolerance=0))
    assert len(steps) == 73
    walk = Session(opened(FILM), ONE).walk
    for number in numbers:
        stand = walk.to(number)
        weight = steps[number - 1].weights["weight"].item() if number else 1.0
        assert (stand.number, stand.weights["weight"].item()) == (number, weight)
        if number < 73:
            assert stand.now.prediction == steps[number].comparison.prediction
            assert stand.now.delta == steps[number].comparison.delta


def vars_of(choices: Choices) -> dict:
    settings = choices.settings
    names = "predict using loss learner alpha intercept start freeze ridge batch"
    return {name: getattr(settings, name) for name in names.split()}


RUNS = [
    Choices(("price",), ("size", "age"), alpha=0.02),
    Choices(("price",), ("size", "age"), standardise=True),
    Choices(("price",), ("size", "age"), learner="momentum", standardise=True),
    Choices(("price",), ("size", "age"), standardise=True, ridge=0.1),
    Choices(("price",), ("size", "age"), standardise=True, freeze=("age",), start={"age": 0.5}),
    Choices(("price", "age"), ("size",), standardise=True),
    Choices(("yes",), ("size", "age"), loss="logistic", standardise=True),
    Choices(("yes",), ("size", "age"), loss="logistic", learner="newton"),
    Choices(("price",), ("size", "age"), learner="nesterov", standardise=True),
    Choices(("price",), ("size", "age"), learner="adam", alpha=0.1),
    Choices(("price",), ("size", "age"), learner="adam", standardise=True),
    Choices(("price",), ("size", "age"), alpha=0.01, batch=1),
    Choices(("price",), ("size", "age"), standardise=True, batch=7),
    Choices(("yes",), ("size",), loss="logistic", learner="momentum", standardise=True, batch=25),
    Choices(("price",), ("size", "age"), loss="huber", learner="newton"),
    Choices(("price",), ("size", "age"), loss="quantile(0.9)", learner="descent", standardise=True),
]


@pytest.mark.parametrize("choices", RUNS)
def test_steps_are_those_of_the_library_forwards_and_back(choices):
    steps = list(dr.steps(table(), **vars_of(choices), tolerance=0, steps=40))
    walk = Session(opened(table()), choices).walk
    last = steps[-1].number
    for number in (1, last, 3, 2, min(7, last), 1):
        stand = walk.to(number)
        assert stand.number == number
        assert np.array_equal(flat(stand.weights), flat(steps[number - 1].weights))
    assert [step.number for step in walk.steps(last)] == [step.number for step in steps]


def test_a_leap_lands_where_the_steps_do():
    choices = Choices(("price",), ("size", "age"), alpha=0.01)
    *_, last = dr.steps(table(), **vars_of(choices), tolerance=0, steps=5000)
    assert last.number == 5000
    stand = Session(opened(table()), choices).walk.to(5000)
    # 5,000 steps' rounding, beside none
    np.testing.assert_allclose(flat(stand.weights), flat(last.weights), rtol=1e-9)


def test_what_is_kept_stays_bounded_and_exact(monkeypatch):
    monkeypatch.setattr(walks, "MOST_KEPT", 10)
    choices = Choices(("yes",), ("size",), loss="logistic", alpha=0.05)
    walk = Session(opened(table()), choices).walk
    steps = list(dr.steps(table(), **vars_of(choices), tolerance=0, steps=60))
    for number in (60, 1, 33, 59, 34):
        assert np.array_equal(flat(walk.to(number).weights), flat(steps[number - 1].weights))
        assert len(walk._kept) <= 10
        assert len(walk.path) <= 10


def test_there_is_a_bound_on_time():
    choices = Choices(("yes",), ("size",), loss="logistic", alpha=0.05)
    walk = Session(opened(table()), choices).walk
    stand = walk.to(100_000, seconds=0.005)
    assert 0 < stand.number < 100_000
    again = walk.to(100_000, seconds=0.005)
    assert again.number > stand.number


@pytest.mark.parametrize("leap", [True, False])
def test_past_the_limit_the_error_grows_until_numbers_end(leap):
    choices = Choices(("gross",), ("budget",), alpha=6e-11, intercept=False, start=1.0)
    walk = Session(opened(FILM), choices).walk
    third = walk.to(3)
    assert third.last is not None
    assert third.now.loss > third.last.comparison.loss > walk.at_start.loss
    number = 1_000_000 if leap else 200
    end = walk.to(number)
    while not leap and end.number == number:
        number += 200
        end = walk.to(number)
    assert 500 < end.number < 3000
    assert np.isfinite(end.now.loss)
    assert np.isfinite(flat(end.weights)).all()
    assert walk.ends_after(end.number)
    assert walk.to(end.number + 1).number == end.number
    assert walk.to(2).number == 2


def test_the_way_is_kept_in_order_and_up_to_the_furthest():
    walk = Session(opened(table()), Choices(("price",), ("size",), alpha=0.01)).walk
    for number in (3, 1, 900, 20):
        walk.to(number)
    numbers = [one.number for one in walk.path]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-1] == 900
    losses = [one.loss for one in walk.path]
    assert losses == sorted(losses, reverse=True)
