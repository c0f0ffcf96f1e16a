"""Loss history: the error before some of the steps, a bounded number of them."""

from collections.abc import Iterator

import numpy as np

MOST = 200


class LossHistory:
    """Errors by step, evenly downsampled as their number grows, with the first and the last.

    >>> course = LossHistory()
    >>> for step in range(1, 1001):
    ...     course.add(step, 1 / step)
    >>> told = list(course)
    >>> told[0], told[-1], len(told) <= MOST
    ((1, 1.0), (1000, 0.001), True)
    """

    def __init__(self) -> None:
        self._kept: list[tuple[int, float]] = []
        self._every = 1
        self._last: tuple[int, float] | None = None

    def add(self, step: int, error: float) -> None:
        """Add a step, counted from 1; an error that is not finite is left out."""
        if not np.isfinite(error):
            return
        self._last = (step, error)
        if (step - 1) % self._every == 0:
            self._kept.append(self._last)
        if len(self._kept) >= MOST:
            self._every *= 2
            self._kept = [one for one in self._kept if (one[0] - 1) % self._every == 0]

    def __iter__(self) -> Iterator[tuple[int, float]]:
        yield from self._kept
        if self._last is not None and self._last not in self._kept[-1:]:
            yield self._last
