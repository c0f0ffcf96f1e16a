"""The page's words: what each means in plain words, and what the field calls it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word of the page. `field` is the field's word for it, `forms` how else it is written."""

    word: str
    field: str
    means: str
    forms: tuple[str, ...] = ()


GLOSSARY = (
    Term("prediction", "estimate", "What the model says the target is: weight * input, summed."),
    Term("target", "response, label", "The column to predict, and its true value in a row."),
    Term("input", "feature, predictor", "A column that is predicted from.", ("inputs",)),
    Term(
        "weight",
        "coefficient, parameter",
        "What an input is multiplied by. Learning changes the weights and nothing else.",
        ("weights",),
    ),
    Term(
        "intercept",
        "bias",
        "A weight without an input: what is added to every prediction.",
    ),
    Term(
        "delta",
        "error term, negative residual",
        "prediction - target: how far off, and which way. Below 0 is too low.",
        ("deltas",),
    ),
    Term(
        "weight_delta",
        "gradient",
        "delta * input, averaged over the rows: which way, and how steeply, the error rises with "
        "the weight.",
    ),
    Term(
        "alpha",
        "learning rate, step size",
        "How much of weight_delta a step takes off the weight.",
    ),
    Term(
        "step",
        "iteration, update",
        "Once through predict, compare and learn: weight -= alpha * weight_delta.",
        ("steps",),
    ),
    Term(
        "error",
        "loss, cost",
        "How wrong the predictions are, in one number. Of amounts it is the mean of delta * delta.",
    ),
    Term("squared error", "squared loss", "delta * delta: what the bowl is drawn of."),
    Term(
        "RMSE",
        "root mean squared error",
        "The typical error: the root of the mean of delta * delta, in the units of the target. Of "
        "a single row it is the size of its delta.",
    ),
    Term(
        "size of delta",
        "absolute error",
        "delta without its sign. Of several rows the RMSE takes its place, the root of the mean of "
        "delta * delta.",
    ),
    Term("bowl", "loss surface", "The error over one weight or two. Its floor is the least error."),
    Term("floor", "minimum", "The least error that these inputs allow."),
    Term(
        "cut",
        "slice of the loss surface",
        "The error over these weights alone, while the others stay where they are. As those learn, "
        "its floor moves.",
    ),
    Term(
        "arrive",
        "converge",
        "To have 1% of the way to the floor left, or less.",
        ("arrived", "arrives"),
    ),
    Term("explodes", "diverges", "The error grows with each step, without end.", ("explode",)),
    Term(
        "fastest",
        "optimal learning rate",
        "The alpha that arrives in the fewest steps from anywhere.",
    ),
    Term("freeze", "hold fixed", "To keep a weight where it is.", ("frozen", "freezing")),
    Term("batch", "minibatch", "The rows that one step sees.", ("batches",)),
    Term("epoch", "epoch", "So many steps that each row was seen once.", ("epochs",)),
    Term(
        "moments",
        "sufficient statistics",
        "Averages of products of columns: all that a step needs to know of the rows.",
    ),
    Term(
        "standardise",
        "standardize, z-score",
        "To measure each input from its mean, in units of its spread.",
        ("standardised",),
    ),
    Term("learner", "optimizer", "What makes a step of a weight_delta."),
    Term(
        "newton",
        "Newton's method",
        "A learner that measures how the bowl curves, and steps to where its floor should be.",
    ),
    Term(
        "ridge",
        "L2 penalty, weight decay",
        "A cost on large weights, which keeps the line calm.",
    ),
    Term(
        "held-out",
        "validation, cross-validation",
        "Rows that are kept from learning, so that the error on them is honest.",
        ("held out",),
    ),
    Term(
        "cross-validation",
        "k-fold cross-validation",
        "The rows are parted, and each part in turn is predicted by steps taken on the others.",
    ),
    Term(
        "baseline",
        "reference level",
        "The level of a category that has no weight: those of the others are differences from it.",
    ),
    Term("overfitting", "overfitting", "Learning what is true of the rows at hand alone."),
    Term("score", "logit, linear predictor", "The sum before the link: weight * input, summed."),
    Term("link", "inverse link, activation", "The curve that makes a prediction of a score."),
    Term(
        "sigmoid",
        "logistic function",
        "The S-shaped curve 1 / (1 + exp(-score)): it makes a probability of any score.",
    ),
    Term(
        "softmax",
        "softmax",
        "Each class's share of the exp(score) of all classes: probabilities that add up to 1.",
    ),
    Term(
        "log loss",
        "cross-entropy",
        "-log of the probability given to what came true: 0 when that was 1.",
    ),
    Term(
        "probability",
        "probability",
        "How likely, from 0 (never) to 1 (always).",
        ("probabilities",),
    ),
)
