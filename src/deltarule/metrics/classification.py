"""Classification metrics, beside the null model's (the most frequent class).

    accuracy     the share of rows whose own class has the largest prediction
    AUC          how often a row of a class gets a higher prediction for it than a row of another
    confusion    rows by their class (down) and by the class predicted (across)
    calibration  rows by how sure the prediction was: how sure on average, how often it was right

The null model predicts the class most frequent among the training rows. The log loss is the loss
itself, so regression.py has it. Shapes: n rows, c classes.

A yes/no target has one output, the probability of yes; here it is two classes, no and yes.
"""

from collections.abc import Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from deltarule.dataclass import dataclass
from deltarule.metrics.auc import EXACT_ROWS, ScoreHistogram, auc_of
from deltarule.moments.limits import Amount, Positive, Share
from deltarule.rule.predict import Array

CALIBRATION_BINS = 10
# Digits after which probabilities are alike: sums in another order differ by less.
TIED = 9


class CalibrationBin(BaseModel):
    """A bin of the calibration curve: mean predicted probability and observed frequency.

    For yes/no it is the probability of yes; for more classes that of the one predicted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    rows: Positive
    predicted: Share
    happened: Share


class ClassMetrics(BaseModel):
    """Classification metrics; guessing is the most frequent class learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    classes: tuple[str, ...]
    rows: Positive
    accuracy: Share
    baseline_accuracy: Share
    auc: Share | None
    """One-vs-rest mean for more than two classes; None where all rows are of one class."""
    auc_within: Amount
    """The error bound of the AUC; 0 where it is exact."""
    confusion: tuple[tuple[Amount, ...], ...]
    calibration: tuple[CalibrationBin, ...]


def both(one: Array) -> Array:
    """A yes/no target's column as two classes, no and yes; more columns unchanged.

    Shapes:  (n, 1) -> (n, 2); (n, c) -> (n, c)
    """
    return np.hstack([1 - one, one]) if one.shape[1] == 1 else one


def _likeliest(probabilities: Array) -> NDArray[np.intp]:
    """The class of each row, the first of those that are equally likely but for rounding: (n,)."""
    first: NDArray[np.intp] = np.argmax(np.round(probabilities, TIED), axis=1)
    return first


@dataclass
class ClassMetricSums:
    """Accumulates classification metrics; the sums of parts of a table add.

    `guessed` are the rows whose class was the most frequent among those learnt from.
    """

    classes: Sequence[str]
    rows: float = 0.0
    guessed: float = 0.0
    ranks: dict[int, list[ScoreHistogram]] = field(default_factory=dict)
    """By fold, for each class; of yes/no for yes alone."""
    confusion: Array = field(init=False)
    bins: Array = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.classes)
        self.confusion = np.zeros((count, count))
        self.bins = np.zeros((3, CALIBRATION_BINS))

    def add(
        self, predictions: Array, targets: Array, each: Array, guess: Array, *, fold: int = 0
    ) -> None:
        """Add rows of a fold. `guess` are the shares of the classes among its training rows.

        Shapes:  predictions, targets (n, c), or (n, 1) for yes/no; each (n,); guess (c,) or (1,)
        """
        two = predictions.shape[1] == 1
        made, wanted = both(predictions), both(targets) * each[:, None]
        self.rows += float(each.sum())
        self.guessed += float(wanted[:, _likeliest(both(np.reshape(guess, (1, -1))))[0]].sum())
        chosen = _likeliest(made)
        for actual in range(len(self.classes)):
            self.confusion[actual] += np.bincount(chosen, wanted[:, actual], len(self.classes))
        for of, ranks in enumerate(self._ranks_of(fold), start=int(two)):
            ranks.add(made[:, of], wanted[:, of], each - wanted[:, of])
        if two:
            sure, right = made[:, 1], wanted[:, 1]
        else:
            row = np.arange(len(chosen))
            sure, right = made[row, chosen], wanted[row, chosen]
        at = np.minimum((sure * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
        for place, summed in enumerate((each, sure * each, right)):
            self.bins[place] += np.bincount(at, summed, CALIBRATION_BINS)

    def _ranks_of(self, fold: int) -> list[ScoreHistogram]:
        if fold not in self.ranks:
            ranked = 1 if len(self.classes) == 2 else len(self.classes)
            self.ranks[fold] = [ScoreHistogram(EXACT_ROWS // ranked) for _ in range(ranked)]
        return self.ranks[fold]

    def figures(self) -> ClassMetrics:
        """The metrics of the rows added; there must be some."""
        by_class = zip(*self.ranks.values(), strict=True)
        ranked = [one for one in map(auc_of, by_class) if one is not None]
        auc, within = np.mean(ranked, axis=0).tolist() if ranked else (None, 0.0)
        return ClassMetrics(
            classes=tuple(self.classes),
            rows=self.rows,
            accuracy=float(np.trace(self.confusion)) / self.rows,
            baseline_accuracy=self.guessed / self.rows,
            auc=auc,
            auc_within=within,
            confusion=tuple(tuple(row) for row in self.confusion.tolist()),
            calibration=tuple(
                CalibrationBin(rows=rows, predicted=sure / rows, happened=right / rows)
                for rows, sure, right in self.bins.T.tolist()
                if rows > 0
            ),
        )
