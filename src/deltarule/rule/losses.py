"""Losses: what a row's wrongness counts for, each with the link that makes scores predictions.

A loss's value and its delta stand next to each other, here and in the modules of its kin, so
that one can be checked against the other. `delta` is the slope of the value in the score: what
learning multiplies with the inputs. With the link that suits the loss it is prediction - target;
where people want another link (amounts that inputs multiply: the logarithm) it is that times a
factor, and where outliers are to pull less it is that, held back. What people are shown is
prediction - target, whatever the loss.

Shapes: scores s and targets t (n, k); a value for each row (n,), summed over the outputs.
Values are nats per row, or half the squared units of the target for `Squared`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import numpy as np
from scipy.special import expit, gammaln, xlogy

from deltarule.errors import LearningError
from deltarule.rule.amounts import Gamma, Tweedie
from deltarule.rule.links import Identity
from deltarule.rule.predict import Array, Mask
from deltarule.rule.robust import Huber, Quantile
from deltarule.rule.softmax import Softmax


class Loss(Protocol):
    """What a row's wrongness counts for, with its link."""

    @property
    def name(self) -> str:
        """How it is spelled: what `loss_named` makes the same loss of."""
        ...

    @property
    def takes(self) -> str:
        """The targets it takes, in words; `accepts` tests them."""
        ...

    @property
    def says(self) -> str:
        """What the score is of a target, in words, with {} where its name goes."""
        ...

    @property
    def noise(self) -> str:
        """How far rows stray from their prediction, so how sure the weights are.

        known       the prediction says it (yes/no, counts)
        estimated   dispersion * a function of the prediction: estimated from Pearson's chi2
        robust      no likelihood; estimated from the deltas
        unknown     no likelihood, no standard errors
        """
        ...

    @property
    def power(self) -> float | None:
        """A target's variance grows as prediction to this power; None where it is no amount."""
        ...

    def accepts(self, targets: Array) -> Mask: ...
    def value(self, scores: Array, targets: Array) -> Array: ...
    def delta(self, scores: Array, targets: Array) -> Array: ...
    def slope(self, scores: Array, targets: Array | None = None) -> Array:
        """How fast delta changes with the score; without targets, what is expected of it.

        Shapes:  (n, k), or (n, k, k) where each output's delta changes with every score
        """
        ...

    def mean(self, scores: Array) -> Array: ...
    def score(self, mean: Array) -> Array: ...
    def least(self, targets: Array) -> Array:
        """The least value that any score has for these targets, (n,)."""
        ...

    def constant(self, targets: Array, dispersion: float = 1.0) -> Array:
        """What value / dispersion lacks to minus the log likelihood; NaN where there is none."""
        ...


@dataclass(frozen=True)
class Parts:
    """What one pass wants to know of some rows, all at once.

    A loss whose parts share work, such as an exponential, has a method `parts` that does it once.
    Shapes:  mean, delta (n, k), value (n,), slope (n, k) or (n, k, k)
    """

    mean: Array
    value: Array
    delta: Array
    slope: Array


def parts(loss: Loss, scores: Array, targets: Array, *, expected: bool = False) -> Parts:
    """The loss's mean, value, delta and slope; the `expected` slope if asked for."""
    if not expected and hasattr(loss, "parts"):
        found: Parts = loss.parts(scores, targets)
        return found
    return Parts(
        mean=loss.mean(scores),
        value=loss.value(scores, targets),
        delta=loss.delta(scores, targets),
        slope=loss.slope(scores) if expected else loss.slope(scores, targets),
    )


