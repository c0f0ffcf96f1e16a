"""Registry of losses by name, and the loss of several targets at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.losses.glm import Logistic, Poisson, Squared
from deltarule.losses.loss import Kind, Link, LinkName, Loss
from deltarule.losses.positive import Gamma, Tweedie
from deltarule.losses.robust import Huber, Quantile
from deltarule.losses.softmax import Softmax
from deltarule.rule.compare import separately
from deltarule.rule.predict import Array, Mask


@dataclass(frozen=True)
class SeveralLinks:
    """The links of several targets, each for its span of the outputs."""

    links: Sequence[Link]
    spans: Sequence[slice]

    @property
    def name(self) -> LinkName:
        return self.links[0].name

    @property
    def additive(self) -> bool:
        return all(link.additive for link in self.links)

    @property
    def multiplicative(self) -> bool:
        return all(link.multiplicative for link in self.links)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.links[0].bounds

    def __call__(self, mean: Array) -> Array:
        pairs = zip(self.links, self.spans, strict=True)
        return np.concatenate([link(mean[..., span]) for link, span in pairs], axis=-1)

    def inverse(self, scores: Array) -> Array:
        """The predictions of these scores."""
        pairs = zip(self.links, self.spans, strict=True)
        return np.concatenate([link.inverse(scores[..., span]) for link, span in pairs], axis=-1)


@dataclass(frozen=True)
class Several:
    """A composite loss: one for each target, and how many `outputs` each has.

    Targets with several outputs are compared and predicted here, but fitted separately: a Hessian
    is of single outputs or of one coupled target.
    """

    losses: Sequence[Loss]
    outputs: Sequence[int]
    parts = separately

    @property
    def _spans(self) -> list[slice]:
        ends = list(accumulate(self.outputs))
        return [slice(end - own, end) for end, own in zip(ends, self.outputs, strict=True)]

    @property
    def name(self) -> str:
        return ", ".join(loss.name for loss in self.losses)

    @property
    def kind(self) -> Kind:
        return self.losses[0].kind

    @property
    def link(self) -> Link:
        return SeveralLinks([loss.link for loss in self.losses], self._spans)

    @property
    def closed_form(self) -> bool:
        return all(loss.closed_form for loss in self.losses)

    @property
    def error_name(self) -> str:
        names = {loss.error_name for loss in self.losses}
        return names.pop() if len(names) == 1 else "loss"

    @property
    def error_scale(self) -> float:
        """That of all of them, where they have one error; else errors are their values."""
        return self.losses[0].error_scale if self.error_name != "loss" else 1.0

    @property
    def guess(self) -> str:
        return self.losses[0].guess

    @property
    def takes(self) -> str:
        return "; ".join(loss.takes for loss in self.losses)

    @property
    def says(self) -> str:
        return self.losses[0].says

    @property
    def dispersion(self) -> str:
        return self.losses[0].dispersion

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

    def hessian(self, scores: Array, targets: Array | None = None) -> Array:
        if targets is None:
            blocks = self._each(lambda loss, s: loss.hessian(s), scores)
        else:
            blocks = self._both(lambda loss, s, t: loss.hessian(s, t), scores, targets)
        if all(block.ndim == 2 for block in blocks):
            return np.hstack(blocks)
        # Outputs of one loss may be coupled: then a matrix for each row, zero between losses.
        rows, outputs = scores.shape
        whole = np.zeros((rows, outputs, outputs))
        for span, block in zip(self._spans, blocks, strict=True):
            matrix = block if block.ndim == 3 else block[:, :, None] * np.eye(block.shape[1])
            whole[:, span, span] = matrix
        return whole

    def saturated(self, targets: Array) -> Array:
        least: Array = np.add.reduce(self._each(lambda loss, t: loss.saturated(t), targets))
        return least

    def log_normalizer(self, targets: Array, dispersion: float = 1.0) -> Array:
        constant: Array = np.add.reduce(
            self._each(lambda loss, t: loss.log_normalizer(t, dispersion), targets)
        )
        return constant


LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (Squared(), Logistic(), Poisson(), Gamma(), Tweedie(1.5), Huber(1.345))
}
"""The differentiable losses, one of each kind."""

KINKED: Mapping[str, Loss] = {loss.name: loss for loss in (Quantile(0.5), Quantile(0.9))}
"""The losses with a kink where score and target meet: fitted by smoothing, ever less of it."""

COUPLED: Mapping[str, Loss] = {loss.name: loss for loss in (Softmax(),)}
"""The losses of targets with several coupled outputs."""

# A plain decimal number: no sign, no underscores, no digits of other scripts.
SPELLED = re.compile(r"([a-z]+)(?:\( *([0-9]{0,20}\.?[0-9]{1,20}(?:e-?[0-9]{1,3})?) *\))?")


@dataclass(frozen=True)
class Parametrized:
    """A parametrized loss: its parameter, and the range of that."""

    of: Callable[[float], Loss]
    number: str
    low: float
    high: float
    usual: float | None
    example: str


PARAMETRIZED: Mapping[str, Parametrized] = {
    "tweedie": Parametrized(Tweedie, "power", 1, 2, None, "tweedie(1.5)"),
    "huber": Parametrized(Huber, "threshold", 0, 100, 1.345, "huber(1.345)"),
    "quantile": Parametrized(Quantile, "share", 0, 1, None, "quantile(0.9)"),
}


OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("mse", "rmse", "l2", "ols", "linear", "gaussian", "normal"), "squared"),
    **dict.fromkeys(("mae", "l1", "median", "lad"), "absolute"),
    **dict.fromkeys(("log", "logit", "log_loss", "logloss", "binary", "binomial"), "logistic"),
    **dict.fromkeys(("cross_entropy", "crossentropy", "binary_crossentropy"), "logistic"),
    **dict.fromkeys(("multinomial", "categorical", "categorical_crossentropy"), "softmax"),
    **dict.fromkeys(("count", "counts"), "poisson"),
    **dict.fromkeys(("pinball",), "quantile(0.9)"),
}
"""Aliases: names of losses in other libraries."""


def loss_named(text: str) -> Loss:
    """The loss of a name such as "squared", with a parameter in brackets for some kinds.

    Errors:  LearningError for anything else

    >>> loss_named("quantile(0.9)")
    Quantile(share=0.9, width=0.0, widest=0.0)
    """
    plain = {
        name: loss for name, loss in {**LOSSES, **COUPLED, **KINKED}.items() if "(" not in name
    }
    if isinstance(text, str) and text in plain:
        return plain[text]
    spelled = SPELLED.fullmatch(text) if isinstance(text, str) else None
    kind = PARAMETRIZED.get(spelled[1]) if spelled else None
    if spelled is None or kind is None:
        shown = repr(text if isinstance(text, str) else type(text).__name__)
        names = [*plain, *(kind.example for kind in PARAMETRIZED.values())]
        ours = OTHER_NAMES.get(str(text).lower().replace("-", "_").replace(" ", "_"))
        hint = f"did you mean {ours}? " if ours else ""
        raise LearningError(
            f"there is no loss {shown if len(shown) < 40 else shown[:36] + '...'}: "
            f"{hint}choose {', '.join(names[:-1])} or {names[-1]}"
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
    """A Huber loss with this estimated residual spread; other losses unchanged."""
    return replace(loss, spread=spread) if isinstance(loss, Huber) and spread else loss


def together(losses: Sequence[Loss], outputs: Sequence[int] = ()) -> Loss:
    """The composite loss of all targets; each has one output unless `outputs` says otherwise."""
    if len(losses) == 1:
        return losses[0]
    if all(loss == losses[0] for loss in losses) and losses[0].kind != "classes":
        return losses[0]
    return Several(tuple(losses), tuple(outputs or [1] * len(losses)))
