"""Values of programs and databases in dicts: decimals, numpy's and pandas' own."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deltarule as dr
from deltarule.errors import TableError
from deltarule.model.model import Model

ROWS = 60
TARGET = [2.0 * i + i % 3 for i in range(ROWS)]
DAY = date(2020, 1, 1)
NUMBERS = dr.learn({"x": [float(i) for i in range(ROWS)], "y": TARGET}, predict="y")
DATES = dr.learn({"x": [DAY + timedelta(i) for i in range(ROWS)], "y": TARGET}, predict="y")
FLAGS = dr.learn({"x": [i % 2 == 0 for i in range(ROWS)], "y": TARGET}, predict="y")
TEXTS = dr.learn({"x": ["ab"[i % 2] for i in range(ROWS)], "y": TARGET}, predict="y")

KINDS: list[Callable[[Any], Any]] = [
    lambda value: {"x": value},
    lambda value: {"x": [value, value]},
    lambda value: [{"x": value}],
    lambda value: [{"x": value}, {"x": None}],
]


def predicted(model: Model, table: Any) -> float:
    made = model.predict(table)
    one = made[0] if isinstance(made, list) else made
    value = one["y_prediction"]
    return float(value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("model", "value", "same"),
    [
        (NUMBERS, Decimal("1.5"), 1.5),
        (NUMBERS, Decimal("1.123456789012345678901234567890123456789"), 1.1234567890123457),
        (NUMBERS, Decimal("1e40"), 1e40),
        (NUMBERS, Decimal("1e-40"), 1e-40),
        (NUMBERS, Decimal("NaN"), None),
        (NUMBERS, Decimal("sNaN"), None),
        (NUMBERS, Fraction(3, 2), 1.5),
        (NUMBERS, np.longdouble(1.5), 1.5),
        (NUMBERS, np.float16(1.5), 1.5),
        (NUMBERS, np.int8(3), 3.0),
        (NUMBERS, pd.NA, None),
        (NUMBERS, pd.NaT, None),
        (DATES, np.datetime64("2020-01-20"), date(2020, 1, 20)),
        (DATES, np.datetime64("2020-02"), date(2020, 2, 1)),
        (DATES, np.datetime64("2020-01-20T06", "h"), datetime(2020, 1, 20, 6)),
        (DATES, np.datetime64("2020-01-20T06", "ns"), datetime(2020, 1, 20, 6)),
        (DATES, np.datetime64("NaT"), None),
        (DATES, pd.NaT, None),
        (DATES, pd.NA, None),
        (FLAGS, np.bool_(True), True),
        (FLAGS, Decimal(1), True),
        (FLAGS, pd.NA, None),
        (TEXTS, np.str_("a"), "a"),
        (TEXTS, pd.NA, None),
    ],
)
def test_a_value_is_read_as_the_one_of_python_that_it_stands_for(
    kind: Callable[[Any], Any], model: Model, value: Any, same: Any
) -> None:
    assert predicted(model, kind(value)) == predicted(model, {"x": same})


@pytest.mark.parametrize(
    "beside", [1, 2.5, np.int64(4), np.float32(0.5), Decimal("2"), None, Decimal("1e40")]
)
def test_numbers_of_several_types_are_one_column(beside: Any) -> None:
    found = NUMBERS.predict([{"x": Decimal("1.5")}, {"x": beside}])
    wanted = [NUMBERS.predict({"x": None if one is None else float(one)}) for one in (1.5, beside)]
    assert found == wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value", [Decimal("Infinity"), Decimal("1e400"), 1j, object(), np.datetime64("20000-01-01")]
)
def test_what_is_no_number_is_refused_in_words(
    kind: Callable[[Any], Any], value: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TableError, match="'x'"):
        (DATES if isinstance(value, np.datetime64) else NUMBERS).predict(kind(value))
    assert capfd.readouterr().err == ""


def test_decimals_are_learnt_from_as_their_floats_are() -> None:
    values = [Decimal(i) / 3 for i in range(ROWS)]
    values[3], values[5] = Decimal("1e-45"), Decimal("NaN")
    floats = [None if one.is_nan() else float(one) for one in values]
    mine = dr.learn({"x": values, "y": TARGET}, predict="y")
    assert mine.weights.equals(dr.learn({"x": floats, "y": TARGET}, predict="y").weights)