@dataclass(frozen=True)
class Squared(Identity):
    """Half the squared delta, for targets that are amounts.

    Maths:   value = (s - t) ** 2 / 2;  delta = s - t;  prediction = s
    Units:   half the target's units squared; the error people are shown is delta ** 2
    Source:  Widrow & Hoff 1960

    >>> Squared().delta(np.array([[500_000.0]]), np.array([[99_750_000.0]]))
    array([[-99250000.]])
    """

    name: str = "squared"
    noise: str = "estimated"

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum((scores - targets) ** 2, axis=1) / 2
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return scores - targets

    def slope(self, scores: Array, targets: Array | None = None) -> Array:
        return np.ones_like(scores)

    def constant(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.full(len(targets), targets.shape[1] * np.log(2 * np.pi * dispersion) / 2)


@dataclass(frozen=True)
class Logistic:
    """The log loss of yes/no targets, or of shares between 0 and 1.

    Maths:   value = log(1 + exp(s)) - t * s;  delta = expit(s) - t;  prediction = expit(s)
    Source:  McCullagh & Nelder 1989, section 4.3

    >>> Logistic().delta(np.array([[0.0]]), np.array([[1.0]]))
    array([[-0.5]])
    """

    name: str = "logistic"
    takes: str = "true/false, or numbers from 0 to 1"
    says: str = "log odds of {}"
    noise: str = "known"
    power: float | None = None

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & (targets <= 1)

    def value(self, scores: Array, targets: Array) -> Array:
        # log(1 + exp(s)) without overflow; np.logaddexp takes three times as long.
        soft = np.maximum(scores, 0.0) + np.log1p(np.exp(-np.abs(scores)))
        value: Array = np.sum(soft - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return expit(scores) - targets

    def slope(self, scores: Array, targets: Array | None = None) -> Array:
        return expit(scores) * expit(-scores)

    def parts(self, scores: Array, targets: Array) -> Parts:
        # Of exp(-|s|) everything follows without overflow: 20 ns a row, one by one 70.
        tail = np.exp(-np.abs(scores))
        most = 1 / (1 + tail)
        least = tail * most
        mean = np.where(scores < 0, least, most)
        value = np.maximum(scores, 0.0) + np.log1p(tail) - targets * scores
        return Parts(mean, value.sum(axis=1), mean - targets, least * most)

    def mean(self, scores: Array) -> Array:
        return expit(scores)

    def score(self, mean: Array) -> Array:
        return np.log(mean) - np.log1p(-mean)

    def least(self, targets: Array) -> Array:
        if np.all((targets == 0) | (targets == 1)):
            return np.zeros(len(targets))
        both = xlogy(targets, targets) + xlogy(1 - targets, 1 - targets)
        least: Array = -np.sum(both, axis=1)
        return least

    def constant(self, targets: Array, dispersion: float = 1.0) -> Array:
        return np.zeros(len(targets))


@dataclass(frozen=True)
class Poisson:
    """The Poisson loss, for targets that are counts.

    Maths:   value = exp(s) - t * s;  delta = exp(s) - t;  prediction = exp(s)
    Source:  McCullagh & Nelder 1989, section 6.2

    >>> Poisson().delta(np.array([[0.0]]), np.array([[3.0]]))
    array([[-2.]])
    """

    name: str = "poisson"
    takes: str = "numbers of 0 or more"
    says: str = "log of {}"
    noise: str = "known"
    power: float | None = 1.0

    def accepts(self, targets: Array) -> Mask:
        return (targets >= 0) & np.isfinite(targets)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.sum(np.exp(scores) - targets * scores, axis=1)
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.exp(scores) - targets

    def slope(self, scores: Array, targets: Array | None = None) -> Array:
        return np.exp(scores)

    def parts(self, scores: Array, targets: Array) -> Parts:
        mean = np.exp(scores)
        value: Array = np.sum(mean - targets * scores, axis=1)
        return Parts(mean, value, mean - targets, mean)

    def mean(self, scores: Array) -> Array:
        return np.exp(scores)

    def score(self, mean: Array) -> Array:
        return np.log(mean)

    def least(self, targets: Array) -> Array:
        least: Array = np.sum(targets - xlogy(targets, targets), axis=1)
        return least

    def constant(self, targets: Array, dispersion: float = 1.0) -> Array:
        constant: Array = np.sum(gammaln(targets + 1), axis=1)
        return constant


@dataclass(frozen=True)
class Several:
    """A loss for each target, where they are not all the same, and how many `outputs` it has.

    Targets with several outputs are compared and predicted here, but learnt alone: curvature knows
    either single outputs or one target's.
    """

    losses: Sequence[Loss]
    outputs: Sequence[int]

    @property
    def _spans(self) -> list[slice]:
        ends = list(accumulate(self.outputs))
        return [slice(end - own, end) for end, own in zip(ends, self.outputs, strict=True)]

    @property
    def name(self) -> str:
        return ", ".join(loss.name for loss in self.losses)

    @property
    def takes(self) -> str:
        return "; ".join(loss.takes for loss in self.losses)

    @property
    def says(self) -> str:
        return self.losses[0].says

    @property
    def noise(self) -> str:
        return self.losses[0].noise

    @property
    def power(self) -> float | None:
        return self.losses[0].power

    def _each(self, ask: Callable[[Loss, Array], Array], whole: Array) -> list[Array]:
        return [
            ask(loss, whole[..., span]) for loss, span in zip(self.losses, self._spans, strict=True)
        ]

    def _both(self, ask: Callable[[Loss, Array, Array], Array], s: Array, t: Array) -> list[Array]:
        pairs = zip(self.losses, self._spans, strict=True)
        return [ask(loss, s[..., span], t[..., span]) for loss, span in pairs]

    def accepts(self, targets: Array) -> Mask:
        accepted = [
            loss.accepts(targets[..., span])
            for loss, span in zip(self.losses, self._spans, strict=True)
        ]
        return np.concatenate(accepted, axis=-1)

    def value(self, scores: Array, targets: Array) -> Array:
        value: Array = np.add.reduce(
            self._both(lambda loss, s, t: loss.value(s, t), scores, targets)
        )
        return value

    def delta(self, scores: Array, targets: Array) -> Array:
        return np.hstack(self._both(lambda loss, s, t: loss.delta(s, t), scores, targets))

    def slope(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            return np.hstack(self._each(lambda loss, s: loss.slope(s), scores))
        return np.hstack(self._both(lambda loss, s, t: loss.slope(s, t), scores, targets))

    def mean(self, scores: Array) -> Array:
        return np.concatenate(self._each(lambda loss, s: loss.mean(s), scores), axis=-1)

    def score(self, mean: Array) -> Array:
        return np.concatenate(self._each(lambda loss, m: loss.score(m), mean), axis=-1)

    def least(self, targets: Array) -> Array:
        least: Array = np.add.reduce(self._each(lambda loss, t: loss.least(t), targets))
        return least

    def constant(self, targets: Array, dispersion: float = 1.0) -> Array:
        constant: Array = np.add.reduce(
            self._each(lambda loss, t: loss.constant(t, dispersion), targets)
        )
        return constant


LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (Squared(), Logistic(), Poisson(), Gamma(), Tweedie(1.5), Huber(1.345))
}
"""Those with a slope everywhere, one of each kind."""

KINKED: Mapping[str, Loss] = {loss.name: loss for loss in (Quantile(0.5), Quantile(0.9))}
"""Those whose slope jumps where score and target meet: learnt rounded, ever less."""

COUPLED: Mapping[str, Loss] = {loss.name: loss for loss in (Softmax(),)}
"""Those of targets with several outputs, which sway each other."""

# A number as people write it: no sign, no underscores, no digits of other scripts.
SPELLED = re.compile(r"([a-z]+)(?:\( *([0-9]{0,20}\.?[0-9]{1,20}(?:e-?[0-9]{1,3})?) *\))?")


@dataclass(frozen=True)
class Kind:
    """Losses of one name that differ in a number: what it is, and which it may be."""

    of: Callable[[float], Loss]
    number: str
    low: float
    high: float
    usual: float | None
    example: str


KINDS: Mapping[str, Kind] = {
    "tweedie": Kind(Tweedie, "power", 1, 2, None, "tweedie(1.5)"),
    "huber": Kind(Huber, "threshold", 0, 100, 1.345, "huber(1.345)"),
    "quantile": Kind(Quantile, "share", 0, 1, None, "quantile(0.9)"),
}


def loss_named(text: str) -> Loss:
    """The loss that a text spells: a name, and for some kinds a number in brackets.

    Errors:  LearningError for anything else

    >>> loss_named("quantile(0.9)")
    Quantile(share=0.9, width=0.0, widest=0.0, noise='unknown')
    """
    plain = {
        name: loss for name, loss in {**LOSSES, **COUPLED, **KINKED}.items() if "(" not in name
    }
    if isinstance(text, str) and text in plain:
        return plain[text]
    spelled = SPELLED.fullmatch(text) if isinstance(text, str) else None
    kind = KINDS.get(spelled[1]) if spelled else None
    if spelled is None or kind is None:
        shown = repr(text if isinstance(text, str) else type(text).__name__)
        names = [*plain, *(kind.example for kind in KINDS.values())]
        raise LearningError(
            f"there is no loss {shown if len(shown) < 40 else shown[:36] + '...'}: "
            f"choose {', '.join(names[:-1])} or {names[-1]}"
        )
    number = float(spelled[2]) if spelled[2] else kind.usual
    if number is None:
        raise LearningError(f"{spelled[1]} loss needs its {kind.number}: write {kind.example}")
    if not kind.low < number < kind.high:
        raise LearningError(
            f"the {kind.number} of {text} must be above {kind.low} and below {kind.high}, "
            f"as in {kind.example}"
        )
    return kind.of(number)


def with_spread(loss: Loss, spread: float | None) -> Loss:
    """The loss as it was once its residuals' spread was found; others as they are."""
    return replace(loss, spread=spread) if isinstance(loss, Huber) and spread else loss


def together(losses: Sequence[Loss], outputs: Sequence[int] = ()) -> Loss:
    """The loss of all targets from that of each; each has one output unless `outputs` says so."""
    if len(losses) == 1:
        return losses[0]
    if all(loss == losses[0] for loss in losses) and losses[0].name not in COUPLED:
        return losses[0]
    return Several(tuple(losses), tuple(outputs or [1] * len(losses)))
