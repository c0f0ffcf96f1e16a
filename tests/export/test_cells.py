"""Cells of every spelling are read alike: by a table, the compiled tree, Python and JavaScript."""

import math
import random
import warnings

import polars as pl
import pytest

import deltarule as dr
from deltarule.model.few_rows import FewRows
from tests.export.test_files import RUNNERS, SUFFIXES

NUMBERS = [
    "", "0", "1", "-1", "1.0", "1,5", "1.234,5 EUR", "1.234,5", "$1,234", "$ 1,234.5", "12 %", "5%",
    "(5)", "($5)", "-$3", "$-3", "\u22127", "1 000", "1'000", "1\u2019000,5",
    "1e5", "1E-2", "5M", "3k", "2bn",
    "nan", "inf", "-Infinity", "NA", "n/a", "TBD", "tbd", "(missing)", "-999", "-999.0", "none yet",
    "\\N", "0000-00-00", "0000-00-00 00:00:00",
    "yes", "No", "TRUE", "off", "t", "red", "\u00a01\u00a0", "1_000", "\u0663", "\uff11", "0x10",
    "+5", "5.",
    "0,126", "-0,126", "0.126", "0.126.000", "0,126,000", "0 126", "01,23,456", "$0,126", "10,126",
    ".5", "--5", "US$ 5", "5 kr", "$", "%", "1,234,56",
    "\t2\n", "007", "00", "5-", "(1,2)",
    "€5 €", "K5", "x" * 200, " " * 150 + "1", "1" + " " * 150 + "x", "1," + "234," * 30 + "5",
]  # fmt: skip
MEASURES = [
    "5 kg", "5kg", "5.5 kg", "1,234.5 kg", " 5  kg ", "5 kg kg", "kg", "5 KG", "-5 kg", "(5) kg",
    "1e3 kg", "05 kg", "$5 kg", "5 % kg", "5\u00a0kg", "5 k kg", "5 lb", "kg 5", "5. kg", "5,5 m",
    "5,5m", "1.234,5 m", "5 m", "5 M", "12,34,567", "₹12,34,567.5", "1,23,456", "12,345,67",
    "1,2,345", "₹1,23", "12,34,567 m", "1,23,45,678", "9,99,99,99,99,999", "123,45,678",
    "1.23.456,5 m",
]  # fmt: skip
DATES = [
    "2023-02-30", "2023-2-3", "31/12/2023", "12/31/2023", "1/2/23", "1-2-23", "01-02-23", "1.2.23",
    "2023/01/31", "20230131", "2023-01-31 00:00", "5 Jan 2023", "Jan 5, 2023", "5. january 2023",
    "30-2-9", "2023-Feb-3", "2024-02-29", "2023-02-29", "31.04.2023", "0001-01-01", "", "NA", "red",
    "2023-01-31 14:05", "2023-01-31T14:05:30.25Z", "2023-01-31 2:05 pm", "2023-01-31 13:05 PM",
    "2023-01-31 24:00", "2023-01-31 23:59:59,123456789+0100", "1969-12-31 23:59", "1600-02-29 1:00",
    "9999-12-31 00:00:00", "2068-1-1", "1/1/69", "1/1/68", "x" * 200,
]  # fmt: skip
PERIODS = [
    "2023-02", "2023/2", "2023/12", "2023-13", "2023Q1", "2023-Q4", "2023 q2", "2023Q5", "2023-W01",
    "2020W53", "2021-W53", "2021w52", "2023-W00", "1499-01", "2299-12", "2023-02-11", "5 Jan 2023",
    "2023-02-11 10:00", "31/12/2023", "NA", "", " 2023-02 ", "red", "2023", "x" * 200,
    "02/2023", "2/2023", "12-2023", "13/2023", "02.2023", "Feb 2023", "february, 2023", "DEC-2299",
    "2023 Sept", "2023-May", "May", "Feb-23", "Feb 1499", "Mrz 2023",
]  # fmt: skip
CLOCKS = [
    "00:00",
    "7:05",
    "14:05:30",
    "2:05 PM",
    "12:00 am",
    "25:00",
    "24:00",
    "13:00 pm",
    "x",
    "-",
]
WORDS = [
    "red",
    " red",
    "RED",
    "never",
    "",
    "NA",
    "yes",
    "YES",
    " y ",
    "0",
    "1",
    "off",
    "-999",
    "\u017f",
]


