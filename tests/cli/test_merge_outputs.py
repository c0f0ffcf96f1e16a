"""merge never replaces what it reads: models, their sums, by whatever path."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

FILES = ("a.json", "a.sums", "b.json", "b.sums")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draws = np.random.default_rng(1)
    for name in ("a", "b"):
        x = draws.normal(size=50)
        table = pl.DataFrame({"x": x, "y": 2 * x + draws.normal(size=50)})
        model = dr.learn(table, predict="y", keep_summary=True)
        model.save(tmp_path / f"{name}.json", summary=tmp_path / f"{name}.sums")
    (tmp_path / "link.sums").symlink_to("a.sums")
    os.link(tmp_path / "a.sums", tmp_path / "hard.sums")
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "a.sums"],
        ["-o", "b.sums"],
        ["-o", "a.json"],
        ["-o", "link.sums"],
        ["-o", "hard.sums"],
        ["-o", "../{here}/a.sums"],
        ["-o", "c.json", "--keep-summary", "a.sums"],
        ["-o", "c.json", "--keep-summary", "b.json"],
    ],
)
@pytest.mark.parametrize("of", [("a.json", "b.json"), ("a.sums", "b.sums"), ("a.json", "b.sums")])
def test_what_is_read_is_not_replaced(
    folder: Path, of: tuple[str, str], options: list[str], run: Callable[..., Any]
) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}
    paths = [
        one if one.startswith("-") else folder / one.format(here=folder.name) for one in options
    ]
    outcome = run("merge", *(folder / one for one in of), *paths)
    read = {*of, *(one.replace(".json", ".sums") for one in of)}
    if Path(paths[-1]).resolve().name.replace("hard", "a") in read:
        assert "would replace a file that is read" in outcome.refused()
    for name in read:
        assert (folder / name).read_bytes() == before[name]


def test_other_places_are_written(folder: Path, run: Callable[..., Any]) -> None:
    both = folder / "a.json", folder / "b.json"
    made = folder / "c.json"
    assert run("merge", *both, "-o", made, "--keep-summary", folder / "c.sums").code == 0
    assert dr.load(made).record.rows == 100
