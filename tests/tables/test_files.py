"""What a path is: formats, folders, patterns, partitions, standard input, and what is no table."""

import datetime as dt
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

import deltarule as dr
from deltarule.errors import DeltaruleError, EmptyError, NotFoundError
from deltarule.tables.files.open import open_file
from deltarule.tables.source import BATCH_ROWS

Write = Callable[..., Path]

FRAME = pl.DataFrame(
    {
        "x": [1.5, None, 3.25, -4.0, 5.0, 6.5],
        "c": ["a", "b", None, "a", "d, e", 'f"'],
        "n": [1, 2, 3, 4, 5, 6],
        "b": [True, False, None, True, True, False],
    }
)

WRITERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "t.csv": lambda frame, path: frame.write_csv(path),
    "t.tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "t.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv().encode())),
    "t.parquet": lambda frame, path: frame.write_parquet(path),
    "t.pq": lambda frame, path: frame.write_parquet(path, row_group_size=2),
    "t.arrow": lambda frame, path: frame.write_ipc(path),
    "t.feather": lambda frame, path: frame.write_ipc(path, compression="zstd"),
    "s.arrow": lambda frame, path: frame.write_ipc_stream(path),
    "t.ndjson": lambda frame, path: frame.write_ndjson(path),
    "t.jsonl": lambda frame, path: frame.write_ndjson(path),
    "t.json": lambda frame, path: frame.write_json(path),
    "t.ndjson.gz": lambda frame, path: path.write_bytes(
        gzip.compress(frame.write_ndjson().encode())
    ),
    "t.xlsx": lambda frame, path: frame.write_excel(path),
}


def read(path: Path | str, **how: str) -> pl.DataFrame:
    """All of a table."""
    return pl.concat(open_file(path, how).batches([pl.all()]))


