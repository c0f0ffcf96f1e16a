"""Settings as keywords: functions of a table that take each setting by its name, with its help."""

import inspect
from collections.abc import Callable
from functools import update_wrapper
from textwrap import fill
from typing import Any, Concatenate, ParamSpec, TypeVar

from deltarule.errors import LearningError
from deltarule.fit.finite import finite_results
from deltarule.fit.other_names import misnamed
from deltarule.fit.settings import Settings
from deltarule.setting_texts import setting_texts

Given = ParamSpec("Given")
Result = TypeVar("Result")
NOTHING = object()


def taking_settings(
    made_of: Callable[Given, Settings],
) -> Callable[[Callable[[Any, Settings], Result]], Callable[Concatenate[Any, Given], Result]]:
    """Decorator: turns a function of a table and Settings into one of a table and keywords.

    So the settings and their defaults are listed once, whatever takes them.
    """
    every = inspect.signature(made_of)

    def named(work: Callable[[Any, Settings], Result]) -> Callable[Concatenate[Any, Given], Result]:
        def of(table: Any = NOTHING, /, *more: Given.args, **given: Given.kwargs) -> Result:
            if table is NOTHING:
                raise LearningError("give the table first, then settings by name")
            try:
                every.bind(*more, **given)
            except TypeError:
                raise misnamed(more, given, every.parameters) from None
            with finite_results("the table"):
                return work(table, made_of(*more, **given))

        update_wrapper(of, work)
        of.__doc__ = f"{inspect.cleandoc(work.__doc__ or '')}\n\nSettings:\n{settings_told()}"
        own = inspect.signature(work)
        first = inspect.Parameter("table", inspect.Parameter.POSITIONAL_ONLY, annotation=Any)
        parameters = [first, *every.parameters.values()]
        of.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by inspect
        return of

    return named


def settings_told() -> str:
    """Every setting with its text, as help lists them."""
    return "\n".join(
        fill(f"{name}: {text}", 96, initial_indent="  ", subsequent_indent="      ")
        for name, text in setting_texts().items()
    )
