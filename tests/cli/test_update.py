"""deltarule update: rows of a table, or of standard input as they come."""

import json
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.cli.update import milestones

UPDATE = [sys.executable, "-c", "from deltarule.cli import main; main()", "update"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    whole = pl.DataFrame(
        {"x": x, "kind": rng.choice(list("ab"), 400), "y": 2 * x + rng.normal(size=400)}
    )
    dr.learn(whole[:100], predict="y", ridge=0).save("m.json")
    whole[100:].write_csv("more.csv")
    whole[100:].write_ndjson("more.jsonl")
    return whole


def streamed() -> Any:
    found = dr.load("m.json").record.streamed
    assert found is not None
    return found


def test_milestones() -> None:
    assert list(islice(milestones(), 8)) == [1, 2, 5, 10, 20, 50, 100, 200]


def test_a_table_s_rows_are_learnt_over_the_model(table: pl.DataFrame, run: Any) -> None:
    made = run("update", "m.json", "more.csv", "-o", "new.json")
    assert made.code == 0
    assert "300 rows learnt one by one (all rows alike)" in made.out
    assert dr.load("m.json").record.streamed is None
    known = dr.learn(table, predict="y", ridge=0)
    np.testing.assert_allclose(
        list(dr.load("new.json").coef.values()), list(known.coef.values()), rtol=1e-9
    )
    made = run("update", "m.json", "more.csv", "--half-life", 50, "--json")
    assert made.code == 0
    assert json.loads(made.out)["examples"] == 400
    assert json.loads(made.out)["streamed"]["rows"] == 300
    assert streamed().half_life == 50
    assert run("update", "m.json", "more.csv").code == 0
    assert (streamed().rows, streamed().half_life) == (600, 50)
    assert run("update", "m.json", "more.csv", "--window", 9).code == 0
    assert (streamed().rows, streamed().window, streamed().half_life) == (900, 9, None)
    both = run("update", "m.json", "more.csv", "--window", 9, "--alpha", 1)
    assert "give one of them" in both.refused()


def test_sums_beside_the_model_keep_up(table: pl.DataFrame, run: Any) -> None:
    table[:100].write_csv("first.csv")
    keep = ["--save", "k.json", "--keep-summary", "k.sums"]
    assert run("learn", "first.csv", "--predict", "y", "--ridge", 0, *keep).code == 0
    assert run("update", "k.json", "more.csv").code == 0
    assert run("forget", "k.json", "more.csv").code == 0
    assert dr.load("k.json").record.examples == 100


def test_lines_of_json_are_learnt_as_they_come(table: pl.DataFrame) -> None:
    lines = Path("more.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    process = subprocess.Popen(
        [*UPDATE, "m.json", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(lines[0])
    process.stdin.flush()
    assert process.stdout.readline().startswith("after 1 rows")
    process.stdin.writelines([*lines[1:50], '{"x": 1, "kind": "new", "y": null}\n'])
    process.stdin.flush()
    while not process.stdout.readline().startswith("after 50 rows"):
        pass
    # Whoever ends it keeps what was learnt.
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "50 rows learnt one by one" in out, err
    assert streamed().rows == 50
    known = dr.learn(table[:150], predict="y", ridge=0)
    np.testing.assert_allclose(
        list(dr.load("m.json").coef.values()), list(known.coef.values()), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ('{"x": 1,\n{"x": 1, "kind": "a", "y": 2}\n', "line 1: it is no JSON object"),
        ('\n{"x": 1, "kind": "a"}\n', "no row to learn (y is missing)"),
        ('{"x": {"a": 1}, "kind": "a", "y": 2}\n', "line 1: column 'x' is an object"),
        ('{"x": 1, "kind": ["a"], "y": 2}\n', "line 1: column 'kind' is a list"),
        ('{"x": 1, "kind": "a", "y": [2]}\n', "line 1: column 'y' is a list"),
        ('{"x": "far", "kind": "a", "y": 2}\n', "line 1: "),
        ('{"x": 1, "kind": "a", "y": null}\n', "no row to learn (y is missing)"),
        ("x,kind,y\n", "no row"),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_nothing_saved(
    table: pl.DataFrame, sent: str, said: str
) -> None:
    before = Path("m.json").read_bytes()
    done = subprocess.run(
        [*UPDATE, "m.json", "-"], input=sent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert Path("m.json").read_bytes() == before
    assert not [one for one in Path().iterdir() if one.suffix == ".lock"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "it is no JSON object"),
        ('{"x": "1,5 m", "kind": "a", "y": 2}', "'1,5 m' is not a number"),
        ('{"x": [1], "kind": "a", "y": 2}', "column 'x' is a list"),
        ('{"x": 1, "kind": "a", "y": 1e400}', "line 4"),
        ('{"x": 1, "kind": {"a": 1}, "y": 1}', "column 'kind' is an object"),
        ('{"x": 1e200, "kind": "a", "y": 1}', "so far off that its squares"),
        ('{"x": 1, "kind": "new", "y": -1e200}', "so far off that its squares"),
        ('{"x": 1, "x": 2, "kind": "a", "y": 1}', "has 'x' twice"),
    ],
)
@pytest.mark.parametrize("sums", [False, True])
def test_a_line_that_cannot_be_read_ends_the_stream_and_loses_nothing(
    table: pl.DataFrame, line: str, said: str, *, sums: bool
) -> None:
    if sums:
        kept = dr.learn(table[:100], predict="y", ridge=0, keep_summary=True)
        kept.save("m.json", summary="m.sums")
    good = Path("more.jsonl").read_text(encoding="utf-8").splitlines()
    unknown = '{"x": 1, "kind": "a", "y": null, "more": {"nested": [1]}}'
    sent = "\n".join([*good[:2], unknown, line, *good[2:]])
    done = subprocess.run(
        [*UPDATE, "m.json", "-"], input=sent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "line 4" in done.stderr
    assert said in done.stderr
    assert "the rows before it were learnt, and are saved in m.json" in done.stderr
    assert "1 left out: y is missing" in done.stdout
    known = dr.learn(table[:102], predict="y", ridge=0)
    assert list(dr.load("m.json").coef.values()) == pytest.approx(list(known.coef.values()))
    if sums:  # they are of the rows that were learnt
        more = dr.load("m.json", summary="m.sums").learn_more(table[102:150])
        known = dr.learn(table[:150], predict="y", ridge=0)
        assert more.record.rows == 150
        assert list(more.coef.values()) == pytest.approx(list(known.coef.values()))


@pytest.mark.parametrize(
    "line",
    [
        '{"x": 1, "kind": 5, "y": 1}',
        '{"x": 1, "kind": true, "y": 1}',
        '{"x": 1, "kind": "a", "y": "5"}',
        '{"x": 1, "kind": "\\ud800", "y": 1}',
    ],
)
def test_a_line_that_sums_do_not_take_ends_the_stream_and_loses_nothing(
    table: pl.DataFrame, line: str
) -> None:
    model = dr.learn(table[:100], predict="y", ridge=0, keep_summary=True)
    model.save("m.json", summary="m.sums")
    good = Path("more.jsonl").read_text(encoding="utf-8").splitlines()
    done = subprocess.run(
        [*UPDATE, "m.json", "-"],
        input="\n".join([*good[:3], line, *good[3:]]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "standard input, line 4: " in done.stderr
    assert "the rows before it were learnt, and are saved in m.json" in done.stderr
    more = dr.load("m.json", summary="m.sums").learn_more(table[103:150])
    known = dr.learn(table[:150], predict="y", ridge=0)
    assert more.record.rows == 150
    assert list(more.coef.values()) == pytest.approx(list(known.coef.values()))


@pytest.mark.parametrize("name", ["x", "\\u0078"])
def test_a_name_twice_in_a_line_is_refused(table: pl.DataFrame, name: str) -> None:
    line = f'{{"x": 1, "{name}": 2, "kind": "a", "y": 1}}\n'
    made = subprocess.run([*UPDATE, "m.json", "-"], input=line, text=True, capture_output=True)
    assert made.returncode == 1
    assert "standard input, line 1 has 'x' twice in one object" in made.stderr
