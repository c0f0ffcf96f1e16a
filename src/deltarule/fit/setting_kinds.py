"""The kinds of settings: what is of another kind is refused, and lists of any kind become tuples.

Other checks may so take a value's kind as given.
"""

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from deltarule.argument_values import listed, switch, told
from deltarule.errors import LearningError
from deltarule.fit.setting_values import WORDS

COLUMN = "give a column's name"
COLUMNS = "give a column's name, or a list of them"
LISTS: Mapping[str, str] = {
    "predict": COLUMNS,
    "using": COLUMNS,
    "without": COLUMNS,
    "positive": COLUMNS,
    "loss": "give a loss's name, or a list of them",
    "missing_words": WORDS,
    "dates": "give a part of dates, such as 'month', or a list of them",
    "freeze": "give a weight's name, a list of them, or values by name as {'budget': 0.5}",
}
"""Texts or lists of texts."""

TEXTS: Mapping[str, str] = {
    **dict.fromkeys(("weight", "offset", "exposure", "id", "group", "time", "cluster"), COLUMN),
    "where": "give a condition as text, such as 'year > 2000'",
    **dict.fromkeys(("missing", "errors", "learner", "engine"), "give a name as text"),
}
BY_COLUMN: Mapping[str, str] = {
    "between": "give ranges by column, as {'budget': (0, 3)}",
    "reference": "give levels by column, as {'genre': 'Drama'}",
}
SWITCHES = ("intercept", "shuffle", "keep_summary")
FUNCTIONS = ("progress", "on_step")

NONE_TOO = ("using", "dates", *TEXTS, *BY_COLUMN, *FUNCTIONS)
"""Those that are None where nothing is said; `missing` and `errors` are refused by their names."""


def alike(settings: Mapping[str, object]) -> dict[str, Any]:
    """The settings that are kept in another form than they were given in.

    Errors:  LearningError for a value of another kind than its setting's
    """
    kept: dict[str, Any] = {}
    for name in LISTS:
        kept[name] = check_texts(name, settings[name])
    for name, wanted in TEXTS.items():
        _check(name, settings[name], wanted, lambda value: isinstance(value, str))
        if wanted is COLUMN and settings[name] == "":
            raise LearningError(f"{name} is empty: give a column's name, or leave it out")
    for name, wanted in BY_COLUMN.items():
        _check(name, settings[name], wanted, lambda value: isinstance(value, Mapping))
    for name in FUNCTIONS:
        check_function(name, settings[name])
    for name in SWITCHES:
        kept[name] = switch(name, settings[name])
    for name in ("ridge", "lasso", "start", "batch"):
        _check(name, settings[name], "it must be a number", _number_or_more)
    for name, value in settings.items():
        if type(value) is not bool and isinstance(value, Real) and name not in kept:
            kept[name] = _plain(value)
    kept["trace_rows"] = listed(settings["trace_rows"])
    if kept["trace_rows"] is None:
        raise _unfit("trace_rows", settings["trace_rows"], "give a list of the rows' numbers")
    return kept


def check_texts(name: str, value: object) -> Any:
    """A text, a mapping or a tuple of texts; what can be read but once is read here.

    Errors:  LearningError for anything else
    """
    if isinstance(value, str) or (name == "freeze" and isinstance(value, Mapping)):
        return value
    if value is None and name in NONE_TOO:
        return None
    every = listed(value)
    if every is None:
        raise _unfit(name, value, LISTS[name])
    if wrong := [one for one in every if not isinstance(one, str)]:
        raise LearningError(f"{name} has {told(wrong[0])}: {LISTS[name]}")
    return every


def check_function(name: str, value: object) -> None:
    """Refuse what is no function, and not None.

    Errors:  LearningError
    """
    _check(name, value, "give a function", callable)


def _plain(value: Real) -> object:
    """A number of Python's own: of numpy's, small integers overflow and no file takes them."""
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return value


def _number_or_more(value: object) -> bool:
    """Whether it is a number, or a text or mapping, which have checks of their own."""
    return isinstance(value, Real | str | Mapping)


def _check(name: str, value: object, wanted: str, fits: Callable[[object], bool]) -> None:
    if not (value is None and name in NONE_TOO) and not fits(value):
        raise _unfit(name, value, wanted)


def _unfit(name: str, value: object, wanted: str) -> LearningError:
    return LearningError(f"{name} is {told(value)}: {wanted}")