def table() -> list[dict]:
    random.seed(7)
    return [
        {
            "plain": random.choice([None, random.gauss(0, 5)]),
            "dollars": f"${random.randint(1000, 99999):,}",
            "euros": f"{random.randint(0, 999)},{random.randint(10, 99)} EUR",
            "share": f"{random.randint(0, 99)}%",
            "weight": f"{random.randint(0, 9999) / 10} kg",
            "metres": f"{random.randint(0, 9)},{random.randint(10, 99)} m",
            "rupees": f"₹{random.randint(1, 99)},{random.randint(10, 99)},000",
            "flag": random.choice([0, 1]),
            "colour": random.choice(["red", "green", "blue"]),
            "member": random.choice(["yes", "no"]),
            "day": f"{random.randint(1, 28):02d}/{random.randint(1, 12):02d}/2023",
            "iso": f"2023-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}",
            "moment": f"2023-{random.randint(1, 12):02d}-11 {random.randint(0, 23):02d}:30",
            "month": f"2023-{random.randint(1, 12):02d}",
            "quarter": f"{random.randint(2000, 2023)}Q{random.randint(1, 4)}",
            "week": f"2023-W{random.randint(1, 52):02d}",
            "clock": f"{random.randint(0, 23):02d}:{random.randint(0, 59):02d}",
            "y": random.gauss(0, 1),
        }
        for _ in range(300)
    ]


# Dates of a column without an order are decided by the whole table: here year first, or by name.
YEAR_FIRST = [one for one in DATES if one[:4].isdecimal() or not one[:1].isdecimal()]
CELLS = {
    "plain": NUMBERS,
    "dollars": NUMBERS,
    "euros": NUMBERS,
    "share": NUMBERS,
    "weight": [*NUMBERS, *MEASURES],
    "metres": [*NUMBERS, *MEASURES],
    "rupees": [*NUMBERS, *MEASURES],
    "flag": [*NUMBERS, *WORDS],
    "colour": WORDS,
    "member": WORDS,
    "day": DATES,
    "iso": YEAR_FIRST,
    "moment": YEAR_FIRST,
    "month": PERIODS,
    "quarter": PERIODS,
    "week": PERIODS,
    "clock": CLOCKS,
}


@pytest.fixture(scope="module")
def model() -> dr.Model:
    return dr.learn(
        table(), predict="y", using=list(CELLS), missing_words=["-999", "none yet", "2024-02-29"]
    )


def rows_of(column: str) -> list[dict]:
    """A row for each cell; the first is as learnt, so that not all of a column is odd."""
    row = {**table()[0], "plain": 1.5}
    return [{**row, column: cell} for cell in (str(row[column]), *CELLS[column])]


@pytest.mark.parametrize("form", RUNNERS)
def test_files_read_cells_as_a_table_does(model, form, tmp_path):
    file = tmp_path / f"model{SUFFIXES[form]}"
    model.export(form, file)
    for column in CELLS:
        rows = rows_of(column)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = model.predict(pl.DataFrame(rows), flags=True)
        found = RUNNERS[form](file, rows)
        for row, (_, one, drift), want in zip(rows, found, wanted.to_dicts(), strict=True):
            told = f"{column}: {row[column]!r}"
            assert math.isclose(one["y_prediction"], want["y_prediction"], rel_tol=1e-9), told
            assert sorted(drift) == sorted(
                (want["flags"] or "").split("; ") * bool(want["flags"])
            ), told


@pytest.mark.parametrize("column", CELLS)
def test_the_compiled_tree_takes_a_cell_as_a_table_of_it_or_leaves_it(model, column):
    few, taken = FewRows(model._scorer), 0
    for row in rows_of(column)[:12]:
        scored = few.score(row, flags=True)
        if scored is None:
            continue
        taken += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [want] = model.predict(pl.DataFrame([row]), flags=True).to_dicts()
        assert scored.rows[0]["flags"] == want["flags"], row[column]
        assert math.isclose(scored.rows[0]["y_prediction"], want["y_prediction"], rel_tol=1e-12)
    assert taken > 2
