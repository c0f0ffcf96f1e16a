"""Steps of learning in trackers: the lines of the trace, as they are taken."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import deltarule as dr
from deltarule import trackers
from deltarule.errors import MissingExtraError, OutputError

# TensorBoard's own code warns of its use of Python and numpy.
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "k": list("abab"), "y": [1.0, 5.0, 2.0, 7.0]})
HOW: dict[str, Any] = {"predict": "y", "alpha": 0.02, "steps": 30}


def test_each_step_is_handed_on_as_it_is_taken() -> None:
    lines: list[dict[str, Any]] = []
    model = dr.learn(ROWS, **HOW, on_step=lambda step: lines.append(dict(step)))
    assert [one["step"] for one in lines] == list(range(1, 31))
    assert lines[-1]["weight[x]"] == model.coef["x"]
    assert lines[-1]["note"] == model.record.learnt[0].stopped
    taken = list(dr.steps(ROWS, **HOW))
    assert [one["error"] for one in lines] == [one.error for one in taken]
    one, before = lines[4], lines[3]
    assert one["weight[x]"] == before["weight[x]"] - one["alpha"] * one["weight_delta[x]"]


def test_what_is_solved_exactly_has_no_steps() -> None:
    lines: list[Any] = []
    dr.learn(ROWS, predict="y", on_step=lines.append)
    assert not lines


def test_other_losses_hand_on_their_steps_alone(tmp_path: Path) -> None:
    lines: list[Any] = []
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    table = pl.DataFrame({"x": x, "n": rng.poisson(np.exp(x))})
    model = dr.learn(table, predict="n", loss="poisson", ridge=0, on_step=lines.append)
    assert len(lines) == model.record.learnt[0].steps  # those of cross-validation are not told


def test_lines_of_json_are_the_traces(tmp_path: Path, run: Any) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    with trackers.json_lines(tmp_path / "steps.jsonl") as steps:
        dr.learn(tmp_path / "rows.csv", **HOW, on_step=steps)
    made = run(
        *("learn", tmp_path / "rows.csv", "--predict", "y", "--alpha", 0.02, "--steps", 30),
        *("--trace", tmp_path / "trace.jsonl"),
    )
    assert made.code == 0
    found, known = (
        [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("steps.jsonl", "trace.jsonl")
    )
    assert [{**one, "note": ""} for one in found] == [{**one, "note": ""} for one in known]
    with pytest.raises(OutputError), trackers.json_lines(tmp_path / "nowhere" / "steps.jsonl"):
        pass


def test_event_files_have_the_numbers_of_each_step(tmp_path: Path) -> None:
    with trackers.tensorboard(tmp_path / "runs") as steps:
        model = dr.learn(ROWS, **HOW, on_step=steps)
    found = EventAccumulator(str(tmp_path / "runs"), size_guidance={"tensors": 0}).Reload()
    assert {"error", "alpha", "weight/x", "weight/k_b", "weight_delta/x"} <= {
        *found.Tags()["tensors"]
    }
    events = found.Tensors("weight/x")
    assert [one.step for one in events] == list(range(1, 31))
    last = events[-1].tensor_proto
    value = last.float_val[0] if last.float_val else np.frombuffer(last.tensor_content, "<f4")[0]
    assert value == pytest.approx(model.coef["x"], rel=1e-6)


def test_without_tensorboard_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with (
        pytest.raises(MissingExtraError, match=r"deltarule\[tensorboard\]"),
        trackers.tensorboard(tmp_path),
    ):
        pass


def test_the_docs_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[1] / "docs" / "steps.md"
    [code] = re.findall(r"(?s)```python\n(.*?)```", page.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {})
    assert Path("steps.jsonl").read_text(encoding="utf-8").startswith('{"step": 1, ')
