"""Lessons 7 to 10: how rows, inputs and time shape the way down."""

import polars as pl

from deltarule.web.lessons import goals, tables
from deltarule.web.lessons.goals import Goal
from deltarule.web.lessons.lesson import Answer, Exercise, Lesson, Question
from deltarule.web.session import Choices


def two_films() -> pl.DataFrame:
    """Two rows that want different weights, 3 and 1."""
    return pl.DataFrame({"x": [1.0, 2.0], "y": [3.0, 2.0]})


BATCHES = Lesson(
    name="batches",
    title="All rows, some, or one at a time",
    prose=(
        "A step that sees all sixty films goes straight downhill. Here each step sees one film, "
        "the batch, and follows that film alone. The next step says which.",
        "Sixty such steps are one epoch: each film was seen once. The path is noisy, but it goes "
        "the same way.",
        "Steps on a few rows are cheap, which pays where rows are many.",
    ),
    question=Question(
        "A step sees one film. What happens to the error on all sixty?",
        (
            Answer(
                "It mostly falls, and sometimes rises",
                "Yes. What suits this film may not suit the others. On average it goes down.",
                right=True,
            ),
            Answer(
                "It falls at each step",
                "So it does if a step sees all rows. One film may pull the wrong way for the "
                "others.",
            ),
            Answer(
                "It cannot fall: 59 films are not seen",
                "Films have something in common. What makes one better often helps the others.",
            ),
        ),
    ),
    do=(
        "Press Play, and watch the path in the bowl tremble.",
        "Under More, choose a batch of 10 rows, then all rows: the path calms down.",
    ),
    goal=Goal(
        "With a batch of 10, come within 1% of the floor.",
        "The batch is under More. Play a few epochs; one is six steps. If it trembles too much, "
        "take a smaller alpha.",
        (goals.at_least(1), goals.batch_of(10), goals.near_floor(0.01)),
    ),
    learned="A batch is the rows that one step sees; an epoch is all of them once. Small batches "
    "make cheap, noisy steps, and the noise asks for a smaller alpha.",
    exercise=Exercise(
        "The weight starts at 0, alpha is 0.2, and each step sees one row; the order was drawn. "
        "Fill in four steps, which are two epochs. Does the weight come to rest?",
        "No. Row 1 wants 3 and row 2 wants 1, so it goes to and fro. The floor for both together"
        " is 1.4.",
        two_films,
        Choices(("y",), ("x",), alpha=0.2, intercept=False, batch=1),
        steps=4,
    ),
    table=tables.some_films,
    choices=Choices(("gross",), ("budget", "rating"), alpha=0.02, standardise=True, batch=1),
    shown=("budget", "rating"),
)


def twins() -> pl.DataFrame:
    """Two rows of two inputs that are nearly the same."""
    return pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.5], "y": [4.0, 9.0]})


CORRELATION = Lesson(
    name="correlation",
    title="Correlation",
    prose=(
        "Sixteen years of an economy: its product and its population grew together.",
        "So one weight can stand in for the other, and the bowl is a long, narrow valley.",
        "One step brings both weights to its floor, and ten bring the intercept. Then it takes "
        "hundreds to walk along the floor.",
    ),
    question=Question(
        "One weight goes up, the other goes down by as much. What happens to the predictions?",
        (
            Answer(
                "Hardly anything",
                "Yes. The two inputs say nearly the same, so what one weight adds the other takes "
                "away. That is the floor of the valley.",
                right=True,
            ),
            Answer(
                "They get much worse",
                "So they would if the inputs were different things. Here both rise and fall "
                "together, and the two changes cancel.",
            ),
            Answer(
                "They get much better",
                "Then the error would fall fast that way. It hardly changes: the valley is flat "
                "along its floor.",
            ),
        ),
    ),
    do=(
        "Press Step: both weights fall to the valley's floor. Press it again: they hardly move.",
        "Choose by 100, and press Step twice: the path turns, and crawls along the valley.",
    ),
    goal=Goal(
        "Get the error to within 1% of the least there is, in at most ten steps.",
        "Two ways: take one of the two ticks off in the list of inputs, beside Predict; or, "
        "under More, choose the learner newton, which measures the valley first.",
        (goals.at_most(10), goals.error_above_least(0.01)),
    ),
    learned="Inputs that say the same share their effect, and their weights are hard to tell "
    "apart. Learning is slow along the valley, though predictions are good early.",
    exercise=Exercise(
        "a and b are nearly the same. Both weights start at 0, alpha is 0.1. Fill in two steps. "
        "How different do the two weights become?",
        "Not very: 1.5275 and 1.8397. Their inputs rise together, so both get nearly the same "
        "weight_delta.",
        twins,
        Choices(("y",), ("a", "b"), alpha=0.1, intercept=False),
        steps=2,
    ),
    table=tables.economy,
    choices=Choices(("employed",), ("product", "population"), alpha=0.5, standardise=True),
    shown=("product", "population"),
)


