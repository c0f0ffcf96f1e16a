"""Settings as keywords: functions of a table that take each setting by its name, with its help."""

import inspect
import re
from collections.abc import Callable
from functools import cache, update_wrapper
from pathlib import Path
from textwrap import fill
from typing import Any, Concatenate, ParamSpec, TypeVar

from deltarule.errors import LearningError
from deltarule.fit import settings
from deltarule.fit.finite import finite_results
from deltarule.fit.other_names import misnamed
from deltarule.fit.settings import Settings

Given = ParamSpec("Given")
Result = TypeVar("Result")
NOTHING = object()
# A setting, its type and default, which may go on over further lines, and the text below.
TEXT = re.compile(
    r'^    (?P<name>[a-z_]+): [^\n]*\n(?:    [ \])}][^\n]*\n)*    """(?P<text>.*?)"""', re.M | re.S
)


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


@cache
def setting_texts() -> dict[str, str]:
    """Each setting's text: the string that stands below it in `Settings`."""
    # Parsing the file as Python took 60 ms of every command.
    body = Path(settings.__file__).read_text(encoding="utf-8").partition("\nclass Settings")[2]
    return {
        found["name"]: " ".join(found["text"].split())
        for found in TEXT.finditer(body.partition("\n    def ")[0])
    }


def settings_told() -> str:
    """Every setting with its text, as help lists them."""
    return "\n".join(
        fill(f"{name}: {text}", 96, initial_indent="  ", subsequent_indent="      ")
        for name, text in setting_texts().items()
    )
