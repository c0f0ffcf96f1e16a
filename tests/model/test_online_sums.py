"""Sums that are kept while rows are learnt one by one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ValueRefusedError


@pytest.mark.parametrize("form", ["dict", "rows", "frame", "batches"])
@pytest.mark.parametrize("far", [{"x": 1e200}, {"y": -1e180}, {"x": 1e200, "kind": None}])
def test_a_row_that_cannot_be_learnt_joins_no_sums(form: str, far: dict[str, Any]) -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=60)
    table = pl.DataFrame({"x": x, "kind": list("abc") * 20, "y": x + rng.normal(size=60)})
    model = dr.learn(table[:40], predict="y", ridge=0, keep_summary=True)
    good = table.row(40, named=True)
    model.update(good)
    coef = dict(model.coef)
    rows = pl.DataFrame([table.row(41, named=True), {**good, **far}], schema=table.schema)
    calls: dict[str, Callable[[], Any]] = {
        "dict": lambda: model.update({**good, **far}),
        "rows": lambda: model.update(rows.to_dicts()),
        "frame": lambda: model.update(rows),
        "batches": lambda: list(model.stream().updates(rows)),
    }
    with pytest.raises(ValueRefusedError, match="so far off"):
        calls[form]()
    assert dict(model.coef) == coef
    more = model.learn_more(table[41:])
    assert more.record.rows == 60
    known = dr.learn(table, predict="y", ridge=0)
    assert list(more.coef.values()) == pytest.approx(list(known.coef.values()))
