"""Help that teaches: options in groups, as wide as the terminal; other tools' names understood."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from deltarule.cli.application import application
from deltarule.cli.command import GROUPS, OTHER_NAMES
from deltarule.errors import LearningError
from deltarule.losses import registry as named

COMMANDS = typer.main.get_command(application()).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [60, 90, 200])
def test_help_fits_the_terminal_and_cuts_nothing(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = run(name, "--help").out
    long_words = [word for word in said.split() if len(word) > columns - 30]
    wide = [line for line in said.splitlines() if len(line) > min(columns, 100)]
    assert not [line for line in wide if not any(word in line for word in long_words)]
    assert "..." not in said.replace("MODEL...", "")  # as many as one likes
    assert not re.search(r"<(str|int|float|list)", said)


def test_the_options_of_learn_are_in_groups(run: Callable[..., Any]) -> None:
    said = run("learn", "--help").out
    places = [said.index(f"\n{group}:\n") for group in ("Arguments", *GROUPS)]
    assert places == sorted(places)
    grouped = {name for names in GROUPS.values() for name in names}
    options = {p.name for p in COMMANDS["learn"].params if p.param_type_name == "option"}
    assert options <= grouped
    assert "linear, logistic" in run("--help").out.lower()


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (("learn", "t.csv", "--target", "y"), "--predict"),
        (("learn", "t.csv", "--features=a,b", "--predict", "y"), "--using"),
        (("learn", "t.csv", "--predict", "y", "--learning-rate", "1"), "--alpha"),
        (("learn", "t.csv", "--predict", "y", "--cv", "5"), "--folds"),
        (("predict", "m.json", "t.csv", "--output", "p.csv"), "--out"),
        (("alpha", "t.csv", "--label", "y"), "--predict"),
    ],
)
def test_another_tools_name_of_an_option_gets_ours(
    run: Callable[..., Any], words: tuple[str, ...], ours: str
) -> None:
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert f"did you mean {ours}?" in ran.err


def test_an_option_of_our_own_is_never_taken_for_another(run: Callable[..., Any]) -> None:
    own = {name for one in COMMANDS.values() for p in one.params for name in p.opts}
    assert not own & set(OTHER_NAMES)
    assert set(OTHER_NAMES.values()) <= own


@pytest.mark.parametrize(
    ("text", "ours"),
    [("mse", "squared"), ("MAE", "absolute"), ("log-loss", "logistic"), ("binomial", "logistic")],
)
def test_another_tools_name_of_a_loss_gets_ours(text: str, ours: str) -> None:
    with pytest.raises(LearningError, match=f"did you mean {ours}"):
        named.loss_named(text)


def test_each_loss_that_is_suggested_is_one() -> None:
    for ours in named.OTHER_NAMES.values():
        assert named.loss_named(ours)
    assert not set(named.OTHER_NAMES) & {*named.LOSSES, *named.COUPLED, *named.PARAMETRIZED}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    asked = {
        "_DELTARULE_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "deltarule le",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "deltarule le",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "deltarule"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "learn" in done.stdout
    assert "predict" not in done.stdout.split("learn")[0]


def test_results_are_folded_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from deltarule.views import format as formats

    assert formats.screen_width() == formats.WIDTH  # a pipe gets the same everywhere
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert formats.screen_width() == 60
    monkeypatch.setenv("COLUMNS", "300")
    assert formats.screen_width() == formats.WIDTH
