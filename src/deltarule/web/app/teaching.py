"""What the server answers about lessons: their texts, the glossary, goals and exercise sheets."""

from dataclasses import asdict
from typing import Any

from deltarule.web.lessons import LESSONS, Lesson
from deltarule.web.lessons.glossary import GLOSSARY
from deltarule.web.lessons.goals import Standing
from deltarule.web.lessons.sheet import sheet_of
from deltarule.web.row_view import Unseen, ViewData
from deltarule.web.session import Session


def lessons_told() -> dict[str, Any]:
    """All that is read in lessons, and the glossary."""
    return {
        "lessons": [_told(one, at) for at, one in enumerate(LESSONS)],
        "glossary": [asdict(one) for one in GLOSSARY],
    }


def _told(lesson: Lesson, at: int) -> dict[str, Any]:
    # The right answer, which lessons name first, is not always in the same place.
    answers = lesson.question.answers
    turn = (2 * at + 1) % len(answers)
    shown = [*answers[-turn:], *answers[:-turn]] if turn else [*answers]
    return {
        "name": lesson.name,
        "title": lesson.title,
        "stride": lesson.stride,
        "prose": lesson.prose,
        "question": {"text": lesson.question.text, "answers": [asdict(one) for one in shown]},
        "do": lesson.do,
        "goal": {
            "words": lesson.goal.words,
            "hint": lesson.goal.hint,
            "rests": lesson.goal.rests,
        },
        "learned": lesson.learned,
    }


def goal_told(
    lesson: Lesson, session: Session, drawn: ViewData, unseen: Unseen | None
) -> dict[str, Any]:
    """Whether a lesson's goal is met, and where learning stands beside it."""
    standing = Standing(session, drawn, unseen)
    return {"met": lesson.goal.met(standing), "says": lesson.goal.says(standing)}


def sheet_told(lesson: Lesson) -> dict[str, Any]:
    """A lesson's exercise, empty and filled in."""
    return asdict(sheet_of(lesson.exercise))
