"""Downsample the steps of a run to a bounded number, keeping the notable ones.

The length of a run is unknown beforehand. So steps are kept at an even stride, which doubles
whenever too many are kept; on a screen, where nothing can be taken back, at a stride that grows.
Notable are, apart from the first step and the last:

    the first that raised the loss, and those that lowered and raised it most
    the first with a smaller alpha
    for each weight the first step on which it reversed direction
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.moments.stacked import stack
from deltarule.rule.predict import Array
from deltarule.rule.train import Step

MOST = 10_000
# A screen shows all of the first so many steps, then every tenth up to ten times as many, etc.
ALL_SHOWN = 100
TURNS_TOLD = 20
FELL, ROSE = "lowered the loss most", "raised the loss most"


@dataclass(frozen=True)
class DownsampledSteps:
    """A step, and what is notable about it: empty for most.

    `turned` are the weights that reversed for the first time, by their indices in `stack`.
    """

    step: Step
    notes: tuple[str, ...] = ()
    turned: tuple[int, ...] = ()

    @property
    def telling(self) -> bool:
        """Whether the step is notable."""
        return bool(self.notes or self.turned)


class _Telling:
    """Detects notable steps, one step late, as the next one shows the effect of a step."""

    def __init__(self) -> None:
        self.before: Step | None = None
        self.rose = self.slowed = False
        self.turned: set[int] = set()
        self.signs: Array | None = None
        self.largest = {FELL: 0.0, ROSE: 0.0}

    def of(self, step: Step, following: Step | None) -> tuple[DownsampledSteps, list[str]]:
        """The step with its notes, and which of the two largest changes so far it is."""
        notes: list[str] = []
        most: list[str] = []
        turned = self._turns(step)
        earlier = self.before
        if earlier is not None and not self.slowed and _smaller(step.alpha, earlier.alpha):
            self.slowed = True
            notes.append("alpha was made smaller")
        self.before = step
        if following is None:
            return DownsampledSteps(step, tuple(notes), turned), most
        change = following.comparison.loss - step.comparison.loss
        if change > 0 and not self.rose:
            self.rose = True
            notes.append("raised the loss for the first time")
        which = ROSE if change > 0 else FELL
        if abs(change) > self.largest[which]:
            self.largest[which] = abs(change)
            most.append(which)
        return DownsampledSteps(step, tuple(notes), turned), most

    def _turns(self, step: Step) -> tuple[int, ...]:
        """The weights that reversed direction for the first time."""
        with np.errstate(all="ignore"):
            moved = np.sign(stack(step.weights) - stack(step.before)).ravel()
        old = np.zeros_like(moved) if self.signs is None else self.signs
        self.signs = np.where(moved == 0, old, moved)
        if len(self.turned) >= TURNS_TOLD:
            return ()
        turned = [int(at) for at in np.flatnonzero(old * moved < 0) if at not in self.turned]
        told = turned[: TURNS_TOLD - len(self.turned)]
        self.turned |= set(told)
        return tuple(told)


def _smaller(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and now < before


def as_they_come(steps: Iterable[Step]) -> Iterator[DownsampledSteps]:
    """The steps for a screen: all at first, fewer and fewer later, and the notable ones."""
    telling = _Telling()
    held: Step | None = None
    for following in _and_none(steps):
        if held is not None:
            told, _ = telling.of(held, following)
            if following is None or told.telling or on_screen(held.number):
                yield told
        held = following


def _and_none(steps: Iterable[Step]) -> Iterator[Step | None]:
    yield from steps
    yield None


def on_screen(number: int) -> bool:
    """Whether a screen shows this step."""
    stride = 1
    while number > ALL_SHOWN * stride:
        stride *= 10
    return number % stride == 0


def downsampled(steps: Iterable[Step], *, most: int = MOST) -> list[DownsampledSteps]:
    """No more than `most` steps at an even stride, the last, and the notable ones."""
    telling = _Telling()
    even: dict[int, Step] = {}
    always: dict[int, DownsampledSteps] = {}
    largest: dict[str, Step] = {}
    stride, held = 1, None
    for following in _and_none(steps):
        if held is not None:
            one, biggest = telling.of(held, following)
            if one.telling or following is None:
                always[held.number] = one
            largest |= dict.fromkeys(biggest, held)
            if (held.number - 1) % stride == 0:
                even[held.number] = held
            if len(even) > most:
                stride *= 2
                even = {n: one for n, one in even.items() if (n - 1) % stride == 0}
        held = following
    told = {n: DownsampledSteps(one) for n, one in even.items()} | always
    for which, step in largest.items():
        earlier = told.get(step.number, DownsampledSteps(step))
        told[step.number] = replace(earlier, notes=(*earlier.notes, which))
    return [told[number] for number in sorted(told)]
