"""The command line where it shows: explain and report, in text, JSON and web pages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr

FILMS = Path(dr.__file__).parent / "data" / "movies.csv"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with movies.csv and a model of it, model.json."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "movies.csv").write_bytes(FILMS.read_bytes())
    dr.learn(FILMS, predict="gross", using=["budget", "genre"]).save(folder / "model.json")
    return folder


@pytest.fixture
def here(films: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(films)
    return films


def test_explain_prints_a_sum(run: Callable[..., Any], here: Path) -> None:
    ran = run("explain", "model.json", "movies.csv", "--row", "2000")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "Row 2,000 of movies.csv",
        "",
        "                                 gross",
        "  average                   85,343,400",
        "  budget = 16,000,000      -39,955,059",
        "  genre = Romantic Comedy   +8,591,999",
        "  ------------------------------------",
        "  prediction                53,980,340",
    ]


def test_explain_as_json_is_the_same_sum(run: Callable[..., Any], here: Path) -> None:
    told = json.loads(run("explain", "model.json", "movies.csv", "--row", "2000", "--json").out)
    [output] = told["outputs"]
    assert [one["column"] for one in output["contributions"]] == ["budget", "genre"]
    assert round(output["prediction"]) == 53_980_340


def test_explain_writes_a_page(run: Callable[..., Any], here: Path) -> None:
    ran = run("explain", "model.json", "movies.csv", "--row", "2000", "--report", "row.html")
    assert ran.code == 0
    page = Path("row.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert "53,980,340" in page


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--row", "4000"], 1, "movies.csv has no row 4,000: its 3,201 rows are counted from 1"),
        (["--row", "0"], 2, "greater than or equal to 1"),
        (["--report", "no/such/folder/row.html"], 1, "cannot write no/such/folder/row.html"),
    ],
)
def test_explain_refuses_in_words(
    run: Callable[..., Any], here: Path, arguments: list[str], code: int, says: str
) -> None:
    ran = run("explain", "model.json", "movies.csv", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