def refusal(path: Path | str, **how: str) -> str:
    """The one line that reading a file is refused with."""
    with pytest.raises(DeltaruleError) as refused:
        list(open_file(path, how).batches([pl.all()]))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def as_floats(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Rows to compare: text files have whole numbers as fractions."""
    return frame.with_columns(pl.col(pl.Int64).cast(pl.Float64)).rows()


# Formats


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    WRITERS[name](FRAME, tmp_path / name)
    found = read(tmp_path / name)
    assert found.columns == FRAME.columns
    assert as_floats(found) == as_floats(FRAME)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_says_what_it_is_and_counts_its_reads(tmp_path: Path, name: str) -> None:
    WRITERS[name](FRAME, tmp_path / name)
    source = open_file(str(tmp_path / name))
    assert source.dialect
    assert source.notes == []
    assert source.name == str(tmp_path / name)
    before = source.reads
    assert source.look().height == 6
    assert source.reads == before
    list(source.batches([pl.col("x")]))
    assert source.reads == before + 1
    # All of JSON has to be seen before its columns are known.
    assert before == ("json" in name)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("size", [0, 1])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    WRITERS[name](FRAME, path)
    whole = path.read_bytes()
    cut = whole[: size * len(whole) // 2]
    path.write_bytes(cut)
    if size and name in ("t.csv", "t.tsv"):
        return  # half a CSV is a shorter CSV
    assert str(path) in refusal(path)


BATCHED = ["t.csv", "t.parquet", "t.arrow", "s.arrow", "t.ndjson", "t.csv.gz", "t.json"]


@pytest.mark.parametrize("name", BATCHED)
def test_batches_are_all_of_one_size_but_the_last(tmp_path: Path, name: str) -> None:
    rows = 2 * BATCH_ROWS + 17
    frame = pl.DataFrame({"x": np.arange(rows), "y": np.arange(rows) % 7})
    WRITERS[name](frame, tmp_path / name)
    batches = list(open_file(tmp_path / name).batches([pl.col("x").cast(pl.Int64)]))
    assert [batch.height for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 17]
    assert pl.concat(batches)["x"].equals(frame["x"])


def test_every_format_gives_the_same_model(tmp_path: Path, mixed: pl.DataFrame) -> None:
    whole = dr.learn(mixed, predict="price")
    for name, write in WRITERS.items():
        write(mixed, tmp_path / name)
        model = dr.learn(tmp_path / name, predict="price")
        if name == "t.xlsx":  # it is written with 16 digits, doubles need 17
            for one, other in zip(model.record.weights, whole.record.weights, strict=True):
                assert one.weight == pytest.approx(other.weight, rel=1e-9)
            continue
        assert model.record.weights == whole.record.weights, name
        assert model.record.held_out == whole.record.held_out, name


def test_what_a_file_is_counts_more_than_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for write, kind in ((FRAME.write_parquet, "Parquet"), (FRAME.write_ipc, "Arrow")):
        write(path)
        source = open_file(path)
        assert source.dialect == kind
        assert any(".csv" in note for note in source.notes)
        assert source.look().equals(FRAME)
        assert "is no csv file" in refusal(path, format="csv")


@pytest.mark.parametrize("ending", ["parquet", "arrow", "xlsx", "xls"])
def test_text_called_by_another_name_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    FRAME.write_csv(path)
    assert "is no " in refusal(path)
    assert read(path, format="csv").height == 6


def test_a_name_without_an_ending_needs_its_format(tmp_path: Path) -> None:
    path = tmp_path / "table"
    FRAME.write_csv(path)
    assert "format=csv" in refusal(path)
    assert read(path, format="csv").columns == FRAME.columns
    FRAME.write_parquet(path)
    assert read(path).equals(FRAME)


@pytest.mark.parametrize("name", ["PAR1", "FEA1", "ARROW1", "BZh", "PK"])
def test_a_column_called_as_another_format_begins(write: Write, name: str) -> None:
    assert read(write("t.csv", f"{name},y\n1,2\n")).columns == [name, "y"]


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '[{"x":1,"y":"a"},{"x":2.5,"y":null}]',
        '{"x":[1,2.5],"y":["a",null]}',
        '{"x":{"0":1,"1":2.5},"y":{"0":"a","1":null}}',
        '{"x":1,"y":"a"}\n{"x":2.5,"y":null}\n',
        '{"x":1,"y":"a"}\n\n{"x":2.5}\n\n',
        '\ufeff[\n  {"x":1, "y":"a"},\n  {"x":2.5}\n]',
        '{\n  "x": [1, 2.5],\n  "y": ["a", null]\n}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_shapes_of_json(write: Write, text: str, encoding: str) -> None:
    found = read(write("t.json", text.encode(encoding)))
    assert found.columns == ["x", "y"]
    assert found.rows() == [(1.0, "a"), (2.5, None)]


@pytest.mark.parametrize("name", ["t.json", "t.ndjson"])
def test_keys_and_types_that_come_late(write: Write, name: str) -> None:
    rows: list[dict[str, Any]] = [{"x": at, "y": at % 7} for at in range(20_000)]
    rows += [{"x": 0.5, "y": 1, "z": "new"}, {"y": 2}]
    text = json.dumps(rows) if name == "t.json" else "\n".join(map(json.dumps, rows))
    found = read(write(name, text))
    assert found.columns == ["x", "y", "z"]
    assert found.rows()[-2:] == [(0.5, 1, "new"), (None, 2, None)]
    assert found.height == 20_002


def test_nested_values_are_columns_that_are_no_inputs(write: Write) -> None:
    rows = [{"x": at, "y": at * 2, "deep": {"a": [1]}, "list": [at]} for at in range(9)]
    model = dr.learn(write("t.ndjson", "\n".join(map(json.dumps, rows))), predict="y", ridge=0)
    kinds = {one.column: one.done for one in model.record.columns}
    assert model.record.weights[0].weight == pytest.approx(2)
    assert set(kinds) == {"x", "y", "deep", "list"}


@pytest.mark.parametrize("name", ["t.json", "t.ndjson"])
@pytest.mark.parametrize("at", [0, 7, 1999])
def test_a_key_twice_in_any_record_is_refused(write: Write, name: str, at: int) -> None:
    rows = [f'{{"x": {row}, "y": "a \\"x\\": {row}"}}' for row in range(2000)]
    text = "[" + ",\n".join(rows) + "]" if name == "t.json" else "\n".join(rows)
    assert read(write(name, text)).height == 2000
    wrong = text.replace(rows[at], '{"x": 1, "y": null, "x" : null}')
    assert "'x' twice" in refusal(write(name, wrong))


def test_a_key_in_objects_within_one_another_is_not_twice(write: Write) -> None:
    rows = ['{"x": 1, "deep": {"x": 2}, "y": {"x": 2}}'] * 3
    assert read(write("t.ndjson", "\n".join(rows))).columns == ["x", "deep", "y"]
    assert read(write("t.json", f"[{','.join(rows)}]")).columns == ["x", "deep", "y"]


def test_a_name_with_an_escape_is_its_own(write: Write) -> None:
    rows = ['{"x": 1, "z\\u0078": 2, "\\"x\\"": 3}'] * 3
    assert read(write("t.ndjson", "\n".join(rows))).columns == ["x", "zx", '"x"']


@pytest.mark.parametrize("name", ["t.json", "t.ndjson", "t.xlsx"])
def test_blanks_around_names_are_no_part_of_them(tmp_path: Path, name: str) -> None:
    WRITERS[name](FRAME.rename({"x": " x", "n": "n\t"}), tmp_path / name)
    assert read(tmp_path / name).columns == FRAME.columns
    WRITERS[name](FRAME.rename({"x": " n"}), tmp_path / name)
    assert "'n'" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.ndjson", '{"x":1}\n{"x":\n{"x":3}\n', ["line 2"]),
        ("t.ndjson", '{"x":1}\n[2]\n', ["line 2", "object"]),
        ("t.ndjson", '{"x":1}\n{"x":NaN}\n', ["line 2", "NaN"]),
        ("t.ndjson", "1\n2\n", ["line 1"]),
        ("t.ndjson", '{"x":1,"x":2}\n', ["'x'", "twice"]),
        ("t.json", '[{"x":1,"x":2}]', ["'x'", "twice"]),
        ("t.json", '{"x":[1],"x":[2]}', ["'x'", "twice"]),
        ("t.ndjson", '{"x":1}\n{"x":1,"\\u0078":2}\n', ["'x'", "twice"]),
        ("t.ndjson", '{"a/b":1,"a\\/b" :2}\n', ["'a/b'", "twice"]),
        ("t.json", '[{"x":1},{"\\u0078":1,"x":2}]', ["'x'", "twice"]),
        ("t.json", '{"r":[{"x":1,"\\u0078":2}]}', ["'x'", "twice"]),
        ("t.json", '{"x":[1],"\\u0078":[2]}', ["'x'", "twice"]),
        ("t.json", '[{"x":1},{"x":', ["no JSON"]),
        ("t.json", '{"x":[1,2],"y":[1]}', ["'x'", "'y'", "2", "1"]),
        ("t.json", '{\n"x":{"deep":{"a":1}},\n"y":3}', ["no table"]),
        ("t.json", "[1,2]", ["no table"]),
        ("t.json", "[]", ["no records"]),
        ("t.json", "null", ["t.json"]),
        ("t.json", '[{"x":1}] [', ["no JSON"]),
        ("t.json", "x,y\n1,2\n", ["no JSON"]),
        ("t.json", "[" * 100_000, ["t.json"]),
        ("t.json", '{"a":' * 100_000, ["t.json"]),
        ("t.json", b'[{"x":"\xfc"}]\n[\xc3\xbc\xc3\xbc]', ["byte 8"]),
    ],
    ids=range(23),
)
def test_json_that_is_no_table(write: Write, name: str, text: str | bytes, said: list[str]) -> None:
    line = refusal(write(name, text))
    for part in [name, *said]:
        assert part in line


# Excel


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    with xlsxwriter.Workbook(path, {"nan_inf_to_errors": True}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if isinstance(cell, dt.date):
                        sheet.write_datetime(at, place, cell, day)  # type: ignore[arg-type]
                    else:
                        sheet.write(at, place, cell)
    return path


DAYS = [["x", "day", "c"], [1, dt.date(2020, 1, 1), "a"], [2.5, dt.date(2020, 1, 2), None]]


def test_excel_sheets(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"one": DAYS, "two words": [["y"], [7]], "none": []})
    source = open_file(path)
    assert source.dialect == "Excel, sheet 'one', header"
    assert any("'two words'" in note for note in source.notes)
    assert source.look().rows() == [(1, dt.date(2020, 1, 1), "a"), (2.5, dt.date(2020, 1, 2), None)]
    assert read(path, sheet="two words").rows() == [(7,)]
    assert "it has one, two words, none" in refusal(path, sheet="three")
    assert "'none' is empty" in refusal(path, sheet="none")


def test_the_first_excel_sheet_that_is_not_hidden_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    for hidden in (["one"], ["one", "two"], []):
        with xlsxwriter.Workbook(path) as book:
            for at, name in enumerate(["one", "two", "three"]):
                sheet = book.add_worksheet(name)
                sheet.write_column(0, 0, [name, at])
                if name in hidden:
                    sheet.hide()
                elif name == "three":
                    sheet.activate()
        assert open_file(path).look().columns == [["one", "two", "three"][len(hidden)]]
    assert read(path, sheet="two").columns == ["two"]  # hidden or not


def test_an_empty_excel_sheet_names_the_others(tmp_path: Path) -> None:
    said = refusal(workbook(tmp_path / "t.xlsx", {"Sheet1": [], "data": DAYS}))
    assert "'Sheet1' is empty" in said
    assert said.endswith("say sheet=NAME for another of its sheets, 'data'")
    said = refusal(workbook(tmp_path / "u.xlsx", {"Sheet1": []}))
    assert said.endswith("sheet 'Sheet1' is empty")


def test_times_of_day_in_excel_are_no_days_of_1899(tmp_path: Path) -> None:
    at = [dt.time(hour, 30) for hour in range(24)]
    path = tmp_path / "t.xlsx"
    with xlsxwriter.Workbook(path) as book:
        clock = book.add_format({"num_format": "hh:mm"})
        stamp = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["at", "then", "y"])
        for row, time in enumerate(at, start=1):
            sheet.write_datetime(row, 0, time, clock)
            sheet.write_datetime(row, 1, dt.datetime.combine(dt.date(2024, 1, row), time), stamp)
            sheet.write(row, 2, row)
    found = read(path)
    assert found["at"].to_list() == at
    assert found["then"][3] == dt.datetime(2024, 1, 4, 3, 30)
    assert "days(at)" not in dr.columns(path).columns["column"]


def test_an_excel_table_below_titles(tmp_path: Path) -> None:
    rows = [["Sales of 2020"], [], [], *DAYS]
    source = open_file(workbook(tmp_path / "t.xlsx", {"one": rows}))
    assert source.look().columns == ["x", "day", "c"]
    assert source.look().height == 2
    assert any("Sales of 2020" in note for note in source.notes)
    bare = [[at, at * 2, "ab"[at % 2]] for at in range(5)]
    source = open_file(workbook(tmp_path / "u.xlsx", {"one": bare}))
    assert source.look().columns == ["column_1", "column_2", "column_3"]
    assert source.look().height == 5


def test_an_excel_name_twice_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"one": [["x", "y", "x"], [1, 2, 3]]})
    assert "'x'" in refusal(path)


def test_words_for_missing_in_excel_are_gaps(tmp_path: Path) -> None:
    rows = [["x", "y"], *[["n/a" if at == 7 else at, at * 2] for at in range(30)]]
    path = workbook(tmp_path / "t.xlsx", {"one": rows})
    assert dr.learn(path, predict="y").record.contract.columns[0].missing == 1


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04" * 99]
)
def test_a_broken_workbook(write: Write, content: bytes) -> None:
    assert "t.xlsx" in refusal(write("t.xlsx", content))


def test_excel_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "t.xlsx", {"one": DAYS})
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    assert "pip install 'deltarule[excel]'" in refusal(path)


# Folders and patterns


def parts(folder: Path, ending: str, frames: list[pl.DataFrame]) -> Path:
    folder.mkdir(exist_ok=True)
    for at, frame in enumerate(frames):
        WRITERS[f"t.{ending}"](frame, folder / f"part-{at}.{ending}")
    return folder


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "parquet", "arrow", "ndjson"])
def test_a_folder_or_pattern_of_parts_is_one_table(tmp_path: Path, ending: str) -> None:
    folder = parts(tmp_path / "films", ending, [FRAME[:2], FRAME[2:3], FRAME[3:]])
    for path in (folder, f"{folder}/part-*.{ending}", f"{folder}/*", f"{tmp_path}/f*s"):
        source = open_file(path)
        assert "3 files" in source.dialect
        assert as_floats(pl.concat(source.batches([pl.all()]))) == as_floats(FRAME)
    assert read(f"{folder}/part-[02].{ending}").height == 5


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_parts_are_batched_as_one_file_is(tmp_path: Path, ending: str) -> None:
    rows = 2 * BATCH_ROWS + 17
    frame = pl.DataFrame({"x": np.arange(rows) / 8, "y": np.arange(rows) % 7})
    folder = parts(
        tmp_path / "t", ending, [frame[:100_000], frame[100_000:100_001], frame[100_001:]]
    )
    batches = list(open_file(folder).batches([pl.col("x")]))
    assert [batch.height for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 17]
    assert pl.concat(batches)["x"].equals(frame["x"])
    one, all_ = dr.learn(frame, predict="y"), dr.learn(folder, predict="y")
    assert one.record.weights == all_.record.weights


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "ndjson"])
def test_folders_that_hide_a_column_of_the_files_are_told(tmp_path: Path, ending: str) -> None:
    for year in (2020, 2021):
        frame = FRAME.with_columns(year=pl.lit(1))
        parts(tmp_path / f"year={year}", ending, [frame])
    source = open_file(tmp_path)
    found = pl.concat(source.batches([pl.all()]))
    assert found["year"].unique(maintain_order=True).to_list() == [2020, 2021]
    assert [note for note in source.notes if "'year'" in note]


def test_types_that_only_a_later_part_shows(tmp_path: Path) -> None:
    wide = FRAME.with_columns(n=pl.col("n") + 0.5)
    for ending in ("csv", "parquet", "arrow", "ndjson"):
        found = read(parts(tmp_path / ending, ending, [FRAME, wide]))
        assert found["n"].to_list() == [*range(1, 7), *[at + 0.5 for at in range(1, 7)]]
    nothing = FRAME.with_columns(c=pl.lit(None))
    found = read(parts(tmp_path / "null", "parquet", [nothing, FRAME]))
    assert found["c"].to_list() == [None] * 6 + FRAME["c"].to_list()


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_a_part_with_other_columns_is_refused_by_name(tmp_path: Path, ending: str) -> None:
    others = [FRAME.drop("c"), FRAME.with_columns(z=1), FRAME.rename({"c": "C"})]
    for at, other in enumerate(others):
        line = refusal(parts(tmp_path / f"{at}", ending, [FRAME, FRAME, other]))
        assert f"part-2.{ending}" in line
        assert "'c'" in line or "'z'" in line


def test_a_part_with_columns_in_another_order(tmp_path: Path) -> None:
    turned = FRAME.select(reversed(FRAME.columns))
    for ending in ("csv", "tsv", "csv.gz", "parquet", "arrow", "ndjson"):
        found = read(parts(tmp_path / ending, ending, [turned, FRAME, turned]))
        assert found.select(FRAME.columns).equals(pl.concat([FRAME] * 3)), ending


def test_large_parts_with_columns_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltarule.tables.files.csv_source.AT_ONCE", 0)
    turned = FRAME.select(reversed(FRAME.columns))
    found = read(parts(tmp_path / "csv", "csv", [turned, FRAME]))
    assert found.columns == turned.columns
    assert found.select(FRAME.columns).equals(pl.concat([FRAME] * 2))
    look = open_file(tmp_path / "csv").look()
    assert look.equals(found)


def test_a_part_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    text = FRAME.with_columns(n=pl.lit("many"))
    line = refusal(parts(tmp_path / "t", "parquet", [FRAME, text]))
    assert "part-1.parquet" in line
    assert "'n'" in line


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("labels", [["a", "b"], [7, 8]], ids=["text", "numbers"])
def test_categories_of_pandas_with_gaps_are_read_from_arrow_files(
    tmp_path: Path, labels: list[Any], streamed: bool
) -> None:
    # pandas writes -1 as the key of a missing category.
    frame = pd.DataFrame({"c": pd.Categorical([labels[1], None, labels[0]] * 4), "n": range(12)})
    if streamed:
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_stream(tmp_path / "t.arrow", table.schema) as writer:
            writer.write_table(table)
        paths = [tmp_path / "t.arrow"]
    else:
        (tmp_path / "year=2020").mkdir()
        paths = [tmp_path / "t.feather", tmp_path / "year=2020" / "t.feather"]
        for path in paths:
            frame.to_feather(path)
    for path in paths:
        found = read(path.parent if path.parent != tmp_path else path)
        assert found["c"].cast(pl.String).to_list() == [str(labels[1]), None, str(labels[0])] * 4
        assert found["n"].to_list() == list(range(12))


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "ndjson"])
def test_folders_called_column_and_value_are_columns(tmp_path: Path, ending: str) -> None:
    for year in (2020, 2021):
        for land in ("Å land", "b"):
            folder = tmp_path / "t" / f"year={year}" / f"land={land}"
            folder.mkdir(parents=True)
            WRITERS[f"t.{ending}"](FRAME, folder / f"part.{ending}")
    for path in (tmp_path / "t", f"{tmp_path}/t/year=*/land=*/*.{ending}"):
        found = read(path)
        assert found.columns == [*FRAME.columns, "year", "land"]
        assert found["year"].to_list() == [2020] * 12 + [2021] * 12
        assert found["land"][:12].to_list() == ["b"] * 6 + ["Å land"] * 6
    look = open_file(tmp_path / "t").look()
    assert look["year"].dtype == pl.Int64
    assert read(tmp_path / "t" / "year=2020").columns == [*FRAME.columns, "land"]
    (tmp_path / "t" / "year=2020" / f"stray.{ending}").write_bytes(
        (tmp_path / "t" / "year=2020" / "land=b" / f"part.{ending}").read_bytes()
    )
    assert "stray" in refusal(tmp_path / "t")


def test_codes_in_the_names_of_folders_are_text_as_in_files(tmp_path: Path) -> None:
    """Months of two digits are numbers, as other readers of such folders have it."""
    for month, code in (("01", "01067"), ("12", "10115")):
        folder = tmp_path / f"month={month}" / f"code={code}"
        folder.mkdir(parents=True)
        FRAME.write_csv(folder / "t.csv")
    found = read(tmp_path)
    assert found["month"].to_list() == [1] * 6 + [12] * 6
    assert found["code"].to_list() == ["01067"] * 6 + ["10115"] * 6
    listed = dr.columns(tmp_path)
    assert listed.columns.filter(column="code")["kind"].item() == "category"
    assert "begin with 0" in " ".join(listed.notes)


def test_partitions_by_themselves_are_learnt_from(tmp_path: Path) -> None:
    for year in range(2000, 2010):
        (tmp_path / f"year={year}").mkdir()
        frame = pl.DataFrame({"x": [0.0, 1.0, 5.0], "y": [year * 2.0] * 3})
        frame.write_parquet(tmp_path / f"year={year}" / "p.parquet")
    (tmp_path / "year=__HIVE_DEFAULT_PARTITION__").mkdir()
    frame.write_parquet(tmp_path / "year=__HIVE_DEFAULT_PARTITION__" / "p.parquet")
    model = dr.learn(tmp_path, predict="y", using="year", missing="drop", ridge=0)
    assert model.record.weights[0].weight == pytest.approx(2)
    assert model.record.rows == 30


def test_what_else_lies_in_a_folder(tmp_path: Path) -> None:
    folder = parts(tmp_path / "t", "csv", [FRAME])
    for name in ("README.md", "_SUCCESS", ".part-0.csv.crc"):
        (folder / name).write_text("nothing")
    source = open_file(folder)
    assert source.look().height == 6
    assert source.notes == ["no table by its name, so not read: README.md"]
    FRAME.write_parquet(folder / "u.parquet")
    line = refusal(folder)
    assert "csv and parquet" in line
    assert read(folder / "*.csv").height == 6


def test_folders_that_are_no_tables(tmp_path: Path) -> None:
    assert "folder without tables" in refusal(tmp_path)
    (tmp_path / "t.csv").mkdir()
    assert "folder" in refusal(tmp_path / "t.csv")
    (tmp_path / "t.csv" / "README.md").write_text("nothing")
    assert "folder" in refusal(tmp_path / "t.csv")
    (tmp_path / "u").mkdir()
    for name in ("a.json", "b.json"):
        (tmp_path / "u" / name).write_text('[{"x":1}]')
    assert "2 json files" in refusal(tmp_path / "u")


def test_a_file_with_the_signs_of_patterns_in_its_name(tmp_path: Path) -> None:
    for name in ("a[1].csv", "b*.parquet", "c?.ndjson", "d[!x]*.arrow", "e[a-z].json"):
        WRITERS[f"t.{name.split('.')[1]}"](FRAME, tmp_path / name)
        assert as_floats(read(tmp_path / name)) == as_floats(FRAME)
    FRAME[:1].write_csv(tmp_path / "a1.csv")
    assert read(tmp_path / "a[1].csv").height == 6
    (tmp_path / "a[1].csv").unlink()
    assert read(tmp_path / "a[1].csv").height == 1


# What is no file


@pytest.mark.parametrize("name", ["no.csv", "no*.csv", "no/t.csv", "t.csv/u.csv", "nul\0.csv"])
def test_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    with pytest.raises(NotFoundError):
        open_file(tmp_path / name)
    assert "\n" not in refusal(tmp_path / name)


def test_a_name_too_long_to_be_one(tmp_path: Path) -> None:
    assert "too long" in refusal(tmp_path / ("x" * 5000 + ".csv"))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_devices_are_refused(path: str) -> None:
    assert "device" in refusal(path)
    assert "device" in refusal(path, format="csv")


def test_pipes_are_refused_and_never_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    assert "pipe" in refusal(tmp_path / "t.csv")
    assert "folder" in refusal(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.write_csv(tmp_path / "t.csv")
    opened = Path.open

    def denied(self: Path, *rest: Any, **more: Any) -> Any:
        if self.suffix == ".csv":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *rest, **more)

    # The tests may run as one whom no permission stops.
    monkeypatch.setattr(Path, "open", denied)
    line = refusal(tmp_path / "t.csv")
    assert "Permission denied" in line
    assert "t.csv" in line


# Standard input


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_standard_input_is_what_its_content_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    WRITERS[name](FRAME, path)
    piped(monkeypatch, path.read_bytes())
    path.unlink()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = open_file("-")
    assert source.name == "standard input"
    assert source.notes == []
    for _ in range(2):
        assert as_floats(pl.concat(source.batches([pl.all()]))) == as_floats(FRAME)
    del source
    assert list(tmp_path.iterdir()) == []


def test_standard_input_with_nothing_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"")
    with pytest.raises(EmptyError, match="standard input is empty"):
        open_file("-")


def test_standard_input_is_told_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"a;b\n1;2\n")
    assert open_file(Path("-"), {"separator": "pipe"}).look().columns == ["a;b"]
    piped(monkeypatch, b'{"x":1}\n')
    assert open_file("-", {"format": "csv", "header": "no"}).look().height == 1
    piped(monkeypatch, b"x,y\n")
    assert "standard input" in refusal("-", format="parquet")


def test_standard_input_of_a_process_is_never_in_memory_whole(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from deltarule.tables.files.open import open_file\n"
        "import polars as pl\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000\n"
        "pl.DataFrame({'x': [1.5]}).lazy().collect(engine='streaming')\n"
        "before = peak()\n"
        "source = open_file('-')\n"
        "print(source.look().height, peak() - before)\n"
    )
    table = tmp_path / "t.csv"
    table.write_bytes(b"x,y\n" + b"1.25,some words to fill the line\n" * 3_000_000)
    with table.open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=stream, capture_output=True, text=True, check=True
        )
    rows, grown = done.stdout.split()
    assert int(rows) == 10_000
    assert float(grown) < 60  # of 99 MB


@pytest.mark.parametrize("name", ["t.csv", "t.xls", "t.xlsx", "t.txt", "t.json", "t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>", "a web page"),
        ("\n <HTML><table><tr><td>1</td></tr></table>", "a web page"),
        ("<!-- made by SAP --><table><tr><td>x</td></tr></table>", "a web page"),
        ('<?xml version="1.0"?>\n<Workbook><Row/></Workbook>', "XML"),
        ('<html xmlns:x="urn:schemas-microsoft-com:office:excel"><body/>', "a web page"),
    ],
)
def test_markup_is_refused_as_such_whatever_its_name(
    write: Write, name: str, encoding: str, text: str, what: str
) -> None:
    assert f"is {what}" in refusal(write(name, text.encode(encoding)))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
@pytest.mark.parametrize(
    "text",
    [
        '[{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}]',
        '{"x": 1, "y": "a"}\n{"x": 2.5, "y": "b"}\n',
        '{\n  "data": [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}]\n}',
        ' [\n {"x": 1, "y": "a"},\n {"x": 2.5, "y": "b"}\n ]\n',
    ],
)
def test_json_by_the_name_of_a_table_of_text_is_read_and_told(
    write: Write, name: str, text: str
) -> None:
    path = write(name, text)
    assert read(path).rows() == [(1.0, "a"), (2.5, "b")]
    assert any("JSON" in note for note in open_file(path).notes)


@pytest.mark.parametrize(
    "text", ["<x>,y\n1,2\n", "[x],y\n1,2\n", "{x},y\n1,2\n", '"{""x"":1}",y\n1,2\n']
)
def test_headers_that_look_like_something_else_are_headers(write: Write, text: str) -> None:
    assert read(write("t.csv", text)).rows() == [(1, 2)]


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_no_folder(name: str) -> None:
    assert "empty" in refusal(name)
