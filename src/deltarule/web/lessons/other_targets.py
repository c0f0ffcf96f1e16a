"""Lessons 11 and 12: targets that are yes or no, or one of several classes."""

import polars as pl

from deltarule.web.lessons import goals, tables
from deltarule.web.lessons.goals import Goal
from deltarule.web.lessons.lesson import Answer, Exercise, Lesson, Question
from deltarule.web.session import Choices


def two_answers() -> pl.DataFrame:
    """A no on the left, a yes on the right."""
    return pl.DataFrame({"x": [-1.0, 1.0], "yes": [False, True]})


YES_NO = Lesson(
    name="yes-no",
    title="Yes or no",
    prose=(
        "Is a penguin male? The target is yes (1) or no (0). The input is by how many millimetres "
        "its beak is longer than 39.",
        "weight * input + intercept is now a score (the log odds), from far below 0 to far above. "
        "An S-shaped curve, the sigmoid, turns it into a probability between 0 and 1.",
        "delta is still prediction - target, and the rule is still the same.",
    ),
    question=Question(
        "The prediction is 0.7, and the penguin is male. What is its delta?",
        (
            Answer(
                "-0.3",
                "Yes. delta = prediction - target = 0.7 - 1: too low by 0.3.",
                right=True,
            ),
            Answer(
                "0.3",
                "The size is right. The sign says which way: 0.7 is below 1, so delta is negative "
                "and the score is to go up.",
            ),
            Answer(
                "0, for 0.7 means yes",
                "0.7 is more likely yes than no, but it is not 1. Until it is, there is something "
                "left to learn.",
            ),
        ),
    ),
    do=(
        "Press Step a few times: the flat line tilts, and bends into an S.",
        "Press Play: with this small alpha it arrives in about twenty steps.",
    ),
    goal=Goal(
        "Find a faster alpha: arrive in at most eight steps.",
        "Press the mark fastest below alpha's slider, go to the start, and press Play.",
        (goals.at_most(8), goals.ARRIVES),
    ),
    learned="A yes-or-no target is predicted as a probability: a score through the sigmoid, an S. "
    "delta = prediction - target, as before.",
    exercise=Exercise(
        "The weight starts at 0, and alpha is 1. The prediction is 1 / (1 + e^-score), with score "
        "= weight * x. Fill in two steps. Will the weight come to rest?",
        "No. This weight tells the two rows apart, and a larger one does so with more certainty.",
        two_answers,
        Choices(("yes",), ("x",), loss="logistic", alpha=1.0, intercept=False),
        steps=2,
    ),
    table=tables.adelies,
    choices=Choices(("male",), ("beak_over_39",), loss="logistic", alpha=2.0, standardise=True),
    shown=("beak_over_39", "intercept"),
)


def three_kinds() -> pl.DataFrame:
    """Two rows of each of three classes."""
    return pl.DataFrame({"x": [0.0, 1.0, 1.0, 2.0, 2.0, 3.0], "kind": list("AABBCC")})


CLASSES = Lesson(
    name="classes",
    title="Classes",
    prose=(
        "Which of three species is it? Each species has weights of its own, which make a score "
        "from beak and flipper.",
        "Softmax turns the three scores into three probabilities that add up to 1. Each has its "
        "delta.",
        "Hollow marks are taken for another species.",
    ),
    question=Question(
        "An Adelie gets the probabilities 0.7, 0.2 and 0.1, Adelie first. What do its three deltas "
        "add up to?",
        (
            Answer(
                "0",
                "Yes: 0.7 - 1, 0.2 - 0 and 0.1 - 0 are -0.3, 0.2 and 0.1. What one species gains "
                "the others lose.",
                right=True,
            ),
            Answer(
                "0.6",
                "That adds the sizes. With their signs they are -0.3, 0.2 and 0.1.",
            ),
            Answer(
                "1",
                "The probabilities add up to 1, and so do the targets, 1 + 0 + 0. So the deltas "
                "add up to 0.",
            ),
        ),
    ),
    do=(
        "Press Play, and watch the marks fill.",
        "Choose another species before the formula: each has its own weights.",
    ),
    goal=Goal(
        "Leave at most ten marks hollow.",
        "Play some fifty steps; a larger alpha needs fewer.",
        (goals.at_least(1), goals.wrong_at_most(10)),
    ),
    learned="Each class has its own weights, score and probability. One row gives each class a "
    "delta, and they add up to 0.",
    exercise=Exercise(
        "All weights start at 0, and alpha is 1. Each prediction is e^score / (sum of all three "
        "e^score), with score = weight * x. Fill in one step. What do the three deltas of a row "
        "add up to, and the three weights?",
        "0, of the deltas of each row and of the three weights.",
        three_kinds,
        Choices(("kind",), ("x",), loss="softmax", alpha=1.0, intercept=False),
    ),
    table=tables.penguins,
    choices=Choices(
        ("species",),
        ("beak_length", "flipper_length"),
        loss="softmax",
        alpha=1.0,
        standardise=True,
    ),
    shown=("beak_length", "flipper_length"),
)