def two_scales() -> pl.DataFrame:
    """Two rows of two inputs, one a hundred times as large as the other."""
    return pl.DataFrame({"a": [100.0, 200.0], "b": [2.0, 1.0], "y": [5.0, 4.0]})


SCALE = Lesson(
    name="scale",
    title="Scale of inputs",
    prose=(
        "Budget is in dollars here, around 32,000,000; rating is in points, around 6; gross is in "
        "millions.",
        "weight_delta = delta * input, so budget's is millions of times as large. An alpha that "
        "suits budget is nothing to rating, and one that suits rating makes budget explode.",
        "So the bowl is a trench: steep over budget's weight, flat over rating's. In about ten "
        "steps budget's weight arrives, and rating's has hardly moved.",
    ),
    question=Question(
        "To standardise is to give both inputs the same spread. What will that do to the bowl?",
        (
            Answer(
                "Make it round",
                "Yes. Both weights are then equally steep, and one alpha suits both.",
                right=True,
            ),
            Answer(
                "Make it deeper",
                "The floor stays where it is: the same predictions are possible. Only the way "
                "there changes.",
            ),
            Answer(
                "Nothing",
                "In dollars the bowl is millions of times as steep one way as the other. With the "
                "same spread it is equally steep both ways.",
            ),
        ),
    ),
    do=(
        "Press Play: budget's weight arrives. Rating's would have to go far beyond the picture.",
        "Under More, tick standardise: the rings are round, and the floor is in sight. The weights "
        "keep their units, the steps change theirs.",
    ),
    goal=Goal(
        "Standardise, find the fastest alpha, and arrive in at most three steps.",
        "Under More, tick standardise; press the mark fastest below alpha's slider, go to the "
        "start and press Step.",
        (goals.STANDARDISED, goals.at_most(3), goals.ARRIVES),
    ),
    learned="One alpha has to suit the steepest input. Standardised inputs (mean 0, spread 1) are "
    "equally steep, so learning needs a few steps in place of millions.",
    exercise=Exercise(
        "a is about a hundred times as large as b. Both weights start at 0, and alpha is 0.00001. "
        "Fill in one step. How many times as far did the weight of a go?",
        "650 / 7, so about 93 times as far.",
        two_scales,
        Choices(("y",), ("a", "b"), alpha=0.00001, intercept=False),
    ),
    table=tables.rated_films,
    choices=Choices(("gross",), ("budget", "rating"), alpha=1.7e-16),
    shown=("budget", "rating"),
)


def too_steep() -> pl.DataFrame:
    """Two training rows, with errors."""
    return pl.DataFrame({"x": [1.0, 2.0], "y": [2.0, 6.0]})


OVERFITTING = Lesson(
    name="overfitting",
    title="Overfitting and penalties",
    prose=(
        "Nine powers of x chase ten points. The hollow points come from the same source, but no "
        "step ever sees them: they are held out.",
        "First the line learns what all points share. Later it bends to meet errors of the ten.",
        "The error on the hollow points is the honest one: new rows are like them.",
    ),
    question=Question(
        "Play a thousand steps. What will the error on the hollow points do?",
        (
            Answer(
                "Fall, and then rise",
                "Yes. What the line learns last is only the errors of the ten points, which the "
                "hollow ones do not share.",
                right=True,
            ),
            Answer(
                "Fall, like the other one",
                "The error on the ten points falls at each step. But what is learnt late is true "
                "of those ten alone.",
            ),
            Answer(
                "Stay as it is, for they are not seen",
                "They come from the same wave. What is learnt first is true of them too.",
            ),
        ),
    ),
    do=(
        "Press Play to step 1,000, and watch the two errors part.",
        "Go to the start, set ridge under More to 0.03, and play again: large weights now cost "
        "something.",
    ),
    goal=Goal(
        "Come to rest where the RMSE on the hollow points, the held-out one, is below 0.34.",
        "Step forward from the start and watch the held-out RMSE under Compare: stop when it no "
        "longer falls. Or set ridge, under More, to 0.03: then it is below from step 100 on.",
        (goals.at_least(1), goals.unseen_rmse_below(0.34)),
        rests=True,
    ),
    learned="A model can learn its rows too well. Held-out rows show it, and stopping early or a "
    "penalty on large weights (ridge) prevents it.",
    exercise=Exercise(
        "The weight starts at 0, and alpha is 0.2. Fill in three steps. After each, work out the "
        "squared error on a held-out row: x is 3, y is 6. Where would you stop?",
        "It is 36 at the start, then 3.24, 0.09 and 1.8225. So after step 2: step 3 suits the "
        "training rows better and the held-out row worse.",
        too_steep,
        Choices(("y",), ("x",), alpha=0.2, intercept=False),
        steps=3,
    ),
    table=tables.seen_wave,
    choices=Choices(("y",), ("poly(x, 9)",), alpha=0.2, standardise=True),
    unseen=tables.unseen_wave,
    stride=10,
)
