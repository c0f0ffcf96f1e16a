"""Questions of fitting about encoded rows: sums in whitened coordinates, the first odd value."""

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.engines.batch import ByFold
from deltarule.losses.loss import Loss
from deltarule.moments.moments import Moments
from deltarule.solvers.whitening import Whitening
from deltarule.tables.encoded_question import FirstValue
from deltarule.tables.encoded_rows import EncodedRows


@dataclass(frozen=True)
class WhitenedMoments:
    """The moments of whitened inputs and of the first weights' residuals, by fold."""

    white: Whitening

    def of_rows(self, rows: EncodedRows) -> ByFold[Moments]:
        """The moments of these rows."""
        rows = rows.apart
        z, left = self.white.rows(rows.inputs, rows.targets)
        both, found = np.column_stack([z, left]), ByFold[Moments]()
        for fold in np.unique(rows.fold).tolist():
            mine = rows.fold == fold
            each = None if rows.row_weights is None else rows.row_weights[mine]
            found[fold] = Moments.of(both[mine], each)
        return found


@dataclass(frozen=True)
class FirstRefused:
    """The first row whose target a loss cannot take."""

    output: int
    loss: Loss

    def of_rows(self, rows: EncodedRows) -> FirstValue:
        """The first of these rows."""
        own = rows.targets[:, self.output]
        wrong = np.flatnonzero(~self.loss.accepts(own[:, None])[:, 0])
        if not len(wrong):
            return FirstValue()
        return FirstValue(int(rows.number[wrong[0]]), float(own[wrong[0]]))


@dataclass(frozen=True)
class FirstWith:
    """The first row with this target."""

    output: int
    value: float

    def of_rows(self, rows: EncodedRows) -> FirstValue:
        """The first of these rows."""
        mine = np.flatnonzero(rows.targets[:, self.output] == self.value)
        return FirstValue(int(rows.number[mine[0]]), self.value) if len(mine) else FirstValue()
