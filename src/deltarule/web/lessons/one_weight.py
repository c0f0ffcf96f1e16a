"""Lessons 1 and 2: one weight on one film, and what alpha does."""

import polars as pl

from deltarule.web.lessons import goals, tables
from deltarule.web.lessons.goals import Goal
from deltarule.web.lessons.lesson import Answer, Exercise, Lesson, Question
from deltarule.web.session import Choices


def one_row() -> pl.DataFrame:
    """One row with numbers for mental arithmetic."""
    return pl.DataFrame({"input": [2.0], "target": [10.0]})


ONE_WEIGHT = Lesson(
    name="one-weight",
    title="One weight",
    prose=(
        "Mad Max cost 200,000 dollars and made 99,750,000. One weight shall turn the one into the "
        "other: prediction = weight * input. It starts at 1, so the first prediction is 200,000.",
        "delta = prediction - target says how far off that is, and which way: -99,550,000, so too "
        "low. weight_delta = delta * input is the weight's part in that: the larger the input, the "
        "larger.",
        "A step takes some of it off: new weight = weight - alpha * weight_delta. alpha is how "
        "much of weight_delta a step takes off, here 1e-11 or 0.00000000001.",
    ),
    question=Question(
        "The prediction is too low. What will the first step do to the weight?",
        (
            Answer(
                "Make it larger",
                "Yes. delta is negative and the input positive, so weight_delta is negative. The "
                "weight moves against it: up.",
                right=True,
            ),
            Answer(
                "Make it smaller",
                "That would lower a prediction that is too low already. weight_delta is negative, "
                "and the minus in weight - alpha * weight_delta makes a rise of it.",
            ),
            Answer(
                "Set it right at once, to 498.75",
                "A step goes only as far as alpha lets it. With this alpha it makes up 40% of what "
                "is missing.",
            ),
        ),
    ),
    do=(
        "Read the next step, which is spelled out below the buttons. Then press Step.",
        "Press Step again. Each step leaves 60% of the delta.",
    ),
    goal=Goal(
        "Bring the delta to within 1,000,000 of zero.",
        "60% of 60% of 60% and so on: it takes ten steps.",
        (goals.at_least(1), goals.delta_below(1_000_000)),
    ),
    learned="delta = prediction - target: how far off, and which way. weight_delta = delta * "
    "input: which way, and how steeply, the error rises with the weight. alpha: how much of "
    "weight_delta one step takes off the weight.",
    exercise=Exercise(
        "The input is 2, the target 10. The weight starts at 1, and alpha is 0.1. Fill in three "
        "steps. What share of the delta does each step leave?",
        "Each step leaves 60% of the delta: 1 - alpha * input * input = 1 - 0.1 * 4 = 0.6.",
        one_row,
        Choices(("target",), ("input",), alpha=0.1, intercept=False, start=1.0),
        steps=3,
    ),
    table=tables.one_film,
    choices=Choices(("gross",), ("budget",), alpha=1e-11, intercept=False, start=1.0),
    shown=("budget",),
)

TOO_FAR = Lesson(
    name="too-far",
    title="Breaking it with alpha",
    prose=(
        "The same film and the same rule, but alpha is 4.5e-11 where it was 1e-11.",
        "A step takes alpha * delta * input off the weight, so it takes input times that off the "
        "prediction: alpha * input * input is the share of the delta that it makes up.",
        "Here that is 1.8, or 180%: the step goes past the bottom of the bowl, and 80% of the "
        "delta is left, with the other sign.",
        "At 2.5e-11 the share is 1, and one step arrives. Above 5e-11 it is more than 2, and each "
        "step ends further away than it began.",
    ),
    question=Question(
        "With alpha at 4.5e-11, what will the weight do?",
        (
            Answer(
                "Jump from side to side, and come to rest",
                "Yes. Each step leaves -0.8 of the delta: its sign turns, its size shrinks.",
                right=True,
            ),
            Answer(
                "Rise step by step, as in lesson 1",
                "That is so as long as a step makes up less than all of what is missing. This one "
                "makes up 180%, so it ends on the other side.",
            ),
            Answer(
                "Jump further and further away",
                "Not yet. For that, what a step leaves must be more than what was there: a share "
                "above 2, so an alpha above 5e-11.",
            ),
        ),
    ),
    do=(
        "Press Step four times, and watch the ball jump across the bowl.",
        "Press the mark fastest below alpha's slider: the steps so far are taken anew with it. "
        "Go to the start, and press Step once.",
    ),
    goal=Goal(
        "Find an alpha that never settles, and take three steps with it.",
        "Drag alpha's slider past the mark explodes, then press Play.",
        (goals.at_least(3), goals.RISES),
    ),
    learned="alpha is how much of weight_delta a step takes off the weight. Too small takes many "
    "steps; too large goes past the bottom, and above 2 / (input * input) it explodes. So the size "
    "of the input sets which alpha is right.",
    exercise=Exercise(
        "The same row: input 2, target 10, weight 1. Now alpha is 0.45. Fill in three steps. Which "
        "alpha would arrive in one step, and above which does it explode?",
        "0.25 arrives in one step, for 0.25 * 2 * 2 = 1. Above 0.5 it explodes, for then a step "
        "makes up more than twice what is missing.",
        one_row,
        Choices(("target",), ("input",), alpha=0.45, intercept=False, start=1.0),
        steps=3,
    ),
    table=tables.one_film,
    choices=Choices(("gross",), ("budget",), alpha=4.5e-11, intercept=False, start=1.0),
    shown=("budget",),
)
