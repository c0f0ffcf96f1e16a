"""Lessons 3 to 6: several inputs, frozen weights, several outputs, many rows."""

import polars as pl

from deltarule.web.lessons import goals, tables
from deltarule.web.lessons.goals import Goal
from deltarule.web.lessons.lesson import Answer, Exercise, Lesson, Question
from deltarule.web.session import Choices


def two_inputs() -> pl.DataFrame:
    """Two rows of two inputs, for mental arithmetic."""
    return pl.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0], "y": [5.0, 4.0]})


SEVERAL_INPUTS = Lesson(
    name="several-inputs",
    title="Several inputs",
    prose=(
        "Sixty films, in millions of dollars, are predicted from budget, hours and rating. Each "
        "input has a weight of its own.",
        "All weights share one delta for each film. An input's weight_delta is that delta times "
        "this input, averaged over the sixty films: they pull together.",
        "The inputs are standardised, so that one alpha suits them all: each is measured from its "
        "mean, in units of its spread.",
    ),
    question=Question(
        "A film cost just the mean, so its standardised budget is 0. Its delta is 500. What does "
        "this film do to budget's weight?",
        (
            Answer(
                "Nothing",
                "Yes. Its part is delta * input = 500 * 0 = 0. An input of 0 had no part in this "
                "prediction, so its weight is not to blame.",
                right=True,
            ),
            Answer(
                "Lowers it by 500 * alpha",
                "That is what a standardised budget of 1 would do. Here it is 0, and 500 * 0 is 0.",
            ),
            Answer(
                "It depends on hours and rating",
                "They helped to make the delta. But what budget's weight gets of it is that delta "
                "times the standardised budget alone, and that is 0.",
            ),
        ),
    ),
    do=(
        "Press Step a few times: all three weights move at once. That of hours goes too far, and "
        "swings back.",
        "Choose another row beside The next step: its one delta pulls at all three weights.",
    ),
    goal=Goal(
        "Leave one input out, and still get the RMSE, the typical error, below 70.",
        "Open the list of inputs, beside Predict, and take a tick off; then press Play. With all "
        "three it reaches 69.4.",
        (goals.at_least(1), goals.inputs_at_most(2), goals.rmse_below(70.0)),
    ),
    learned="One delta for each row, one weight_delta for each weight: delta * its own input, "
    "averaged over the rows. An input that adds little can be left out.",
    exercise=Exercise(
        "Two rows, two inputs, both weights start at 0, and alpha is 0.2. Fill in two steps.",
        "After two steps a has 1.39 and b 1.58. They go on to 1 and 2, which fit both rows.",
        two_inputs,
        Choices(("y",), ("a", "b"), alpha=0.2, intercept=False),
        steps=2,
    ),
    table=tables.some_films,
    choices=Choices(("gross",), ("budget", "hours", "rating"), standardise=True),
    shown=("budget", "rating"),
)

FREEZING = Lesson(
    name="freezing",
    title="Freezing a weight",
    prose=(
        "A frozen weight keeps its value. Budget's is frozen at 2.5: each million spent is "
        "predicted to bring 2.5 million in.",
        "The others learn around it: they explain what 2.5 leaves over.",
        "With this small alpha they arrive in about twenty steps.",
    ),
    question=Question(
        "Free, budget's weight would go to 3.4. While it is frozen at 2.5, can the error fall?",
        (
            Answer(
                "Yes, but not as far",
                "Yes. The other weights learn what they can, and the rest stays as error.",
                right=True,
            ),
            Answer(
                "No, nothing can be learnt",
                "Only budget's weight stands still. Hours, rating and the intercept have a "
                "weight_delta each, and they move.",
            ),
            Answer(
                "Yes, just as far",
                "Then budget would not be needed. What only budget can explain stays as error.",
            ),
        ),
    ),
    do=(
        "Press Play: after twenty steps only the last digits change.",
        "Press the mark fastest below alpha's slider, go to the start and play again: four steps "
        "are enough.",
    ),
    goal=Goal(
        "Take the tick off freeze, then arrive in at most twelve steps.",
        "The tick is in the table under Learn. The mark fastest is for the weights that are free: "
        "press it again.",
        (goals.free("budget"), goals.at_most(12), goals.ARRIVES),
    ),
    learned="A frozen weight has no step: the others make up for it as far as they can. What a "
    "weight comes to depends on which others learn beside it.",
    exercise=Exercise(
        "The weight of a is frozen at 2, that of b starts at 0, and alpha is 0.2. Fill in two "
        "steps.",
        "The weight of b goes on to 1.2. With 2 for a no weight fits both rows, so some error "
        "stays.",
        two_inputs,
        Choices(("y",), ("a", "b"), alpha=0.2, intercept=False, start={"a": 2.0}, freeze=("a",)),
        steps=2,
    ),
    table=tables.some_films,
    choices=Choices(
        ("gross",),
        ("budget", "hours", "rating"),
        alpha=0.2,
        standardise=True,
        start={"budget": 2.5},
        freeze=("budget",),
    ),
    shown=("hours", "rating"),
)


