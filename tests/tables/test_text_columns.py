"""Text among numbers: named and missing where it is little, text where it is much, never dropped.

The right values are those of the same table in which odd cells are blank.
"""

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xlsxwriter

import deltarule as dr
from deltarule.errors import DeltaruleError, ReadError, TargetError
from deltarule.tables.source import LOOK_ROWS
from deltarule.tables.text_columns import NumberFormat, cells_of
from deltarule.tables.text_formats import few, number_format

WORDS = [
    *("TBD", "--", "#DIV/0!", "#VALUE!", "n.a.", "N.A.", "missing", "*", "unknown", "Unknown"),
    *("\\N", "\\n", "0000-00-00"),
    *("12%", "$5", "5 kg", "~5", ">100", "<0.01", "see note", "(1,2)", "0x1F", "1.2.3"),
]


def table(rows: int = 40, odd: dict[int, Any] | None = None) -> dict[str, list[Any]]:
    """Power in tenths, doors, and a mileage that they give; odd cells at some rows of power."""
    rng = np.random.default_rng(7)
    power = [round(float(one), 1) for one in rng.uniform(50, 230, rows)]
    doors = [int(one) for one in rng.integers(2, 6, rows)]
    goal = [
        round(44 - 0.12 * p + d + float(e), 2)
        for p, d, e in zip(power, doors, rng.normal(size=rows), strict=True)
    ]
    shown: list[Any] = [*power]
    for row, value in (odd or {}).items():
        shown[row] = value
    return {"power": shown, "doors": doors, "mileage": goal}


def csv_of(columns: dict[str, list[Any]], separator: str = ",") -> str:
    rows = zip(*columns.values(), strict=True)
    quoted = (
        ["" if c is None else f'"{c}"' if separator in str(c) else str(c) for c in row]
        for row in rows
    )
    return "\n".join([separator.join(columns), *map(separator.join, quoted)]) + "\n"


def weights(model: dr.Model) -> list[float]:
    return [one.weight for one in model.record.weights]


def learnt(source: Any, **how: Any) -> dr.Model:
    return dr.learn(source, predict="mileage", ridge=0, **how)


@pytest.mark.parametrize("word", WORDS)
def test_one_word_among_numbers_is_missing_and_named(write: Callable[..., Path], word: str) -> None:
    blank = learnt(table(odd={11: None}))
    model = learnt(write("t.csv", csv_of(table(odd={11: word}))))
    assert weights(model) == pytest.approx(weights(blank), rel=1e-12)
    assert model.record.contract.columns[0].missing == 1
    told = f"power: 1 cell that is no number treated as missing: '{word}' (line 13)"
    assert told in model.record.notes


def test_a_word_beyond_the_look_is_found_and_named_with_its_line(
    write: Callable[..., Path],
) -> None:
    rows = LOOK_ROWS + 800
    late = {LOOK_ROWS + 500: "TBD", LOOK_ROWS + 600: "5 kg", LOOK_ROWS + 700: "TBD"}
    blank = learnt(table(rows, dict.fromkeys(late)))
    model = learnt(write("t.csv", csv_of(table(rows, late))))
    assert weights(model) == pytest.approx(weights(blank), rel=1e-9)
    assert model.record.notes[0] == (
        "power: 3 cells that are no number treated as missing: 'TBD' (2 times, first in line "
        f"{LOOK_ROWS + 502:,}), '5 kg' (line {LOOK_ROWS + 602:,})"
    )


def test_a_line_is_counted_where_cells_hold_line_ends(write: Callable[..., Path]) -> None:
    columns = table(odd={30: "TBD"}) | {"said": ['"two\nlines"'] * 40}
    model = learnt(write("t.csv", csv_of(columns)), using=["power", "doors"])
    assert "'TBD' (line 62)" in model.record.notes[0]


