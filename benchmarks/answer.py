"""Answer: what every contestant hands back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """What a contestant found. Only what it took to find it is on the clock.

    `of` names the exact answer to judge by: weights, predictions, ridge_path, descent 20 ...
    `values` is asked after the clock has stopped. `left_out_seconds` is an estimate of the work
    that was too long to do: the report adds it and marks the sum with ~.
    """

    of: str | None = None
    values: Callable[[], Sequence[float]] = list
    figures: dict[str, float] = field(default_factory=dict)
    left_out_seconds: float = 0.0
