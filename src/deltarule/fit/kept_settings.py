"""Kept settings: those that a model is learnt again with, in the file of its sums or rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import FiniteFloat, ValidationError

from deltarule.errors import LearningError, NotAModelError
from deltarule.fit.setting_values import Names, names_in
from deltarule.fit.settings import Settings
from deltarule.tables.part import Part

SQUARED = "squared"
Strength = FiniteFloat | Literal["auto"]
# Settings of one table alone, with the value that others do not mind.
NEEDS_ALL: Mapping[str, Any] = {
    "half_life": None,
    "window": None,
    "hold_out": None,
    "alpha": None,
    "batch": "all",
    "trace_rows": (),
    "freeze": (),
    "start": 0.0,
}
# Settings that need more of rows than their sums.
NEEDS_ROWS: Mapping[str, Any] = {"time": None, "errors": "classical", **NEEDS_ALL}


class KeptSettings(Part):
    """The settings that a model is learnt again with."""

    predict: tuple[str, ...]
    using: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    where: str | None = None
    ridge: tuple[tuple[str | None, Strength], ...]
    lasso: tuple[tuple[str | None, Strength], ...]
    positive: tuple[str, ...] = ()
    between: tuple[tuple[str, FiniteFloat | None, FiniteFloat | None], ...] = ()
    intercept: bool = True
    missing: str = "fill"
    missing_words: tuple[str, ...] = ()
    weight: str | None = None
    offset: str | None = None
    folds: int | None = None
    id: str | None = None
    group: str | None = None
    reference: dict[str, str] | None = None
    dates: tuple[str, ...] | None = None
    levels: int | None = None
    loss: tuple[str, ...] = (SQUARED,)
    exposure: str | None = None
    errors: str = "classical"
    cluster: str | None = None
    time: str | None = None
    learner: str | None = None
    steps: int | None = None
    tolerance: FiniteFloat = Settings.tolerance

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The settings that are kept with sums.

        Errors:  LearningError for one that needs rows
        """
        if name := _set(settings, NEEDS_ROWS):
            other = (
                "; or --keep-sample in its place, with which learn --into takes the old rows too"
                if name == "time"
                else ""
            )
            raise LearningError(
                f"a summary is kept of weights that sums of rows give, and {name} needs the "
                f"rows: leave it or the summary out{other}"
            )
        if not settings.exact:
            raise LearningError(
                "a summary is kept of weights that are solved exactly, not learnt in steps: leave "
                "learner or the summary out"
            )
        return cls._of(settings)

    @classmethod
    def of_rows(cls, settings: Settings) -> Self:
        """The settings that are kept with rows.

        Errors:  LearningError for one that a model of more rows cannot have
        """
        if name := _set(settings, NEEDS_ALL):
            raise LearningError(
                f"rows are kept to learn with others later, which {name} cannot be: leave it or "
                "keep_sample out"
            )
        own = ("exposure", "errors", "cluster", "time", "learner")
        return cls._of(
            settings,
            loss=tuple(names_in(settings.loss)),
            tolerance=float(settings.tolerance),
            steps=None if settings.steps is None else int(settings.steps),
            **{name: getattr(settings, name) for name in own},
        )

    @classmethod
    def _of(cls, settings: Settings, **more: Any) -> Self:
        def strengths(name: str) -> tuple[tuple[str | None, Strength], ...]:
            return (*settings.strengths(name).items(), (None, settings.rest(name)))

        def listed(given: Names | None) -> tuple[str, ...] | None:
            return None if given is None else tuple(names_in(given))

        plain = ("where", "missing", "weight", "offset", "id", "group")
        return cls(
            predict=tuple(settings.targets),
            using=listed(settings.using),
            without=tuple(names_in(settings.without)),
            ridge=strengths("ridge"),
            lasso=strengths("lasso"),
            positive=tuple(names_in(settings.positive)),
            between=tuple((name, *ends) for name, ends in settings.ranges.items()),
            missing_words=tuple(settings.request.missing_words),
            reference=None if settings.reference is None else dict(settings.reference),
            dates=listed(settings.dates),
            levels=settings.request.levels,
            folds=None if settings.folds is None else settings.request.folds,
            intercept=bool(settings.intercept),
            **{name: getattr(settings, name) for name in plain},
            **more,
        )

    @property
    def settings(self) -> Settings:
        """The settings of learning again: rows are chosen before.

        Errors:  LearningError
        """
        given = self.model_dump(exclude={"where", "ridge", "lasso", "between"})
        return Settings(
            **given,
            ridge=dict(self.ridge),
            lasso=dict(self.lasso),
            between={name: (low, high) for name, low, high in self.between},
        )

    def check(self, other: "KeptSettings", names: tuple[str, str]) -> None:
        """Errors: LearningError, naming the setting that is not the same."""
        for name in type(self).model_fields:
            mine, yours = getattr(self, name), getattr(other, name)
            if mine != yours:
                raise LearningError(
                    f"{names[0]} and {names[1]} were learnt with different settings: {name} is "
                    f"{_said(mine)} in one, {_said(yours)} in the other"
                )


def settings_in(raw: object, path: str | Path) -> KeptSettings:
    """The settings in a file, as JSON has them.

    Errors:  NotAModelError
    """
    try:
        kept = KeptSettings.model_validate_json(json.dumps(raw))
        kept.settings  # noqa: B018 - refuses what cannot be learnt with
    except (ValidationError, LearningError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise NotAModelError(f"{path} is damaged: its settings ({first})") from None
    return kept


def _set(settings: Settings, plain: Mapping[str, Any]) -> str | None:
    """The first setting that is not as these are."""
    for name, usual in plain.items():
        given = getattr(settings, name)
        if given is usual or (isinstance(given, dict | list) and not given):
            continue
        # A table has no truth of its own: only what is of the usual value's type is compared.
        if type(given) is not type(usual) or given != usual:
            return name
    return None


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_said, value)) or "none"
    return "none" if value is None else str(value)
