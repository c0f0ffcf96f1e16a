"""Settings as options: a command names those that it takes, and gets what was given, parsed.

Names, texts and defaults are those of `fit.settings.Settings`. This module adds how a value is
written on a command line. An option that is not given leaves its setting to its default.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from deltarule.cli.arguments import (
    batch_of,
    name_and_value,
    names,
    pair,
    range_of,
    start_of,
    strength_of,
)
from deltarule.dataclass import dataclass
from deltarule.setting_texts import setting_texts

Names = list[str]
GivenSettings = dict[str, Any]
"""The settings that were given, by name, parsed."""


@dataclass(frozen=True)
class SettingOption:
    """How a setting is written on the command line."""

    metavar: str | None
    kind: type = str
    """What typer reads: list[str] where the option may be repeated."""
    parse: Callable[[Any], Any] = lambda value: value
    written: str = ""
    """A sentence with an example, where the metavar does not say enough."""
    no: str | None = None
    """The option that switches it off."""


def _references(options: Names) -> dict[str, str]:
    return dict(pair(one, "--reference", "COLUMN=LEVEL") for one in names(options))


def _ranges(options: Names) -> dict[str, tuple[float | None, float | None]]:
    return dict(range_of(one, "--between") for one in names(options))


def _frozen(options: Names) -> dict[str, float | None]:
    return dict(name_and_value(one) for one in names(options))


COLUMNS = SettingOption("COLUMNS", Names, names)
COLUMN = SettingOption("COLUMN")
ROWS = SettingOption("ROWS", float)
STRENGTH = "auto|NUMBER|NAME=NUMBER"
WHOLE = SettingOption("NUMBER", int)
NUMBER = SettingOption("NUMBER", float)
NAME = SettingOption("NAME")

OPTIONS: Mapping[str, SettingOption] = {
    "predict": COLUMNS,
    "using": COLUMNS,
    "without": COLUMNS,
    "where": SettingOption("CONDITION"),
    "loss": SettingOption("NAME", Names, names),
    "ridge": SettingOption(STRENGTH, Names, lambda given: strength_of(given, "--ridge")),
    "lasso": SettingOption(STRENGTH, Names, lambda given: strength_of(given, "--lasso")),
    "positive": SettingOption("NAMES", Names, names),
    "between": SettingOption(
        "NAME=LOW:HIGH", Names, _ranges, written="Written as budget=0:3, budget=1: or budget=:3."
    ),
    "intercept": SettingOption(None, bool, no="--no-intercept"),
    "missing": SettingOption("fill|drop"),
    "missing_words": SettingOption("WORDS", Names, names, written="Written as TBD,-999."),
    "weight": COLUMN,
    "half_life": ROWS,
    "window": SettingOption("ROWS", int),
    "offset": COLUMN,
    "exposure": COLUMN,
    "errors": SettingOption("KIND"),
    "cluster": COLUMN,
    "folds": WHOLE,
    "id": COLUMN,
    "group": COLUMN,
    "time": COLUMN,
    "hold_out": SettingOption("FILE"),
    "reference": SettingOption("COLUMN=LEVEL", Names, _references),
    "dates": SettingOption("PARTS", Names, names),
    "levels": WHOLE,
    "learner": NAME,
    "alpha": NUMBER,
    "start": SettingOption("NUMBER|NAME=NUMBER", parse=start_of),
    "steps": WHOLE,
    "batch": SettingOption("all|NUMBER", parse=batch_of),
    "epochs": WHOLE,
    "shuffle": SettingOption(None, bool, no="--in-order"),
    "seed": WHOLE,
    "tolerance": NUMBER,
    "keep_sample": SettingOption(
        "ROWS", int, written="Written beside the model, or to --keep-summary."
    ),
    "engine": NAME,
    "query_timeout": SettingOption("SECONDS", float),
    "freeze": SettingOption("NAME[=NUMBER]", Names, _frozen),
}
"""The settings that commands take; the others are set by what a command does."""


def option_name(setting: str) -> str:
    """The option that gives a setting."""
    return f"--{setting.replace('_', '-')}"


def option_text(setting: str) -> str:
    """A setting's text as its option's help: other settings are named as options."""
    text = setting_texts()[setting].partition(" In Python: ")[0]
    named = re.sub(r"`(\w+)`", lambda found: option_name(found[1]), text)
    return f"{named} {OPTIONS[setting].written}".rstrip()


def takes(*settings: str, required: str = "") -> Callable[[Callable[..., None]], Any]:
    """Decorator: gives a command these settings as options, after its first parameter.

    The command gets as `given` the settings that were given, by name, parsed.
    """

    def of(command: Callable[..., None]) -> Callable[..., None]:
        def run(**typed: Any) -> None:
            values = {name: typed.pop(name) for name in settings}
            given = {
                name: OPTIONS[name].parse(value)
                for name, value in values.items()
                if value is not None and value != []
            }
            command(**typed, given=given)

        own = inspect.signature(command)
        first, *rest = [one for name, one in own.parameters.items() if name != "given"]
        options = [_parameter(name, required=name == required) for name in settings]
        run.__signature__ = own.replace(parameters=[first, *options, *rest])  # type: ignore[attr-defined]  # typer reads it
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__module__ = command.__module__
        return run

    return of


def _parameter(setting: str, *, required: bool) -> inspect.Parameter:
    option = OPTIONS[setting]
    name = option_name(setting)
    shown = name if option.no is None else f"{name}/{option.no}"
    option_of = typer.Option(
        shown, metavar=option.metavar, help=option_text(setting), show_default=False
    )
    kind: Any = option.kind if required else option.kind | None
    return inspect.Parameter(
        setting,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind, option_of],
    )
