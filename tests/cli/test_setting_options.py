"""Options of the command line that are settings: one list, one text, one default."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import typer

import deltarule as dr
from deltarule.cli.application import application
from deltarule.cli.setting_options import OPTIONS, option_name, option_text
from deltarule.losses.registry import LOSSES
from deltarule.setting_texts import setting_texts
from deltarule.solvers.learners import LEARNERS

COMMANDS = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
# Options of learn that are more than their setting: files, or what else shows rows.
ITS_OWN = {"trace_rows", "keep_summary", "progress", "on_step"}


def test_every_setting_is_an_option() -> None:
    assert {one.name for one in fields(dr.Settings)} - ITS_OWN == set(OPTIONS)


@pytest.mark.parametrize("command", ["learn", "path", "columns"])
def test_commands_have_the_text_of_their_settings(command: str) -> None:
    shown = {one.name: one for one in COMMANDS[command].params if one.name in OPTIONS}
    assert shown
    for name, option in shown.items():
        assert option.help == option_text(name)
        assert option.opts == [option_name(name)]


def test_a_text_tells_its_default() -> None:
    for one in fields(dr.Settings):
        if isinstance(one.default, int | float | str) and not isinstance(one.default, bool):
            found = re.search(r"Default: ([^ ;]+?)[.,]?(?: |$)", setting_texts()[one.name])
            assert found, one.name
            told = found[1].replace(",", "")
            assert told == one.default or float(told) == one.default, one.name


def test_texts_tell_each_learner_and_loss() -> None:
    for name in ("exact", *LEARNERS):
        assert re.search(rf"\b{name}\b", setting_texts()["learner"])
    for name in LOSSES:
        assert name.partition("(")[0] in setting_texts()["loss"]


def test_what_python_alone_takes_is_not_told_on_the_command_line() -> None:
    assert "In Python" in setting_texts()["between"]
    assert not [name for name in OPTIONS if "Python" in option_text(name)]
    assert not [name for name in OPTIONS if "`" in option_text(name)]


def test_what_is_not_given_is_left_to_the_settings(run: Callable[..., Any], tmp_path: Any) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n" + "".join(f"{i},{2 * i + i % 3}\n" for i in range(40)))
    bare = run("learn", str(rows), "--predict", "y", "--json").out
    told = run(
        *("learn", str(rows), "--predict", "y", "--json", "--ridge", "auto", "--missing", "fill"),
        *("--intercept", "--folds", "5", "--start", "0", "--batch", "all", "--seed", "0"),
    ).out
    assert bare == told
