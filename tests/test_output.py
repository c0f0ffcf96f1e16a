"""Output files: whole or not at all, never over what is read, through links, with their modes."""

import gzip
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import OutputError
from deltarule.output import check_outputs, check_writable, same_file, write_whole

TABLE = "ads,sales\n45,11.71\n13,5.87\n10,5.15\n5,4.4\n22,7.3\n31,9.1\n"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a table, a model of it, and links to the table; we are in it."""
    monkeypatch.chdir(tmp_path)
    Path("v.csv").write_text(TABLE)
    Path("symbolic.csv").symlink_to("v.csv")
    Path("hard.csv").hardlink_to("v.csv")
    Path("m.json").write_text("")
    dr.learn("v.csv", predict="sales").save("m.json")
    return tmp_path


@pytest.mark.parametrize("option", ["--save", "--trace", "--report"])
@pytest.mark.parametrize("to", ["v.csv", "symbolic.csv", "hard.csv", "./x/../v.csv"])
def test_learn_never_writes_over_its_table(
    run: Callable[..., Any], here: Path, option: str, to: str
) -> None:
    Path("x").mkdir()
    words = ["learn", "v.csv", "--predict=sales", "--learner=descent", "--steps=2"]
    assert option in run(*words, f"{option}={to}").refused()
    assert Path("v.csv").read_text() == TABLE
    assert Path("symbolic.csv").is_symlink()


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "m.json", "v.csv", "--out", "hard.csv"),
        ("predict", "copy.csv", "v.csv", "--out", "copy.csv"),
        ("report", "m.json", "v.csv", "--out", "symbolic.csv"),
        ("report", "m.json", "v.csv", "--out", "m.json"),
        ("report", "copy.html", "v.csv"),
        ("explain", "m.json", "v.csv", "--report", "v.csv"),
        ("explain", "m.json", "v.csv", "--report", "m.json"),
        ("path", "v.csv", "--predict", "sales", "--out", "v.csv"),
        ("learn", "v.csv", "--predict", "sales", "--hold-out", "t.csv", "--save", "t.csv"),
        ("learn", "parts", "--predict", "sales", "--save", "parts/b.csv"),
        ("learn", "parts/*.csv", "--predict", "sales", "--report", "parts/a.csv"),
        ("learn", "v.csv.gz", "--predict", "sales", "--save", "v.csv.gz"),
        ("learn", "sqlite:///d.db", "--predict", "sales", "--save", "d.db"),
        ("learn", "sqlite:///d.db", "--predict", "sales", "--save", "d.db-wal"),
        ("learn", "v.csv", "--predict", "sales", "--save", "one", "--report", "./one"),
        ("learn", "v.csv", "--predict", "sales", "--save", "one.csv", "--trace", "one.csv"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    run: Callable[..., Any], here: Path, words: tuple[str, ...]
) -> None:
    for copy in ("copy.csv", "copy.html"):
        Path(copy).write_bytes(Path("m.json").read_bytes())
    Path("t.csv").write_text(TABLE)
    Path("parts").mkdir()
    for part in ("a", "b"):
        Path(f"parts/{part}.csv").write_text(TABLE)
    Path("v.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    from deltarule.tables.databases.database import write_table

    write_table("sqlite:///d.db", "t", [pl.read_csv("v.csv")])

    def files() -> dict[Path, bytes]:
        return {one: one.read_bytes() for one in Path().rglob("*") if one.is_file()}

    before = files()
    assert " would replace a file" in (line := run(*words).refused()) or " are both " in line
    assert files() == before


def test_the_model_is_not_saved_over_its_table(here: Path) -> None:
    model = dr.learn("v.csv", predict="sales")
    with pytest.raises(OutputError, match=r"hard\.csv"):
        model.save("hard.csv")
    assert Path("v.csv").read_text() == TABLE
    model.save("m.json")
    dr.load("m.json").save("m.json")  # its own file is no table


@pytest.mark.parametrize("to", ["/dev/null", "folder", "pipe", "loop", "none/m.json", "", "a\0b"])
def test_only_files_are_written(run: Callable[..., Any], here: Path, to: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    with pytest.raises(OutputError):
        write_whole(Path(to), lambda place: place.write_text("x"))
    assert run("learn", "v.csv", "--predict=sales", f"--save={to}").code in (1, 2)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


def test_a_link_stays_and_its_target_is_replaced(here: Path) -> None:
    Path("old").write_text("old")
    Path("old").chmod(0o640)
    Path("link").symlink_to("old")
    Path("new").symlink_to("not there yet")
    for name in ("link", "new"):
        write_whole(Path(name), lambda place: place.write_text("new"))
        assert Path(name).is_symlink()
        assert Path(name).read_text() == "new"
    assert stat.S_IMODE(Path("old").stat().st_mode) == 0o640
    assert Path("not there yet").read_text() == "new"


def test_a_new_file_has_the_mode_of_new_files(here: Path) -> None:
    Path("plain").write_text("")
    write_whole(Path("fresh"), lambda place: place.write_text("x"))
    assert Path("fresh").stat().st_mode == Path("plain").stat().st_mode


@pytest.mark.skipif(ROOT, reason="nothing is read-only for root")
def test_a_file_that_is_read_only_is_kept(here: Path) -> None:
    Path("kept").write_text("kept")
    Path("kept").chmod(0o444)
    with pytest.raises(OutputError, match="read-only"):
        write_whole(Path("kept"), lambda place: place.write_text("x"))


def test_what_fails_leaves_what_was_there(here: Path) -> None:
    def fail(place: Path) -> None:
        place.write_text("half")
        raise KeyboardInterrupt

    Path("kept").write_text("kept")
    before = sorted(here.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write_whole(Path("kept"), fail)
    assert Path("kept").read_text() == "kept"
    assert sorted(here.iterdir()) == before


def test_names_as_long_as_can_be(here: Path) -> None:
    name = Path("n" * 250 + ".json")
    write_whole(name, lambda place: place.write_text("x"))
    assert name.read_text() == "x"
    with pytest.raises(OutputError):
        write_whole(Path("n" * 300), lambda place: place.write_text("x"))


def test_two_files_that_are_not_there_yet_are_told_apart(here: Path) -> None:
    assert same_file(Path("x"), Path("folder/../x"))
    assert not same_file(Path("x"), Path("y"))
    check_outputs({"--save": Path("x"), "--report": Path("y"), "--trace": None}, [Path("v.csv")])


def test_an_empty_name_is_no_file(run: Callable[..., Any], here: Path) -> None:
    said = run("learn", "v.csv", "--predict=sales", "--save=").refused()
    assert "cannot write --save: it names this folder (.), no file: give it a name" in said


def test_a_pipe_without_a_name_is_no_file() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OutputError, match="it is a device or pipe"):
            check_writable(Path(f"/proc/self/fd/{writing}"))
    finally:
        os.close(reading)
        os.close(writing)


def test_a_dash_is_no_file(here: Path) -> None:
    with pytest.raises(OutputError, match="--save - names no file"):
        check_outputs({"--save": Path("-")}, [])
    assert not Path("-").exists()
