"""What a lesson is: a table, settings, a question before the first step, and a goal.

`{rows}` in a text stands for the number of rows that the lesson learns from.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from deltarule.web.lessons.goals import Goal
from deltarule.web.session import Choices


@dataclass(frozen=True)
class Answer:
    """An answer to choose from, and what is said to someone who chose it."""

    text: str
    says: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question to answer before the first step; one of its answers is right."""

    text: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Exercise:
    """Steps to take by hand: what is asked, the answer, a table of easy numbers, its settings."""

    intro: str
    answer: str
    table: Callable[[], pl.DataFrame]
    choices: Choices
    steps: int = 1


@dataclass(frozen=True)
class Lesson:
    """A lesson: what is going on (`prose`), what to press (`do`), and what it taught (`learned`).

    `shown` are the weights of the loss surface, `unseen` held-out rows, `stride` the number of
    steps per frame.
    """

    name: str
    title: str
    prose: tuple[str, ...]
    question: Question
    do: tuple[str, ...]
    goal: Goal
    learned: str
    exercise: Exercise
    table: Callable[[], pl.DataFrame]
    choices: Choices
    shown: tuple[str, ...] = ()
    unseen: Callable[[], pl.DataFrame] | None = None
    stride: int = 1