def excel(path: Path, columns: dict[str, list[Any]]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([list(columns), *zip(*columns.values(), strict=True)]):
            sheet.write_row(at, 0, row)
    return path


def in_sqlite(path: Path, columns: dict[str, list[Any]]) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(columns)})")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", zip(*columns.values(), strict=True)
        )
    connection.close()
    return f"sqlite:///{path}"


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


SOURCES: dict[str, Callable[[Path, dict[str, list[Any]]], Any]] = {
    "csv": lambda path, columns: written(path / "t.csv", csv_of(columns)),
    "tsv": lambda path, columns: written(path / "t.tsv", csv_of(columns, "\t")),
    "excel": lambda path, columns: excel(path / "t.xlsx", columns),
    "json": lambda path, columns: written(path / "t.json", json.dumps(rows_of(columns))),
    "ndjson": lambda path, columns: written(
        path / "t.ndjson", "".join(json.dumps(row) + "\n" for row in rows_of(columns))
    ),
    "sqlite": lambda path, columns: in_sqlite(path / "t.db", columns),
    "pandas": lambda path, columns: pd.DataFrame(columns),
    "dict": lambda path, columns: columns,
    "rows": lambda path, columns: rows_of(columns),
    "text": lambda path, columns: pl.DataFrame(
        {
            name: [str(v) if name == "power" else v for v in values]
            for name, values in columns.items()
        }
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("whole", [False, True], ids=["fractions", "whole"])
def test_every_source_names_an_odd_cell_and_treats_it_as_missing(
    tmp_path: Path, kind: str, whole: bool
) -> None:
    def power(odd: Any) -> dict[str, list[Any]]:
        columns = table(40)
        columns["power"] = [int(p) if whole else p for p in columns["power"]]
        columns["power"][11] = odd
        return columns

    if kind == "text" and whole:
        pytest.skip("digits alone are names where text was meant as text")
    blank = learnt(power(None))
    source = SOURCES[kind](tmp_path, power("5 kg"))
    model = learnt(source)
    assert weights(model) == pytest.approx(weights(blank), rel=1e-12)
    place = "line 13" if kind in ("csv", "tsv") else "row 12"
    told = f"power: 1 cell that is no number treated as missing: '5 kg' ({place})"
    assert model.record.notes[0] == told
    # And so at prediction, by a model that knows of no such cell.
    found, notes = blank.predict_noticing(source)
    known = blank.predict(pl.DataFrame(power(None)))["mileage_prediction"]
    column = (
        [row["mileage_prediction"] for row in found]
        if kind == "rows"
        else found["mileage_prediction"]
    )
    assert list(column) == pytest.approx(list(known), rel=1e-12)
    assert told in notes
    assert "power is missing in 1 of 40 rows: filled with the mean" in notes


@pytest.mark.parametrize(
    ("odd", "cells", "fits"),
    [(0, 1, True), (1, 9, False), (1, 10, True), (1, 20, True), (2, 39, False), (2, 40, True)],
)
def test_how_many_cells_may_be_odd(odd: int, cells: int, fits: bool) -> None:
    assert few(odd, cells) == fits


def test_many_odd_cells_leave_a_column_text_and_are_told(write: Callable[..., Path]) -> None:
    odd = dict.fromkeys(range(0, 40, 4), "sold")
    model = learnt(write("t.csv", csv_of(table(odd=odd))))
    assert "power is text: 10 of 40 cells are no numbers, such as 'sold'" in model.record.notes
    with pytest.raises(ReadError, match="'power' mixes float and str"):
        learnt(table(odd=odd))


def test_words_for_missing_may_be_many(write: Callable[..., Path]) -> None:
    odd = {row: ["n.a.", "TBD"][row % 8 == 0] for row in range(0, 40, 4)}
    model = learnt(write("t.csv", csv_of(table(odd=odd))))
    assert weights(model) == pytest.approx(weights(learnt(table(odd=dict.fromkeys(odd)))))
    assert model.record.notes[0].startswith(
        "power: 10 cells that are no number treated as missing: 'TBD' (5 times, first in line 2)"
    )


def test_words_for_missing_are_labels_among_text() -> None:
    columns = table() | {"state": ["new", "used", "unknown", "missing"] * 10}
    model = learnt(columns)
    (state,) = [one for one in model.record.contract.columns if one.name == "state"]
    assert {"unknown", "missing"} <= set(state.known)


def test_missing_words_are_missing_in_every_column_and_kept(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    columns = table(odd={3: "gone", 4: -999.0, 5: "gone"}) | {
        "state": ["new", "used", "gone", "old"] * 10
    }
    columns["doors"][6] = -999
    blank = {
        name: [None if value in ("gone", -999) else value for value in values]
        for name, values in columns.items()
    }
    path = written(tmp_path / "t.csv", csv_of(columns))
    known = learnt(blank)
    model = learnt(path, missing_words="gone, -999")
    assert weights(model) == pytest.approx(weights(known), rel=1e-12)
    assert not [note for note in model.record.notes if "no number" in note]
    run(
        "learn",
        path,
        "--predict=mileage",
        "--ridge=0",
        "--missing-words=gone,-999",
        "--save",
        tmp_path / "m.json",
    )
    loaded = dr.load(tmp_path / "m.json")
    assert loaded.record.contract.missing_words == ("gone", "-999")
    rows = {"power": ["gone", -999.0], "doors": [3, -999], "state": ["gone", "new"]}
    gaps = {"power": [None, None], "doors": [3.0, None], "state": [None, "new"]}
    assert loaded.predict(rows) == loaded.predict(gaps)
    with pytest.raises(dr.DeltaruleError, match="missing_words has 5"):
        learnt(path, missing_words=[5])


def test_an_odd_target_leaves_its_row_out(write: Callable[..., Path]) -> None:
    columns = table()
    columns["mileage"][11] = "pending"
    known = learnt({name: values[:11] + values[12:] for name, values in columns.items()})
    model = learnt(write("t.csv", csv_of(columns)))
    assert model.record.rows == 39
    assert weights(model) == pytest.approx(weights(known), rel=1e-12)
    told = "mileage: 1 cell that is no number treated as missing: 'pending' (line 13)"
    assert told in model.record.notes
    columns["mileage"][20:30] = ["sold"] * 10
    with pytest.raises(TargetError, match="'mileage' is not a column of numbers"):
        learnt(write("u.csv", csv_of(columns)))


def test_counts_with_a_word_stay_counts(write: Callable[..., Path]) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=80)
    columns = {"x": list(x), "mileage": [*rng.poisson(np.exp(0.3 * x))]}
    columns["mileage"][7] = "n.a."
    model = dr.learn(write("t.csv", csv_of(columns)), predict="mileage", loss="poisson")
    assert model.record.losses[0].name == "poisson"
    assert model.record.rows == 79


def test_expressions_over_a_column_see_its_numbers(write: Callable[..., Path]) -> None:
    path = write("t.csv", csv_of(table(odd={11: "TBD"})))
    blank = table(odd={11: None})
    for using in (["log(power)"], ["poly(power, 2)"], ["power:doors"]):
        one, other = (learnt(source, using=using) for source in (path, blank))
        assert weights(one) == pytest.approx(weights(other), rel=1e-9)
        assert "'TBD' (line 13)" in one.record.notes[0]
    text = learnt(path, using=["number(nullif(power, 'TBD'))"])
    assert weights(text) == pytest.approx(weights(learnt(blank, using=["power"])), rel=1e-9)


def test_one_row_that_is_all_words_predicts_and_one_that_is_no_number_is_refused() -> None:
    model = learnt(table())
    gap = model.predict({"power": None, "doors": 3})["mileage_prediction"]
    assert model.predict({"power": "TBD", "doors": 3})["mileage_prediction"] == gap
    with pytest.raises(dr.DeltaruleError, match=r"column 'power', row 1: 'fast' is not a number"):
        model.predict({"power": "fast", "doors": 3})


# Decimal marks, codes, ids, names of classes


@pytest.mark.parametrize(
    ("cells", "format_", "values"),
    [
        (["6,3", "2.566", "992"], NumberFormat(decimal=","), [6.3, 2566, 992]),
        (["5,5", "5.555"], NumberFormat(decimal=","), [5.5, 5555]),
        (["1.5", "2,566"], NumberFormat(), [1.5, 2566]),
        (["12%", "7 %"], NumberFormat(unit="%"), [12, 7]),
        (["$5", "$1,250.50"], NumberFormat(unit="$"), [5, 1250.5]),
        (["(5)", "3"], NumberFormat(), [-5, 3]),
        (["(1,2)", "(3,4)"], None, None),
        (["30-Oct-09", "2-Nov-09"], None, None),
        (["12:30", "7:45"], None, None),
        (["1-2-3", "4-5-6"], None, None),
    ],
)
def test_the_format_of_numbers(
    cells: list[str], format_: NumberFormat | None, values: list[float] | None
) -> None:
    text = cells_of(pl.Series("x", cells))
    found, _ = number_format(text)
    assert found == format_
    if found is not None:
        assert found.read(text).to_list() == values


def german(**more: list[str]) -> dict[str, list[Any]]:
    """A table of decimal commas; thousands have points."""
    preis = [992 + 37 * at for at in range(60)]
    return {
        "preis": [f"{one:,}".replace(",", ".") for one in preis],
        "gewicht": [f"{at % 7},{at % 3}" for at in range(60)],
        **more,
        "y": [2 * one for one in preis],
    }


def test_commas_that_may_part_thousands_are_told(write: Callable[..., Path]) -> None:
    cells = [f"{1 + at % 9},{at * 77 % 1000:03}" for at in range(40)]
    path = write("t.csv", csv_of({"p": cells, "y": [*range(40)]}, ";"))
    found = dr.columns(path)
    (told,) = [note for note in found.notes if "decimal mark" in note]
    assert "so 1,000 in p is 1.000; if not, say --read decimal=." in told
    said = dr.columns(dr.source(path, decimal="."))
    assert said.columns.row(0)[2] == "1000 to 9695"
    assert not [note for note in said.notes if "decimal mark" in note]


@pytest.mark.parametrize(
    ("said", "marks", "high"),
    [(".", ("comma", "point"), 39.25), (",", ("point", "comma"), 39.25), (None, None, 39.25)],
)
def test_a_column_of_another_decimal_mark_than_was_said_is_told(
    write: Callable[..., Path], said: str | None, marks: tuple[str, str] | None, high: float
) -> None:
    own = "." if said == "," else ","
    cells = [f"{at}{own}25" for at in range(40)]
    path = write("t.csv", csv_of({"p": cells, "y": [*range(40)]}, ";"))
    found = dr.columns(dr.source(path, decimal=said) if said else path)
    assert found.columns.row(0)[2] == f"0.25 to {high}"
    told = [note for note in found.notes if "decimal" in note]
    wanted = (
        [
            f"p: read with a decimal {marks[0]}, though the table's is a {marks[1]}, as "
            f"0{own}25 in p is no number with that"
        ]
        if marks
        else []
    )
    assert told == wanted


def test_numbers_learnt_as_numbers_may_begin_with_zero_in_text() -> None:
    # A file's cells are parsed as numbers where numbers were learnt from; JSON text is too.
    model = dr.learn({"code": [1, 2, 10] * 20, "y": [3, 6, 30] * 20}, predict="y", loss="squared")
    asked = {"code": ["01", "1", "010", "2"]}
    assert model.predict(asked)["y_prediction"] == pytest.approx([3, 3, 30, 6])
    assert model.predict([{"code": "02"}]) == [{"y_prediction": pytest.approx(6)}]


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_a_decimal_comma_holds_for_the_whole_file(
    write: Callable[..., Path], separator: str
) -> None:
    path = write("de.csv", csv_of(german(), separator))
    model = dr.learn(path, predict="y", using=["preis"], ridge=0)
    assert weights(model) == pytest.approx([2.0])
    assert model.record.contract.columns[0].high == 992 + 37 * 59
    (told,) = [note for note in model.record.notes if "decimal mark is a comma" in note]
    assert "so 1.029 in preis is 1029" in told
    # The model knows the mark where a row alone does not tell it.
    assert model.predict({"preis": "2.566"})["y_prediction"] == pytest.approx(5132)
    assert model.predict({"preis": 2566})["y_prediction"] == pytest.approx(5132)
    points = write("en.csv", "preis,w\n2566.0,6.3\n1582.5,2.75\n")
    assert model.predict(points)["y_prediction"].to_list() == pytest.approx([5132, 3165])


def test_a_thousands_point_beyond_the_look_is_no_decimal_point(write: Callable[..., Path]) -> None:
    lines = [f"{at % 900};{at % 7},{at % 3};{2 * (at % 900)}" for at in range(LOOK_ROWS + 10)]
    lines[-3] = "2.566;6,3;5132"
    model = dr.learn(write("t.csv", "preis;g;y\n" + "\n".join(lines)), predict="y", ridge=0)
    assert model.record.contract.columns[0].high == 2566
    assert weights(model) == pytest.approx([2.0, 0.0], abs=1e-9)


def test_the_decimal_mark_may_be_said(write: Callable[..., Path], run: Callable[..., Any]) -> None:
    path = write("t.csv", csv_of(german(), ";"))
    told = run("learn", path, "--predict=y", "--using=preis", "--read=decimal=.", "--json")
    assert json.loads(told.out)["columns"][0]["done"].startswith("used as it is")
    assert "decimal=x is unknown" in run("columns", path, "--read=decimal=x").refused()


@pytest.mark.parametrize("codes", [["03", "10", "21"], ["030151360", "130151361", "230151362"]])
def test_codes_that_begin_with_0_are_labels_and_told(
    write: Callable[..., Path], codes: list[str]
) -> None:
    columns = table(60) | {"plz": codes * 20}
    model = learnt(write("t.csv", csv_of(columns)))
    (plz,) = [one for one in model.record.contract.columns if one.name == "plz"]
    assert plz.kind == "category"
    assert set(plz.known) == set(codes)
    assert any(note.startswith("plz: labels, not numbers") for note in model.record.notes)
    number = learnt(write("t.csv", csv_of(columns)), using=["number(plz)"])
    assert number.record.contract.columns[0].low == float(codes[0])


def test_numbers_below_1_are_no_codes(write: Callable[..., Path]) -> None:
    columns = table(60) | {
        "share": [f"0.{at:02}" for at in range(60)],
        "none": ["0", "10", "0"] * 20,
    }
    model = learnt(write("t.csv", csv_of(columns)))
    assert [one.kind for one in model.record.contract.columns] == ["number"] * 4


def test_whole_numbers_that_name_rows_are_told() -> None:
    rng = np.random.default_rng(0)
    apart = rng.permutation(9_000)[:300]
    columns = {
        "customer_id": apart,
        "row": np.arange(300),
        "userId": apart[::-1].copy(),
        "paid": rng.permutation(9_000)[:300],
        "year": np.arange(1700, 2000),
        "fluid": rng.permutation(9_000)[:300],
        "y": rng.normal(size=300),
    }
    notes = dr.learn(columns, predict="y").record.notes
    assert notes[0].startswith("customer_id, row, userId: whole numbers that differ in nearly")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.0], ["1", "2"]),
        ([1.0, 2.5], ["1", "2.5"]),
        (["1", "2"], ["1", "2"]),
        (["1.0", "2.00"], ["1", "2"]),
        (["True", "FALSE"], ["false", "true"]),
        ([True, False], ["false", "true"]),
        (["01", "02"], ["01", "02"]),
    ],
)
@pytest.mark.parametrize("kind", ["dict", "csv", "parquet"])
def test_classes_are_called_by_their_value(
    tmp_path: Path, values: list[Any], names: list[str], kind: str
) -> None:
    frame = pl.DataFrame(
        {"x": list(range(40)), "y": [values[at % 3 > at // 15] for at in range(40)]}
    )
    source: Any = frame.to_dict(as_series=False)
    if kind == "csv":
        frame.write_csv(source := tmp_path / "t.csv")
    elif kind == "parquet":
        frame.write_parquet(source := tmp_path / "t.parquet")
    model = dr.learn(source, predict="y", loss="softmax", ridge=0, folds=2)
    assert list(model.record.contract.targets[0].classes) == names
    assert model.compare(frame).rows == 40


def test_a_byte_that_is_no_text_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"n{at % 5},{at % 50},{at % 7}".encode() for at in range(9_000)]
    for wrong in (b"n\xff,3,4", b"n,3\xfe,4"):
        lines[8_500] = wrong
        path.write_bytes(b"n,x,y\n" + b"\n".join(lines))
        with pytest.raises(ReadError, match=r"line 8502: byte \d+ of the file is not UTF-8"):
            dr.learn(path, predict="y")


@pytest.mark.parametrize("ending", ["csv", "json", "ndjson", "parquet", "dict"])
@pytest.mark.parametrize(
    ("unit", "others", "good"),
    [
        ("{} %", "{}", True),
        ("${}", "{}", True),
        ("{} EUR", "{}", True),
        ("{}%", "{}.0", True),
        ("${}", "€{}", False),
        ("{} %", "${}", False),
    ],
)
def test_numbers_that_were_learnt_with_a_unit_may_come_without(
    tmp_path: Path, ending: str, unit: str, others: str, good: bool
) -> None:
    values = [40 + at * 7 % 31 for at in range(60)]
    learnt = {"x": [unit.format(v) for v in values], "y": [2.0 * v + 1 for v in values]}
    new = {"x": [others.format(v) for v in values[:20]]}
    model = dr.learn(pl.DataFrame(learnt), predict="y", ridge=0)
    table: Any = pl.DataFrame(new)
    if ending != "dict":
        table = tmp_path / f"t.{ending}"
        rows = pl.DataFrame(new)
        if ending == "json":
            table.write_text(json.dumps(rows.to_dicts()))
        else:
            getattr(rows, f"write_{ending}")(table)
    if not good:
        with pytest.raises(DeltaruleError, match="is not a number"):
            model.predict(table)
        return
    found = model.predict(table)
    assert list(found["y_prediction"]) == pytest.approx([2.0 * v + 1 for v in values[:20]])


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_a_cell_that_an_expression_cannot_read_is_named_with_its_place(
    tmp_path: Path, ending: str
) -> None:
    rows = pl.DataFrame(
        {"power": [str(at) if at != 57 else "n.k." for at in range(99)], "y": [*range(99)]}
    )
    getattr(rows, f"write_{ending}")(tmp_path / f"t.{ending}")
    with pytest.raises(DeltaruleError) as error:
        dr.learn(tmp_path / f"t.{ending}", predict="y", using="number(power)")
    place = "line 59" if ending == "csv" else "row 58"
    assert f"column 'power', {place}: 'n.k.' is not a number" in str(error.value)


def test_levels_that_differ_only_in_blanks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    kinds = ["a", "a ", "b", "c"]
    lines = [f"{kinds[at % 4]},{at % 4 + at % 3}" for at in range(200)]
    path.write_text("\n".join(["kind,y", *lines]))
    record = dr.learn(path, predict="y").record
    told = [note for note in record.notes if "differ only in the blanks" in note]
    assert any("'a ' and 'a'" in note and "trim(kind)" in note for note in told)
    mended = dr.learn(path, predict="y", using="trim(kind)").record
    assert not any("blanks" in note for note in mended.notes)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["$1,234.50", "US$ 17", "12.5 USD"], "'$', 'US$', 'USD'"),
        (["12 %", "$12"], "'$', '%'"),
        (["5", "7 EUR", "9"], "none, 'EUR'"),
    ],
)
def test_numbers_of_several_units_are_told(cells: list[str], told: str) -> None:
    rows = pl.DataFrame(
        {"price": [f"{cell}" for cell in cells * 40], "y": range(40 * len(cells)), "x": 1.0}
    )
    rows = rows.with_columns(x=pl.col("y") % 7)
    notes = dr.learn(rows, predict="y").record.notes
    [note] = [one for one in notes if "several units" in one]
    assert note.startswith("price is text")
    assert all(unit in note for unit in told.split(", "))


