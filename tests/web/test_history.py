"""Undo, redo, branches and a second alpha, without a browser."""

import numpy as np
import pytest

from deltarule.errors import LearningError
from deltarule.web.app.payload import Look
from deltarule.web.history import MOST, History
from deltarule.web.lessons import LESSONS, lesson_named
from deltarule.web.session import Choices, Session
from deltarule.web.tables import opened
from tests.web.test_routes import LOOK, Client, Driven


@pytest.fixture(scope="module")
def client() -> Client:
    return Client()


def session_of(name: str) -> Session:
    lesson = lesson_named(name)
    assert lesson is not None
    return Session(opened(lesson.table()), lesson.choices)


def told(answer: dict) -> tuple:
    """What undo has to bring back, of an answer."""
    look = {**answer["look"], "beside": None}
    return answer["step"], answer["weights"], answer["formula"], answer["spelled"], look


def changed(driven: Driven, *, merge: bool = False, number: int = 0, **parts) -> dict:
    return driven.ask("choices", **driven.choices | parts, number=number, merge=merge, look=LOOK)


def reach(session: Session, number: int) -> None:
    """Goes to a step, also where the time for one answer is short of it."""
    for _ in range(100):
        if session.go(number).number == number:
            return
    raise AssertionError(f"step {number} was not reached")


@pytest.mark.parametrize("lesson", [one.name for one in LESSONS])
def test_undo_brings_back_every_lesson(client: Client, lesson):
    driven = Driven.lesson(client, lesson)
    before = driven.go(3)
    hand = before["weights"]["lines"][-1]
    after = driven.ask("hand", name=hand["name"], weight=hand["weight"] + 1, look=before["look"])
    assert told(after) != told(before)
    assert (after["undo"], after["redo"]) == (1, 0)
    back = driven.ask("undo", look=before["look"])
    assert back["wanted"] == 3
    assert told(back) == told(before)
    assert told(driven.ask("redo", look=before["look"])) == told(after)
    # there is nothing further on: it stays where it is
    again = driven.ask("redo", look=before["look"])
    assert (told(again), again["redo"]) == (told(after), 0)


def test_other_columns_are_undone_with_their_rows(client: Client):
    driven = Driven.lesson(client, "several-inputs")
    before = driven.go(2)
    after = changed(driven, using=["hours"])
    assert [line["name"] for line in after["weights"]["lines"]] == ["hours", "intercept"]
    assert told(driven.ask("undo", look=before["look"])) == told(before)


def test_changes_of_one_stroke_are_one_undo(client: Client):
    driven = Driven.lesson(client, "one-weight")
    for place, alpha in enumerate((1.1e-11, 1.2e-11, 1.3e-11)):
        answer = changed(driven, alpha=alpha, merge=place > 0)
    assert answer["undo"] == 1
    assert driven.ask("undo", look=LOOK)["alpha"]["alpha"] == 1e-11


def test_no_more_states_are_kept_than_said():
    session, history = session_of("one-weight"), History()
    for _ in range(MOST + 5):
        history.record(session.mark)
    assert len(history.before) == MOST


def test_a_change_that_is_refused_leaves_nothing_to_undo(client: Client):
    driven = Driven.lesson(client, "one-weight")
    answer = client.post(
        f"/api/sessions/{driven.name}/hand",
        json={"name": "nothing", "weight": 1.0, "look": LOOK},
    )
    assert "no weight called 'nothing'" in answer.json()["refused"]
    assert driven.ask("step", number=0, look=LOOK)["undo"] == 0


def test_a_branch_keeps_the_course_until_the_choices_change():
    session = session_of("too-far")
    session.go(6)
    course = [one.weights["weight"].item() for one in session.walk.path]
    for weight in (400.0, 300.0, 200.0):  # one drag
        session.hand(0, 0, weight)
    assert [one.weights["weight"].item() for one in session.kept] == course
    session.go(2)
    branch = [one.weights["weight"].item() for one in session.walk.path]
    session.hand(0, 0, 100.0)  # another one, later on
    assert [one.weights["weight"].item() for one in session.kept] == branch
    session.change(session.choices)
    assert session.kept == ()


@pytest.mark.parametrize("lesson", [one.name for one in LESSONS])
def test_a_second_alpha_walks_as_a_run_of_its_own(lesson):
    session, alone = session_of(lesson), session_of(lesson)
    alpha = 0.5 * session.walk.learner.alpha  # type: ignore[attr-defined]
    alone.change(Choices(**{**vars(alone.choices), "alpha": alpha}))
    for number in (1, 4, 2):
        reach(session, number)
        reach(alone, number)
        before = {name: weights.copy() for name, weights in session.at.weights.items()}
        twin = session.beside(alpha)
        reach(twin, number)
        for name, weights in alone.at.weights.items():
            np.testing.assert_allclose(twin.at.weights[name], weights, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(session.at.weights[name], before[name])
        assert twin.walk.learner is not session.walk.learner


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf")])
def test_a_second_alpha_is_above_0(alpha):
    with pytest.raises(ValueError, match="beside"):
        Look(beside=alpha)


def test_a_link_starts_where_a_hand_has_put_the_weights(client: Client):
    driven = Driven.lesson(client, "several-inputs")
    driven.go(2)
    moved = driven.ask("hand", name="hours", weight=12.5, look=LOOK)
    assert moved["hand"]["hours"] == 12.5
    after = driven.go(3)
    linked = Driven.lesson(client, "several-inputs")
    alpha = after["alpha"]["alpha"]
    answer = changed(linked, start=moved["hand"], alpha=alpha, number=3)
    for one, other in zip(answer["weights"]["lines"], after["weights"]["lines"], strict=True):
        assert one["weight"] == pytest.approx(other["weight"], rel=1e-9)


def test_a_session_that_is_replaced_is_gone(client: Client):
    driven = Driven.lesson(client, "one-weight")
    client.post("/api/sessions", json={"lesson": "too-far", "instead": driven.name})
    gone = client.post(f"/api/sessions/{driven.name}/step", json={"number": 1, "look": LOOK})
    assert gone.status_code == 404


def test_a_weight_that_does_not_exist_changes_nothing():
    session = session_of("one-weight")
    session.go(2)
    with pytest.raises(LearningError, match="no such weight"):
        session.hand(3, 0, 1.0)
    assert session.at.number == 2
    assert session.kept == ()
