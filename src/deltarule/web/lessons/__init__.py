"""Lessons in teaching order: example tables with settings, questions, goals and exercises.

lesson         what a lesson is
goals          conditions that a goal is met by
tables         the lessons' tables
one_weight     lessons 1 and 2
many_weights   lessons 3 to 6
paths          lessons 7 to 10
other_targets  lessons 11 and 12
glossary       the page's words, each beside the field's
sheet          a lesson's exercise, empty and filled in
"""

from deltarule.web.lessons.lesson import Lesson
from deltarule.web.lessons.many_weights import (
    FREEZING,
    MANY_ROWS,
    SEVERAL_INPUTS,
    SEVERAL_OUTPUTS,
)
from deltarule.web.lessons.one_weight import ONE_WEIGHT, TOO_FAR
from deltarule.web.lessons.other_targets import CLASSES, YES_NO
from deltarule.web.lessons.paths import BATCHES, CORRELATION, OVERFITTING, SCALE

__all__ = ["LESSONS", "Lesson", "lesson_named"]

LESSONS = (
    ONE_WEIGHT,
    TOO_FAR,
    SEVERAL_INPUTS,
    FREEZING,
    SEVERAL_OUTPUTS,
    MANY_ROWS,
    BATCHES,
    CORRELATION,
    SCALE,
    OVERFITTING,
    YES_NO,
    CLASSES,
)


def lesson_named(name: str) -> Lesson | None:
    """The lesson of this name, if there is one."""
    return next((one for one in LESSONS if one.name == name), None)