def test_a_target_of_huge_whole_numbers_gives_no_warning() -> None:
    rows = pl.DataFrame(
        {"x": [float(at) for at in range(50)], "y": [at * 1e300 for at in range(50)]}
    )
    assert dr.learn(rows, predict="y", ridge=0).record.fit[0].r2 == pytest.approx(1)


@pytest.mark.parametrize("first", ["%Y-%m-%d", "%d/%m/%Y"])
@pytest.mark.parametrize("using", ["days(d)", "category(d)", "d"])
def test_a_date_is_its_day_at_prediction_whatever_stands_beside_it(first, using):
    days = [datetime(2020, 1, 1 + at % 9).strftime(first) for at in range(90)]
    model = dr.learn({"d": days, "y": [at % 9.0 for at in range(90)]}, predict="y", using=[using])
    alone = model.predict({"d": [days[4]]})["y_prediction"][0]
    beside = [days[4], f"{days[4]} 14:05", f"{days[4]} 00:00", days[4]]
    assert list(model.predict({"d": beside})["y_prediction"]) == [alone] * 4
    assert model.predict({"d": f"{days[4]} 14:05:30"})["y_prediction"] == alone


@pytest.mark.parametrize("kind", [pl.Float32, pl.Float64])
def test_a_missing_word_is_a_number_of_either_precision(kind: type[pl.DataType]) -> None:
    x = np.random.default_rng(0).normal(50, 9, 300)
    x[::9] = -99.9
    rows = pl.DataFrame({"v": pl.Series(x, dtype=kind), "y": 2 * x})
    model = dr.learn(rows, predict="y", using="v", ridge=0, missing_words="-99.9")
    assert model.record.contract.columns[0].low > 0


