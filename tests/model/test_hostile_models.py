"""Model files from anywhere: an error of ours or a model, soon, and never memory without bound."""

import contextlib
import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import DeltaruleError, ExpressionError, ModelError, NotAModelError
from deltarule.model import record_file as saved
from deltarule.serve import openapi
from deltarule.serve.bodies import rows_of
from deltarule.serve.problems import ProblemError
from deltarule.serve.scoring import score_rows
from deltarule.serve.served import open_served
from deltarule.serve.settings import Limits
from deltarule.tables.expressions.expression import parse


def table() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    x, n = rng.normal(size=40), 40
    return pl.DataFrame({"x": x, "c": [f"k{i % 3}" for i in range(n)], "y": x + rng.normal(size=n)})


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Model files of several kinds, as JSON has them."""
    path = tmp_path_factory.mktemp("models") / "m.json"
    found = []
    for predict, using in (("y", ["x", "c", "log(x + 9)"]), ("c", ["x", "y"])):
        dr.learn(table(), predict=predict, using=using).save(path)
        found.append(json.loads(path.read_text()))
    return found


@pytest.mark.parametrize("kind", ["folder", "pipe", "/dev/zero", "/dev/null", "a\0b", "n" * 300])
def test_only_regular_files_are_models(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to
    with pytest.raises(ModelError):
        dr.load(tmp_path / kind)


def test_a_large_file_of_nothing_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(saved.LARGEST_FILE + 1)  # takes no room on the disk
    with pytest.raises(NotAModelError, match="1,024 MB"):
        dr.load(tmp_path / "m.json")


@pytest.mark.parametrize(
    ("budget", "value"), [("MOST_VALUES", 10), ("MOST_EXPRESSIONS", 5), ("LARGEST_FILE", 100)]
)
def test_a_file_has_a_budget(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    contents: list[dict[str, Any]],
    budget: str,
    value: int,
) -> None:
    (tmp_path / "m.json").write_text(json.dumps(contents[0]))
    dr.load(tmp_path / "m.json")
    monkeypatch.setattr(saved, budget, value)
    with pytest.raises(NotAModelError):
        dr.load(tmp_path / "m.json")


def test_lengths_are_checked_before_anything_is_made(
    tmp_path: Path, contents: list[dict[str, Any]]
) -> None:
    """20,000 levels whose moments would take 6 GB, and are empty texts."""
    made, levels = copy.deepcopy(contents[0]), 20_000
    category = next(one for one in made["contract"]["columns"] if one["kind"] == "category")
    made["contract"] |= {"columns": [category], "read_through": {}}
    category |= {"known": {f"l{i}": 1.0 for i in range(levels)}, "reference": "l0"}
    weight = {"output": "y", "input": "c", "weight": 1.0}
    made["weights"] = [{**weight, "level": f"l{i}"} for i in range(1, levels)]
    made["means"] = made["spreads"] = [0.5] * (levels - 1)
    made["moments"] = [{"rows": 1.0, "mean": "", "rest": "", "scale": "", "cross": ""}]
    (tmp_path / "m.json").write_text(json.dumps(made))
    before = time.process_time()
    with pytest.raises(NotAModelError, match="0 characters"):
        dr.load(tmp_path / "m.json")
    assert time.process_time() - before < 5  # 0.4 s; it took 20 s and 3.6 GB


# Text that grows


def nested(levels: int, new: str) -> str:
    text = "k"
    for _ in range(levels):
        text = f"replace({text}, 'a', '{new}')"
    return f"length({text})"


@pytest.mark.parametrize(
    "text",
    [
        nested(6, "a" * 100),
        nested(1, "a" * 101),
        nested(2, "é" * 6),
        f"length(concat({', '.join(['k'] * 101)}))",
        f"length(k || '{'a' * 9_950}')",
        f"length({nested(1, 'a' * 60)[7:-1]} || {nested(1, 'a' * 60)[7:-1]})",
        "length(replace(case when k = 'a' then k || k || k else k end, 'a', '" + "a" * 40 + "'))",
    ],
)
def test_text_that_could_fill_all_memory_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="times as long"):
        parse(text)


@pytest.mark.parametrize("text", [nested(2, "aaaaaaaaa"), "length(concat(a, b, ' and ', c))"])
def test_text_may_grow_a_little(text: str) -> None:
    assert parse(text).kind == "number"


@pytest.mark.parametrize("start", ["1e300", "0", "-1e300", "2e9"])
def test_letters_are_counted_from_1_to_a_billion(start: str) -> None:
    with pytest.raises(ExpressionError, match="counts letters from 1"):
        parse(f"substring(k, {start})")


# Mutations of files that are right

STRANGE = [
    *(None, True, -1, 0, 0.5, 2**31, 2**63, 10**30, 1e308, -1e308, 5e-324, math.nan, math.inf),
    *("", "x", "y", "\0", "^x$", "*", "(other)", "A" * 5_000, "log(x)", nested(6, "a" * 90)),
    *("(" * 30 + "x" + ")" * 30, "quantile(0)", "tweedie(1e308)", "huber(-1)", [], {}, [[]]),
    *({"a": 1}, [1, 2], "__import__('os').abort()", "' + abort() + '", "x\n    abort()", "${x}"),
]


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where all parts of a content are."""
    if place:
        yield place
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(len(content)):
            yield from places(content[key], (*place, key))


@st.composite
def mutated(draw: Callable[..., Any], contents: list[dict[str, Any]]) -> str:
    """The text of a model file in which some parts are others, gone, repeated or nested."""
    made = copy.deepcopy(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 3))):
        *way, key = draw(st.sampled_from(list(places(made))))
        parent = made
        for step in way:
            parent = parent[step]
        change = draw(st.sampled_from(["set", "set", "gone", "twice", "deep", "large"]))
        if change == "set":
            parent[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
        elif change == "gone":
            del parent[key]
        elif change == "twice" and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif change == "deep":
            for _ in range(draw(st.sampled_from([1, 100, 300]))):
                parent[key] = [parent[key]]
        elif change == "large" and type(parent[key]) is float:
            parent[key] *= draw(st.sampled_from([1e300, -1.0, 1e-300]))
    text = json.dumps(made)
    at = draw(st.integers(0, len(text)))
    extra = ["", "", "", "NaN", "1e999", "9" * 5_000, "\\ud800", "{", '"', "\0", '{"format": 1, ']
    return text[:at] + draw(st.sampled_from(extra)) + text[at:]


@given(data=st.data())
@settings(
    max_examples=int(os.environ.get("DELTARULE_FUZZED_FILES", "60")),
    deadline=2_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_mutated_file_is_refused_or_a_model(
    tmp_path: Path, contents: list[dict[str, Any]], data: st.DataObject
) -> None:
    (tmp_path / "m.json").write_text(data.draw(mutated(contents)))
    with contextlib.suppress(DeltaruleError):
        model = dr.load(tmp_path / "m.json")
        assert str(model)
        json.dumps(model.to_dict(), allow_nan=False)
        model.predict(table())
        model.predict(table().head(3).to_dicts())
        model.compare(table())
        served = open_served("m", tmp_path / "m.json", Limits())
        json.dumps(served.described(), allow_nan=False)
        json.dumps(openapi.document([served], token=False), allow_nan=False)
        body = json.dumps(dict.fromkeys(served.fields)).encode()
        with contextlib.suppress(ProblemError):
            score_rows(served, rows_of(served, body, Limits()))
