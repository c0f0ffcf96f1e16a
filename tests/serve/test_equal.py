"""Models of every loss and kind of column predict over HTTP as they do in Python, to 1e-9."""

import io
import math
from collections.abc import Iterator
from itertools import compress
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


ODD = {
    *(("weight", cell) for cell in ("5 lb", "kg", "5 kg kg")),
    *(("rupees", cell) for cell in ("12,345,67", "1,2,345", "01,23,456")),
    ("cost", "0,126"),  # a group of 0 is no thousands
    *(("month", cell) for cell in ("0999-01", "2021-13", "Q1", "13/2021", "2/20")),
    *(("quarter", cell) for cell in ("2020-01", "2020Q5")),
    *(("week", cell) for cell in ("2015-W00", "2021-W53")),
}
"""Cells of the tables that are neither of their column's format nor words for missing."""


def as_json(cell: Any) -> Any:
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return cell.isoformat() if hasattr(cell, "isoformat") else cell


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_thousand_rows_are_predicted_as_the_model_does(every: httpx.Client, case: Case):
    rows = [{name: as_json(cell) for name, cell in row.items()} for row in case.rows.to_dicts()]
    address = f"/models/{quote(case.name)}/predict"
    taken, odd = [True] * len(rows), set[tuple[str, Any]]()
    while (answer := every.post(address, json=list(compress(rows, taken)))).status_code == 422:
        # Text that is not of a column's format is refused by the server, and missing in a table.
        refused = answer.json()
        name = refused["field"]
        cell = list(compress(rows, taken))[refused["row"] - 1][name]
        odd.add((name, cell))
        taken = [one and row[name] != cell for one, row in zip(taken, rows, strict=True)]
    assert odd == {(name, cell) for name, cell in ODD if name in case.using}
    rows = list(compress(rows, taken))
    assert len(rows) > 500
    made: list[dict[str, Any]] = []
    for body in (*(rows[at : at + FEW] for at in range(0, 200, FEW)), rows[200:]):
        answer = every.post(address, json=body)
        assert answer.status_code == 200, answer.text
        made += answer.json()["predictions"]
    expected = case.expected.filter(taken)
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
