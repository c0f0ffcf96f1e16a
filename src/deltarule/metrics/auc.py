"""AUC: the area under the ROC curve, exact or from a histogram of scores.

    AUC = P(prediction of a yes > that of a no) + P(equal) / 2

Exact while the rows are few; beyond that predictions are binned by their log odds, and pairs
within a bin count half. The error bound of that is reported.

Rows that were scored by different models are not compared: of held-out rows only the pairs within
a fold count, all alike. A fold with more yes leaves fewer to learn from, so that its rows are
scored lower: over all pairs, a model that knows nothing is below 0.5, at 0.27 with 2 yes in 300.

Source:  Hanley & McNeil 1982; Parker, Guenter & Bedo 2007 (stratification bias)
"""

from collections.abc import Iterable
from dataclasses import field

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.rule.predict import Array

EXACT_ROWS = 1_000_000
"""Up to so many rows the predictions are kept, 24 MB."""
# Log odds from -40 to 40: beyond, a probability is 0 or 1 to the last bit or so.
BINS, REACH = 1 << 16, 40.0


@dataclass
class ScoreHistogram:
    """Accumulates predictions of positive and negative rows.

    Shapes:  kept: predictions, weights of yes and of no, (n,) each; counted (2, BINS)
    """

    exact_rows: int = EXACT_ROWS
    kept: list[tuple[Array, Array, Array]] = field(default_factory=list)
    rows: int = 0
    counted: Array | None = None

    def add(self, predictions: Array, yes: Array, no: Array) -> None:
        """Shapes:  (n,) each; `yes` and `no` are the row's weights as positive and negative."""
        self.kept.append((predictions, yes, no))
        self.rows += len(predictions)
        if self.counted is not None or self.rows > self.exact_rows:
            self._count()

    def _count(self) -> None:
        counted = np.zeros((2, BINS)) if self.counted is None else self.counted
        for predictions, yes, no in self.kept:
            with np.errstate(divide="ignore"):
                odds = np.log(predictions) - np.log1p(-predictions)
            at = np.clip((odds + REACH) * (BINS / (2 * REACH)), 0, BINS - 1).astype(np.intp)
            counted = counted + [np.bincount(at, side, BINS) for side in (yes, no)]
        self.kept, self.counted = [], counted

    def pairs(self) -> tuple[float, float, float]:
        """The pairs of a yes and a no in order, their error by the bins, and all pairs."""
        if self.counted is not None:
            yes, no = self.counted
        elif self.kept:
            predictions, yes, no = (np.concatenate(part) for part in zip(*self.kept, strict=True))
            values, at = np.unique(predictions, return_inverse=True)
            yes, no = (np.bincount(at, side, len(values)) for side in (yes, no))
        else:
            return 0.0, 0.0, 0.0
        together = float(yes @ no)
        below = np.cumsum(no) - no
        unsure = 0.0 if self.counted is None else together / 2
        return float(yes @ below) + together / 2, unsure, float(yes.sum() * no.sum())


def auc_of(parts: Iterable[ScoreHistogram]) -> tuple[float, float] | None:
    """The AUC over the pairs within each part, and its error bound; None where there are none."""
    ordered, unsure, pairs = np.sum([part.pairs() for part in parts] or [(0, 0, 0)], axis=0)
    return (float(ordered / pairs), float(unsure / pairs)) if pairs > 0 else None
