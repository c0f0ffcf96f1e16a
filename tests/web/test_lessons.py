"""Lessons: their numbers are what learning computes, their goals can be reached, and no sooner."""

import re
from dataclasses import replace

import numpy as np
import pytest

from deltarule.web.app.payload import Open
from deltarule.web.lessons import LESSONS, Lesson, lesson_named
from deltarule.web.lessons import goals as conditions
from deltarule.web.lessons.glossary import GLOSSARY
from deltarule.web.lessons.goals import Standing
from deltarule.web.lessons.sheet import Sheet, sheet_of
from deltarule.web.session import Session
from deltarule.web.tables import opened

NAMES = [one.name for one in LESSONS]


def begun(name: str, **changed) -> tuple[Lesson, Open]:
    """A lesson's session, with other choices where they are given."""
    lesson = lesson_named(name)
    assert lesson is not None
    session = Session(opened(lesson.table()), replace(lesson.choices, **changed))
    return lesson, Open(session, lesson)


def standing(page: Open) -> Standing:
    return Standing(page.session, page.drawn, page.unseen)


def met_first(name: str, *, most: int = 250, **changed) -> int | None:
    """The first step at which a lesson's goal is met."""
    lesson, page = begun(name, **changed)
    for number in range(most + 1):
        page.session.go(number, seconds=np.inf)
        if lesson.goal.met(standing(page)):
            return number
    return None


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_each_lesson_has_what_a_lesson_is(lesson: Lesson):
    texts = [*lesson.prose, lesson.question.text, *lesson.do, lesson.goal.words, lesson.goal.hint]
    texts += [lesson.learned, lesson.exercise.intro, lesson.exercise.answer]
    texts += [answer.says for answer in lesson.question.answers]
    assert all(text and text == text.strip() and text[-1] in ".?" for text in texts), texts
    assert 2 <= len(lesson.prose) <= 4
    assert sum(len(text) for text in lesson.prose) < 560
    assert sum(answer.right for answer in lesson.question.answers) == 1
    assert len(lesson.question.answers) == 3
    # A sentence is short: no more than 33 words.
    for text in texts:
        for sentence in re.split(r"(?<=[.?:;])\s", text):
            assert len(sentence.split()) <= 33, sentence


@pytest.mark.parametrize(
    ("name", "changed", "step"),
    [
        ("one-weight", {}, 10),
        ("too-far", {"alpha": 5.1e-11}, 3),
        ("several-inputs", {"using": ("budget", "rating"), "alpha": 1.0}, 2),
        ("freezing", {"freeze": (), "alpha": 1.0}, 10),
        ("several-outputs", {"alpha": 1.0}, 1),
        ("many-rows", {"alpha": 1.0}, 1),
        ("batches", {"batch": 10, "alpha": 0.1}, 24),
        ("correlation", {"learner": "newton", "alpha": None}, 1),
        ("correlation", {"using": ("product",), "alpha": None}, 1),
        ("scale", {"standardise": True, "alpha": None}, 2),
        ("overfitting", {}, 51),
        ("overfitting", {"ridge": 0.03}, 250),
        ("yes-no", {"alpha": 4.0}, 8),
        ("classes", {}, 50),
    ],
)
def test_each_goal_is_met_by_what_its_hint_says(name: str, changed: dict, step: int):
    found = met_first(name, **changed)
    assert found is not None
    assert 0 < found <= step


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("one-weight", "classes")])
def test_no_goal_is_met_by_pressing_step_alone(name: str):
    """Stopping at the best step is a choice too, so overfitting is asked later on."""
    if name == "overfitting":
        lesson, page = begun(name)
        page.session.go(2_000, seconds=np.inf)
        assert not lesson.goal.met(standing(page))
        return
    assert met_first(name, most=60) is None


@pytest.mark.parametrize("name", NAMES)
def test_no_goal_is_met_at_the_start(name: str):
    lesson, page = begun(name)
    assert not lesson.goal.met(standing(page))
    assert lesson.goal.says(standing(page)) or name == "too-far"


@pytest.mark.parametrize("name", ["freezing", "several-outputs", "many-rows", "scale", "yes-no"])
def test_lessons_with_a_slow_alpha_take_about_twenty_steps(name: str):
    _, page = begun(name)
    session = page.session
    arrives = next(
        number
        for number in range(60)
        if session.go(number, seconds=np.inf)
        and conditions.weight_delta_left(session) <= conditions.ARRIVED
    )
    # Of budget in dollars only the steepest direction arrives, in ten steps; the rest crawls.
    assert arrives == 10 if name == "scale" else 17 <= arrives <= 23


def test_the_held_out_error_of_overfitting_falls_and_then_visibly_rises():
    _, page = begun("overfitting")
    errors = {}
    for number in (0, 80, 1_000):
        page.session.go(number, seconds=np.inf)
        errors[number] = page.unseen and page.unseen.error(page.session, page.session.at.weights)
    assert errors[80] < errors[0] / 3
    assert errors[1_000] > 5 * errors[80]


