"""Splits: which folds are judged, and by what was learnt from which others.

    any order    each fold by what all the others teach
    forward      each fold but the first by what the earlier ones teach: no later row trains an
                 earlier one

Folds without rows take no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deltarule.moments.moments import Moments, total


@dataclass(frozen=True)
class Split:
    """One fold that is judged, and the folds that teach what it is judged by."""

    judged: int
    learnt: tuple[int, ...]


@dataclass(frozen=True)
class SplitScheme:
    """How rows are held out: in any order, or forward."""

    forward: bool = False

    def of(self, folds: Sequence[Moments]) -> list[Split]:
        """Every split of these folds; none where fewer than two have rows.

        >>> import numpy as np
        >>> two = [Moments.of(np.array([[1.0]])), Moments.of(np.array([[2.0]]))]
        >>> SplitScheme().of(two)
        [Split(judged=0, learnt=(1,)), Split(judged=1, learnt=(0,))]
        >>> SplitScheme(forward=True).of(two)
        [Split(judged=1, learnt=(0,))]
        """
        there = [at for at, fold in enumerate(folds) if fold.rows > 0]
        if self.forward:
            return [Split(fold, tuple(there[:at])) for at, fold in enumerate(there) if at]
        if len(there) < 2:
            return []
        return [Split(fold, tuple(one for one in there if one != fold)) for fold in there]

    def pairs(self, folds: Sequence[Moments]) -> list[tuple[Moments, Moments]]:
        """For every split the moments that are judged, and those that are learnt from."""
        return [
            (folds[split.judged], total([folds[one] for one in split.learnt]))
            for split in self.of(folds)
        ]


ANY_ORDER = SplitScheme()
