"""A command whose help lists its options in groups, and that knows other tools' names for them."""

import shutil
from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

from deltarule.errors import LearningError

WIDEST_HELP = 100

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Data": (
        *("predict", "using", "without", "where", "weight", "half_life", "window"),
        *("offset", "exposure", "id"),
        *("missing", "missing_words", "dates", "levels", "reference"),
        *("read", "db_table", "query", "engine", "query_timeout", "show_sql"),
    ),
    "Model": ("loss", "intercept", "errors", "cluster"),
    "Penalties": ("ridge", "lasso", "positive", "between"),
    "Held-out rows": ("folds", "group", "time", "hold_out"),
    "Steps": (
        *("learner", "alpha", "start", "steps", "batch", "epochs", "shuffle", "seed"),
        *("tolerance", "freeze"),
    ),
    "More rows later": (
        *("keep_summary", "for_exchange", "min_level_rows", "keep_sample", "into", "old"),
        *("summary", "again"),
    ),
    "Output": (
        *("save", "report", "out", "to_table", "to_view"),
        *("trace", "trace_rows", "words", "live"),
        *("rows", "row", "explain", "interval", "flags", "knots", "as_json"),
    ),
}
"""The parameters of commands by what they are about, in the order that help lists them."""

OTHER_NAMES: Mapping[str, str] = {
    "--output": "--out",
    **dict.fromkeys(("--model", "--export"), "--save"),
}
"""What other tools call an option that is no setting, beside ours."""


def _as_setting(option: str) -> str | None:
    """Our option for the setting that other tools call so."""
    from deltarule.fit.other_names import OTHER_NAMES as SETTINGS

    ours = SETTINGS.get(option.removeprefix("--").replace("-", "_"))
    return ours and f"--{ours.replace('_', '-')}"


def help_width() -> int:
    """As wide as the terminal, within reason."""
    return min(WIDEST_HELP, shutil.get_terminal_size((80, 24)).columns) - 2


class CommandGroup(TyperGroup):
    """The commands, each with the whole first line of its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, as wide as the terminal."""
        formatter.width = help_width()
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each command; longer ones are folded, not cut."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, (command.help or "").partition("\n")[0])
                    for name, command in self.commands.items()
                ]
            )


class GroupedCommand(TyperCommand):
    """A command with its options in groups, as wide as the terminal."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Errors:  LearningError for another tool's name of an option, with ours
        """
        own = {name for one in self.params for name in (*one.opts, *one.secondary_opts)}
        for argument in args:
            if argument == "--":
                break
            name = argument.partition("=")[0]
            if name in own or not name.startswith("-"):
                continue
            ours = OTHER_NAMES.get(name) or _as_setting(name)
            if ours in own:
                raise LearningError(f"there is no option {name}: did you mean {ours}?")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, as wide as the terminal."""
        formatter.width = help_width()
        super().format_help(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Give what stands after the command's name in its usage."""
        required = [
            f"{one.opts[0]} {one.metavar}"
            for one in self.params
            if one.param_type_name == "option" and one.required
        ]
        return [*self._positional(), *required, "[OPTIONS]"]

    def _positional(self) -> list[str]:
        return [str(one.metavar) for one in self.params if one.param_type_name == "argument"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options of each group under its heading; small commands have one group."""
        group_of = {name: group for group, names in GROUPS.items() for name in names}
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                records.setdefault("Arguments", []).append((str(parameter.metavar), record[1]))
            else:
                group = group_of.get(str(parameter.name), "Other")
                records.setdefault(group, []).append(record)
        if len(self.params) <= 12:
            arguments = records.pop("Arguments", [])
            merged = [record for group in records.values() for record in group]
            records = {"Arguments": arguments, "Options": merged}
        for group in ("Arguments", *GROUPS, "Options", "Other"):
            if records.get(group):
                with formatter.section(group):
                    formatter.write_dl(records[group])
