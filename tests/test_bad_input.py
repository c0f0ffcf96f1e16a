"""Bad input: one clear line, exit code 1 or 2, no traceback, nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

GOOD = "x,y\n" + "".join(f"{at},{at * at % 11}\n" for at in range(30))

# name of the file, its content, more options, what the line must say
TABLES: dict[str, tuple[str, str | bytes | None, list[str], list[str]]] = {
    "no such file": ("no.csv", None, [], ["no such file", "no.csv"]),
    "empty file": ("t.csv", "", [], ["t.csv", "empty"]),
    "blank lines only": ("t.csv", "\n\n\n", [], ["t.csv", "empty"]),
    "header only": ("t.csv", "x,y\n", [], ["t.csv", "no rows"]),
    "header without newline": ("t.csv", "x,y", [], ["t.csv", "no rows"]),
    "no such target": ("t.csv", GOOD, ["--predict", "yy"], ["'yy'", "did you mean y?"]),
    "no such input": ("t.csv", GOOD, ["--using", "X"], ["'X'", "did you mean x?"]),
    "no such weight": ("t.csv", GOOD, ["--weight", "w"], ["'w'"]),
    "target of text": ("t.csv", "x,y\n1,a\n2,b\n3,c\n", [], ["'y'", "'a'", "numbers"]),
    "target of dates": ("t.csv", "x,y\n1,2020-01-01\n2,2021-01-01\n", [], ["'y'", "numbers"]),
    "much text among the targets": (
        "t.csv",
        "x,y\n" + "".join(f"{at},{at}\n" for at in range(30)) + "3,oops\n4,oops\n",
        [],
        ["'y'", "'oops'"],
    ),
    "much text among many targets": (
        "t.csv",
        "x,y\n" + "".join(f"{at},{at}\n" for at in range(12_000)) + "3,oops\n" * 700,
        [],
        ["'y'", "'oops'"],
    ),
    "all targets empty": ("t.csv", "x,y\n1,\n2,\n3,\n", [], ["'y'", "missing in every row"]),
    "an infinite input": ("t.csv", GOOD + "inf,3\n", [], ["'x'", "row 31", "infinite"]),
    "an infinite target": ("t.csv", GOOD + "3,-inf\n", [], ["'y'", "row 31", "infinite"]),
    "a number beyond floats": ("t.csv", GOOD + "1e400,3\n", [], ["'x'", "row 31", "infinite"]),
    "an infinite input far down": (
        "t.csv",
        "x,y\n" + "1.5,2\n2,3\n" * 70_000 + "-inf,3\n",
        [],
        ["'x'", "row 140001", "infinite"],
    ),
    "a row too long": ("t.csv", GOOD + "1,2,3\n" + "1,2\n" * 5, [], ["line 32", "3", "2"]),
    "a row too long far down": (
        "t.csv",
        "x,y\n" + "1,2\n3,5\n" * 8_000 + "1,2,3\n",
        [],
        ["line 16002", "3", "2"],
    ),
    "a row too long very far down": (
        "t.csv",
        "x,y\n" + "1,2\n3,5\n" * 100_000 + "1,2,3\n",
        [],
        ["line 200002", "3", "2"],
    ),
    "a name twice": ("t.csv", "x,y,x\n1,2,3\n", [], ["'x'", "more than one"]),
    "one column": ("t.csv", "y\n1\n2\n", [], ["only the target"]),
    "constant input": ("t.csv", "x,y\n1,2\n1,3\n1,5\n", [], ["x", "always 1"]),
    "bytes": ("t.csv", bytes(range(256)) * 9, [], ["UTF-8"]),
    "parquet called csv": ("t.csv", b"PAR1\x15\x04\x15\xe0PAR1", [], ["t.csv"]),
    "gzip called csv": ("t.csv", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", [], ["t.csv"]),
    "a quote never closed": ("t.csv", 'x,y\n1,"2\n3,4\n5,6\n', [], ["t.csv"]),
    "a quote never closed far down": ("t.csv", GOOD + '7,"3\n' + "1,2\n" * 9, [], ["t.csv"]),
    "unknown ending": ("t.docx", b"PK\x03\x04", [], ["t.docx"]),
    "no ending": ("table", GOOD, [], ["table", ".csv"]),
    "cut parquet": ("t.parquet", b"PAR1 and no more", [], ["t.parquet"]),
    "not parquet": ("t.parquet", GOOD, [], ["t.parquet"]),
    "empty parquet": ("t.parquet", b"", [], ["t.parquet", "empty"]),
    "negative weights": (
        "t.csv",
        "x,y,w\n1,2,1\n2,3,-1\n3,5,1\n",
        ["--weight=w"],
        ["'w'", "row 2"],
    ),
    "weights of text": ("t.csv", "x,y,w\n1,2,a\n2,3,b\n3,5,a\n", ["--weight=w"], ["'w'"]),
    "weights all zero": ("t.csv", "x,y,w\n1,2,0\n2,3,0\n", ["--weight=w"], ["'w'"]),
    "infinite weight": ("t.csv", "x,y,w\n1,2,1\n2,3,inf\n", ["--weight=w"], ["'w'", "row 2"]),
    "target also an input": ("t.csv", GOOD, ["--using", "x,y"], ["'y'", "twice"]),
    "an input twice": ("t.csv", GOOD, ["--using", "x,x"], ["'x'", "twice"]),
    "nothing left after dropping": (
        "t.csv",
        "x,z,y\n1,,2\n,1,3\n2,,5\n,4,7\n",
        ["--missing", "drop"],
        ["missing", "fill"],
    ),
    "counts below zero": ("t.csv", GOOD + "3,-1\n", ["--loss", "poisson"], ["'y'", "row 31", "-1"]),
    "shares above one": (
        "t.csv",
        "x,y\n1,0\n2,1\n3,1.5\n",
        ["--loss", "logistic"],
        ["row 3", "1.5"],
    ),
    "one outcome only": (
        "t.csv",
        "x,y\n1,1\n2,1\n3,1\n",
        ["--loss", "logistic"],
        ["'y' is 1 in every row"],
    ),
    "no such level": (
        "t.csv",
        "x,y,c\n" + "1,2,a\n3,4,b\n" * 5,
        ["--reference", "c=z"],
        ["'c'", "'z'", "a, b"],
    ),
    "a frozen weight there is not": ("t.csv", GOOD, ["--freeze", "q"], ["'q'", "x"]),
    "a start there is not": ("t.csv", GOOD, ["--start", "q=1", "--alpha", "1e-4"], ["'q'", "x"]),
    "a start that is no number": ("t.csv", GOOD, ["--start", "nan", "--alpha", "1e-4"], ["start"]),
    "bad loss": ("t.csv", GOOD, ["--loss", "hinge"], ["'hinge'", "squared"]),
    "bad learner": ("t.csv", GOOD, ["--learner", "adagrad"], ["'adagrad'", "descent"]),
    "bad folds": ("t.csv", GOOD, ["--folds", "1"], ["folds is 1"]),
    "bad ridge": ("t.csv", GOOD, ["--ridge", "-1"], ["ridge is -1"]),
    "bad alpha": ("t.csv", GOOD, ["--alpha", "0"], ["alpha is 0"]),
    "bad steps": ("t.csv", GOOD, ["--steps", "0"], ["steps is 0"]),
    "bad tolerance": ("t.csv", GOOD, ["--tolerance", "nan"], ["tolerance is nan"]),
    "bad missing": ("t.csv", GOOD, ["--missing", "mean"], ["'mean'", "fill or drop"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_learnt_from(
    run: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    file, content, more, said = TABLES[name]
    path = tmp_path / file
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = sorted(tmp_path.iterdir())
    predict = [] if "--predict" in more else ["--predict", "y"]
    ran = run("learn", path, *predict, *more, "--save", tmp_path / "m.json")
    line = ran.refused()
    for part in said:
        assert part in line
    assert sorted(tmp_path.iterdir()) == before


def test_infinite_values_in_parquet_far_down(run: Callable[..., Any], tmp_path: Path) -> None:
    x = np.arange(140_001.0)
    x[140_000] = np.inf
    table = pl.DataFrame({"x": x, "y": np.arange(140_001) % 13})
    table.write_parquet(tmp_path / "t.parquet")
    line = run("learn", tmp_path / "t.parquet", "--predict", "y").refused()
    assert "'x'" in line
    assert "row 140001 is infinite" in line


def test_infinite_weights_and_infinite_values_of_rows_left_out(write: Callable[..., Path]) -> None:
    # A row without a target is left out whatever its inputs are.
    path = write("t.csv", GOOD + "inf,\n")
    assert dr.learn(path, predict="y").record.rows == 30


def test_a_truncated_parquet_file(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pl.DataFrame({"x": np.arange(5000.0), "y": np.arange(5000.0) ** 0.5})
    table.write_parquet(path)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 20, 4):
        path.write_bytes(whole[:length])
        assert "t.parquet" in run("learn", path, "--predict", "y").refused()
    broken = bytearray(whole)
    broken[100:2000] = bytes(1900)
    path.write_bytes(bytes(broken))
    assert "t.parquet" in run("learn", path, "--predict", "y").refused()


def test_a_folder_is_no_table(run: Callable[..., Any], tmp_path: Path) -> None:
    assert "folder" in run("learn", tmp_path, "--predict", "y").refused()
    (tmp_path / "t.csv").mkdir()
    assert "folder" in run("learn", tmp_path / "t.csv", "--predict", "y").refused()


def test_a_table_lacking_what_the_model_needs(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    model, table = tmp_path / "m.json", write("t.csv", GOOD)
    assert run("learn", table, "--predict", "y", "--save", model).code == 0
    lacking = write("l.csv", "X,y\n1,2\n")
    for command in (["predict", model, lacking, "--out", tmp_path / "o.csv"], ["compare", model]):
        line = run(*command, *([lacking] if command[0] == "compare" else [])).refused()
        assert "no column 'x'" in line
        assert "did you mean X?" in line
    assert not (tmp_path / "o.csv").exists()
    assert "no column 'y'" in run("compare", model, write("u.csv", "x\n1\n")).refused()
    assert "no row" in run("compare", model, write("e.csv", "x,y\n")).refused()
    assert "empty" in run("predict", model, write("v.csv", "")).refused()
    assert "no such file" in run("predict", model, tmp_path / "no.csv").refused()
    line = run("predict", model, write("w.csv", "x\nmany\nfew\n")).refused()
    assert "'x'" in line
    assert "'many'" in line
    line = run("predict", model, write("i.csv", "x\n1\ninf\n")).refused()
    assert "'x', row 2 is infinite" in line


@pytest.mark.parametrize("command", ["show", "compare", "predict"])
def test_a_model_file_that_cannot_be_used(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    model, table = tmp_path / "m.json", write("t.csv", GOOD)
    assert run("learn", table, "--predict", "y", "--save", model).code == 0
    whole = model.read_text(encoding="utf-8")
    later = json.loads(whole)
    later["version"] = 7
    not_finite = json.loads(whole)
    not_finite["weights"][0]["weight"] = float("inf")
    contents = {
        whole[:500]: "cut short",
        GOOD: "not a model file",
        "{}": "not a deltarule model file",
        json.dumps(later): "version 7",
        json.dumps(not_finite): "damaged",
    }
    more = [] if command == "show" else [table]
    for content, said in contents.items():
        model.write_text(content, encoding="utf-8")
        ran = run(command, model, *more)
        assert said in ran.refused()
        assert ran.code == 1
    model.unlink()
    assert "no such model file" in run(command, model, *more).refused()
    assert run(command, tmp_path, *more).code == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--save", "nowhere/m.json"],
        ["--save", "."],
        ["--trace", "nowhere/t.csv", "--alpha", "1e-4", "--steps", "3"],
        ["--trace", "folder.csv", "--alpha", "1e-4", "--steps", "3"],
    ],
    ids=str,
)
def test_results_that_cannot_be_written(
    run: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    ran = run("learn", write("t.csv", GOOD), "--predict", "y", *options)
    assert "cannot write" in ran.refused()
    assert ran.code == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder.csv", "t.csv"]


def test_a_diverged_run_saves_nothing_when_its_weights_are_not_finite(
    run: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    table = write("t.csv", "x,y\n1e150,1\n2e150,3\n3e150,2\n")
    options = ["--alpha", "1e200", "--start", "1e100", "--save", tmp_path / "m.json"]
    line = run("learn", table, "--predict", "y", *options).refused()
    assert line
    assert not (tmp_path / "m.json").exists()


def test_a_real_process_says_one_line_and_no_traceback(
    process: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(GOOD + "inf,3\n")
    ran = process("learn", "t.csv", "--predict", "y", "--save", "m.json")
    assert ran.code == 1
    assert ran.refused() == "t.csv, column 'x', row 31 is infinite: fix or remove that row"
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
