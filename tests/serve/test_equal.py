"""Models of every loss and kind of column predict over HTTP as they do in Python, to 1e-9."""

import io
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import polars as pl
import pytest

from deltarule.tables.column_names import column
from tests.export.models import CASES, Case, difference
from tests.serve.conftest import serving

FEW = 50
"""Rows of a request that the compiled scorer answers; the rest come at once."""


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server of all models."""
    folder = tmp_path_factory.mktemp("cases")
    words = []
    for case in CASES:
        case.model.save(folder / f"{case.name}.json", moments=False)
        words.append(folder / f"{case.name}.json")
    with serving(*words, folder=folder) as server, server.client() as client:
        yield client


def as_json(cell: Any) -> Any:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return cell.isoformat() if hasattr(cell, "isoformat") else cell


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_thousand_rows_are_predicted_as_the_model_does(every: httpx.Client, case: Case):
    rows = [{name: as_json(cell) for name, cell in row.items()} for row in case.rows.to_dicts()]
    address = f"/models/{quote(case.name)}"
    made: list[dict[str, Any]] = []
    for body in (*(rows[at : at + FEW] for at in range(0, 200, FEW)), rows[200:]):
        answer = every.post(f"{address}/predict", json=body)
        assert answer.status_code == 200, answer.text
        made += answer.json()["predictions"]
    expected = case.expected
    columns = [[one[name] for one in made] for name in expected.columns]
    numbers = [column(name) for name, kind in expected.schema.items() if kind.is_float()]
    # JSON has no number beyond all numbers: it is null.
    finite = expected.with_columns(pl.when(one.is_finite()).then(one) for one in numbers)
    assert difference(finite, columns) == ""


@pytest.mark.parametrize("case", [one for one in CASES if not one.dressed], ids=str)
def test_contributions_are_those_of_the_model(every: httpx.Client, case: Case):
    rows = [{name: as_json(cell) for name, cell in row.items()} for row in case.rows.to_dicts()]
    headers = {"accept": "application/vnd.apache.arrow.stream"}
    answer = every.post(f"/models/{quote(case.name)}/explain", json=rows, headers=headers)
    assert answer.status_code == 200, answer.text
    expected, made = case.explained, pl.read_ipc_stream(io.BytesIO(answer.content))
    assert difference(expected, [made[name].to_list() for name in expected.columns]) == ""
