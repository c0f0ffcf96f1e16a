"""Every number of a model file has a range, which is checked when the file is read."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

import deltarule as dr
from deltarule.errors import ModelError, NotAModelError
from deltarule.model.record import Record

# What may have any finite value: weights and what they are tested by, values of columns,
# likelihoods, and differences that rounding may take below 0.
SIGNED = {
    "weight", "t", "low", "high", "mean", "means", "centres", "starts", "target_means", "deviance",
    "null_deviance", "log_likelihood", "aic", "loss", "baseline_loss", "cuts", "edges", "above",
    "error_above_least",
}  # fmt: skip
EXPLAINED = {"r2", "pseudo_r2"}


def models(kind: Any, known: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if not isinstance(kind, type) or not issubclass(kind, BaseModel):
        for one in get_args(kind):
            yield from models(one, known)
    elif kind not in known:
        known.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from models(field.annotation, known)


def unbounded(kind: Any, metadata: Any) -> bool:
    """Whether a type has a number without a limit."""
    inner = [more for one in metadata for more in getattr(one, "metadata", ())]
    limits = [one for one in (*metadata, *inner) if type(one).__name__ in ("Ge", "Gt", "Le")]
    if kind in (int, float):
        return not limits
    own = getattr(kind, "__metadata__", None)
    if own is not None:
        return unbounded(kind.__origin__, [*metadata, *own])
    rest = [] if get_args(kind) and not limits else metadata
    return any(unbounded(one, [*rest, *limits]) for one in get_args(kind))


def test_every_number_of_the_record_has_a_limit_or_is_signed() -> None:
    known: set[type[BaseModel]] = set()
    found = {
        f"{model.__name__}.{name}"
        for model in models(Record, known)
        for name, field in model.model_fields.items()
        if name not in SIGNED and unbounded(field.annotation, field.metadata)
    }
    assert len(known) > 15
    # Their own order is checked by the whole: shares in order, residuals, a loss history.
    assert found == {"Band.tails", "LearnRecord.course"}


def files(folder: Path) -> Iterator[dict[str, Any]]:
    """Model files of several kinds, as JSON has them."""
    rng = np.random.default_rng(4)
    x, kind = rng.normal(size=300), rng.choice(list("abc"), 300)
    table = pl.DataFrame(
        {
            "x": x, "kind": kind, "far": 1e9 + x, "shop": np.arange(300) % 40,
            "y": x + rng.normal(size=300), "n": rng.poisson(np.exp(x / 2)),
            "yes": rng.random(300) < 1 / (1 + np.exp(-x)),
        }
    )  # fmt: skip
    asked: list[dict[str, Any]] = [
        {"predict": "y", "using": ["x", "kind"], "group": "shop", "ridge": 0},
        {"predict": "n", "using": ["x", "far"], "loss": "poisson"},
        {"predict": "yes", "using": ["x", "kind"], "loss": "logistic"},
        {"predict": "kind", "using": "x"},
        {"predict": "y", "using": "x", "loss": "huber"},
        {"predict": "y", "using": "x", "alpha": 0.01, "steps": 30},
    ]
    for at, one in enumerate(asked):
        model = dr.learn(table, **one)
        if at == 0:  # a stream
            model.update(table.row(0, named=True))
        model.save(folder / "m.json")
        yield json.loads((folder / "m.json").read_text())


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each number."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(one, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def put(content: dict[str, Any], path: tuple[Any, ...], value: float) -> dict[str, Any]:
    """The file with another number there."""
    made = copy.deepcopy(content)
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = type(place[path[-1]])(value)
    return made


def test_a_number_out_of_its_range_is_refused(tmp_path: Path) -> None:
    path, tried, taken = tmp_path / "h.json", set(), []
    for content in files(tmp_path):
        for place in numbers(content):
            names = [one for one in place if isinstance(one, str)]
            name = names[-1] if names else ""
            # One of each kind of place: the first of many levels, bands or weights.
            kind = tuple("*" if isinstance(one, int) else one for one in place)
            # Of a loss history's pairs, the first is a number of steps.
            signed = name in SIGNED or (name == "course" and place[-1] == 1)
            if kind in tried or signed or "intervals" in names:
                continue
            tried.add(kind)
            path.write_text(json.dumps(put(content, place, 2.0 if name in EXPLAINED else -1.0)))
            try:
                dr.load(path)
            except ModelError:
                continue
            taken.append(place)
    assert not taken
    assert len(tried) > 50


def test_a_range_that_is_not_in_order_is_refused(tmp_path: Path) -> None:
    content = next(files(tmp_path))
    path = tmp_path / "h.json"
    for part in (content["contract"]["columns"][0], content["contract"]["targets"][0]):
        part["low"], part["high"] = part["high"], part["low"]
        path.write_text(json.dumps(content))
        with pytest.raises(NotAModelError, match="not in order"):
            dr.load(path)
        part["low"], part["high"] = part["high"], part["low"]