def two_outputs() -> pl.DataFrame:
    """Two rows of one input and two targets, for mental arithmetic."""
    return pl.DataFrame({"x": [1.0, 2.0], "y": [3.0, 5.0], "z": [1.0, 2.0]})


SEVERAL_OUTPUTS = Lesson(
    name="several-outputs",
    title="Several outputs",
    prose=(
        "The same budget predicts two targets: what a film made worldwide, and in the US.",
        "Each output has weights and a delta of its own. They share the input and alpha, and learn "
        "side by side. The RMSE is that of both together.",
        "With this small alpha both arrive in about twenty steps.",
    ),
    question=Question(
        "Say the deltas of us_gross are 0 and those of gross are not. What does a step do to the "
        "weights of us_gross?",
        (
            Answer(
                "Nothing: they have arrived",
                "Yes. Their weight_delta is their own delta * input, and 0 * input is 0.",
                right=True,
            ),
            Answer(
                "It moves them with those of gross",
                "The two share the input, not the delta. A weight follows the delta of its own "
                "output alone.",
            ),
            Answer(
                "It makes them worse again",
                "Nothing pulls at them: with a delta of 0 there is no weight_delta, so no step.",
            ),
        ),
    ),
    do=(
        "Press Play, then choose us_gross before the formula: it has learnt as well.",
        "Go to the start, and try other values of alpha.",
    ),
    goal=Goal(
        "Find the fastest alpha: arrive in one step.",
        "The input is standardised, so input * input is 1 on average, and a step makes up the "
        "share alpha * 1 of what is missing. The mark fastest below alpha's slider is there.",
        (goals.at_most(1), goals.ARRIVES),
    ),
    learned="Several targets are several models side by side: one input, one alpha, but each "
    "output has its own delta, its own weight_delta and its own weights.",
    exercise=Exercise(
        "The input x predicts y and z. Both weights start at 0, alpha is 0.2. Fill in two steps.",
        "Each step leaves half of what is missing, of y and of z alike: 1 - 0.2 * mean(x * x) = "
        "1 - 0.2 * 2.5 = 0.5.",
        two_outputs,
        Choices(("y", "z"), ("x",), alpha=0.2, intercept=False),
        steps=2,
    ),
    table=tables.films,
    choices=Choices(("gross", "us_gross"), ("budget",), alpha=0.2, standardise=True),
    shown=("budget", "intercept"),
)


def two_rows() -> pl.DataFrame:
    """Two rows whose averages of products are whole numbers: 5 and 13."""
    return pl.DataFrame({"x": [1.0, 3.0], "y": [2.0, 8.0]})


MANY_ROWS = Lesson(
    name="many-rows",
    title="Many rows",
    prose=(
        "These are {rows} films, read once. What was kept is a few averages: of budget, of budget "
        "* budget, of budget * gross. They are called moments.",
        "For weight_delta is an average of delta * input over the films, and that can be worked "
        "out from these averages alone.",
        "With this small alpha it arrives in about twenty steps.",
    ),
    question=Question(
        "How long would a step take if there were a million films?",
        (
            Answer(
                "As long as now",
                "Yes. Reading them takes longer, once. A step then works on the averages, and "
                "there are as many of those as before.",
                right=True,
            ),
            Answer(
                "Hundreds of times as long",
                "So it would if each step went over all rows. Here the rows were read once, and a "
                "step works on a few averages.",
            ),
            Answer(
                "It could not be done",
                "The averages of a million rows take no more room than those of ten.",
            ),
        ),
    ),
    do=(
        "Drag the step slider anywhere: each step is worked out at once.",
        "Type 1,000,000 as the step: that is as quick.",
    ),
    goal=Goal(
        "Find the fastest alpha: arrive in one step.",
        "Press the mark fastest below alpha's slider, go to the start and press Step.",
        (goals.at_most(1), goals.ARRIVES),
    ),
    learned="All that a step must know of the rows is in their moments, the averages of products. "
    "So a million rows learn as quickly as ten.",
    exercise=Exercise(
        "The weight starts at 0, and alpha is 0.1. Fill in two steps. Then work out weight_delta "
        "from two averages instead: weight * mean(x * x) - mean(x * y). Is it the same?",
        "Yes. mean(x * x) is 5 and mean(x * y) is 13: 0 * 5 - 13 = -13, and then 1.3 * 5 - 13 = "
        "-6.5.",
        two_rows,
        Choices(("y",), ("x",), alpha=0.1, intercept=False),
        steps=2,
    ),
    table=tables.films,
    choices=Choices(("gross",), ("budget",), alpha=0.2, standardise=True),
    shown=("budget", "intercept"),
)
