"""Splits: the test and train folds of cross-validation.

    any order    each fold is tested on a model of all the others (k-fold)
    forward      each fold but the first is tested on a model of the earlier ones (time series)

Folds without rows take no part.
"""

from collections.abc import Sequence

from deltarule.dataclass import dataclass
from deltarule.moments.moments import Moments, total


@dataclass(frozen=True)
class Split:
    """A test fold and its train folds."""

    test: int
    train: tuple[int, ...]

    def training(self, folds: Sequence[Moments]) -> Moments:
        """The moments of the train folds."""
        return total([folds[one] for one in self.train])


@dataclass(frozen=True)
class SplitScheme:
    """The splitting scheme: k-fold, or forward in time."""

    forward: bool = False

    def of(self, folds: Sequence[Moments]) -> list[Split]:
        """All splits of these folds; none where fewer than two have rows.

        >>> import numpy as np
        >>> two = [Moments.of(np.array([[1.0]])), Moments.of(np.array([[2.0]]))]
        >>> SplitScheme().of(two)
        [Split(test=0, train=(1,)), Split(test=1, train=(0,))]
        >>> SplitScheme(forward=True).of(two)
        [Split(test=1, train=(0,))]
        """
        there = [at for at, fold in enumerate(folds) if fold.rows > 0]
        if self.forward:
            return [Split(fold, tuple(there[:at])) for at, fold in enumerate(there) if at]
        if len(there) < 2:
            return []
        return [Split(fold, tuple(one for one in there if one != fold)) for fold in there]

    def pairs(self, folds: Sequence[Moments]) -> list[tuple[Moments, Moments]]:
        """The test and train moments of every split."""
        return [(folds[split.test], split.training(folds)) for split in self.of(folds)]


ANY_ORDER = SplitScheme()