@pytest.mark.parametrize(
    "kind",
    [pl.Date, pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Datetime("ns", "America/New_York")],
)
def test_a_missing_word_is_a_date_of_any_type(kind: Any) -> None:
    days = [
        datetime(1900, 1, 1) if at % 9 == 0 else datetime(2020, 1, 1 + at % 28) for at in range(200)
    ]
    y = [50.0 if at % 9 == 0 else float(at % 28) for at in range(200)]
    table = pl.DataFrame({"v": pl.Series(days), "y": y})
    zone = kind.time_zone if isinstance(kind, pl.Datetime) else None
    v = pl.col("v").dt.replace_time_zone(zone) if zone else pl.col("v")
    table = table.with_columns(v.cast(kind))
    how = {"predict": "y", "using": "v", "ridge": 0, "dates": "days"}
    model = dr.learn(table, **how, missing_words=["1900-01-01", "gone"])
    assert model.coef["days(v)"] == pytest.approx(1, abs=1e-9)
    assert model.predict(table).to_series().to_list() == pytest.approx(y)
    assert model.predict(table[:1])["y_prediction"].to_list() == pytest.approx([50])
    later = dr.learn(table, **how, missing_words="1900-01-01", where="v > '1890-01-01'")
    assert later.record.examples == 200 - 23