def test_the_s_of_yes_no_goes_from_nearly_no_to_nearly_yes():
    _, page = begun("yes-no")
    page.session.go(20, seconds=np.inf)
    drawn, problem = page.drawn, page.session.problem
    scores = problem.model.predict(page.session.at.weights, drawn.grid_inputs)
    line = problem.loss.link.inverse(scores)[:, 0]
    assert line.min() < 0.05
    assert line.max() > 0.95


# Facts that texts state, recomputed.


def test_lesson_1_says_what_one_weight_does():
    _, page = begun("one-weight")
    at = page.session.go(1, seconds=np.inf)
    assert float(at.last.comparison.delta[0]) == -99_550_000.0
    before, after = (page.session.go(n, seconds=np.inf).now.delta[0] for n in (3, 4))
    assert float(after / before) == pytest.approx(0.6)
    assert float(page.session.go(73, seconds=np.inf).weights["weight"][0, 0]) == 498.75


def test_lesson_2_says_which_shares_alpha_makes_up():
    for alpha, left in ((4.5e-11, -0.8), (2.5e-11, 0.0), (5e-11, -1.0)):
        _, page = begun("too-far", alpha=alpha)
        start, after = (page.session.go(n, seconds=np.inf).now.delta[0] for n in (0, 1))
        assert float(after / start) == pytest.approx(left, abs=1e-9)


def test_lessons_3_and_4_name_the_floors_and_weights_that_learning_reaches():
    _, page = begun("several-inputs", alpha=1.0)
    at = page.session.go(500, seconds=np.inf)
    assert np.sqrt(2 * at.now.loss) == pytest.approx(69.4, abs=0.05)
    assert page.session.at.weights["weight"][0, 0] == pytest.approx(3.4, abs=0.05)


def test_lesson_8_says_how_long_the_valley_is():
    _, page = begun("correlation")
    above = conditions.error_above_least(0.01)
    for number, near in ((10, False), (500, False), (1_000, True)):
        page.session.go(number, seconds=np.inf)
        assert above.holds(standing(page)) is near


def test_lesson_9_names_the_size_of_both_inputs():
    _, page = begun("scale")
    budget, rating = page.session.problem.problem.mean * page.session.problem.problem.scale
    assert budget == pytest.approx(32e6, rel=0.02)
    assert rating == pytest.approx(6, abs=0.5)


# Sheets


def filled(sheet: Sheet, step: int) -> tuple[list[list[str]], list[list[str]]]:
    return tuple(
        [[cell.text for cell in line] for line in part]
        for part in (sheet.steps[step].rows, sheet.steps[step].weights)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_a_sheet_has_cells_to_fill_and_what_fills_them(lesson: Lesson):
    sheet = sheet_of(lesson.exercise)
    assert len(sheet.steps) == lesson.exercise.steps
    for step in sheet.steps:
        assert all(len(line) == len(sheet.row_head) for line in step.rows)
        assert all(len(line) == len(sheet.weight_head) for line in step.weights)
        cells = [cell for line in [*step.rows, *step.weights] for cell in line]
        assert all(cell.text for cell in cells)
        assert sum(not cell.given for cell in cells) >= 4


def test_the_numbers_of_a_sheet_are_those_of_mental_arithmetic():
    one = sheet_of(lesson_named("one-weight").exercise)  # type: ignore[union-attr]
    assert filled(one, 0) == ([["1", "2", "10", "2", "-8", "-16"]],
                              [["input", "1", "-16", "-1.6", "2.6"]])  # fmt: skip
    assert filled(one, 2)[1] == [["input", "3.56", "-5.76", "-0.576", "4.136"]]
    two = sheet_of(lesson_named("several-inputs").exercise)  # type: ignore[union-attr]
    assert filled(two, 1) == (
        [["1", "1", "2", "5", "4.1", "-0.9", "-0.9", "-1.8"],
         ["2", "2", "1", "4", "4", "0", "0", "0"]],
        [["a", "1.3", "-0.45", "-0.09", "1.39"], ["b", "1.4", "-0.9", "-0.18", "1.58"]],
    )  # fmt: skip
    held = sheet_of(lesson_named("freezing").exercise)  # type: ignore[union-attr]
    assert filled(held, 1)[1][0] == ["a", "2", "frozen", "0", "2"]


def test_a_sheet_of_probabilities_has_scores_and_deltas_that_add_up_to_0():
    sheet = sheet_of(lesson_named("classes").exercise)  # type: ignore[union-attr]
    at = sheet.row_head.index("delta")
    deltas = [float(line[at].text) for line in sheet.steps[0].rows]
    assert np.reshape(deltas, (-1, 3)).sum(axis=1) == pytest.approx(0, abs=2e-5)
    moved = [float(line[-1].text) for line in sheet.steps[0].weights]
    assert sum(moved) == pytest.approx(0, abs=2e-5)


# Glossary


def test_each_term_is_explained_once_and_has_the_fields_word():
    forms = [form for term in GLOSSARY for form in (term.word, *term.forms)]
    assert len(forms) == len(set(forms))
    assert all(term.field and term.means.endswith(".") for term in GLOSSARY)
    fields = {term.word: term.field for term in GLOSSARY}
    assert fields["weight_delta"] == "gradient"
    assert fields["alpha"].startswith("learning rate")
