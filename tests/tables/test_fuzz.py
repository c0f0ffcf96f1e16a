"""Random tables, written in each format and read back: the values written, and the same model.

What a format cannot carry is not asked of it. Delimited text keeps whole numbers to 2 ** 53, as all
numbers there are floats, writes every column as text, so that the reader must be told what it was,
and is no text if it holds control characters. JSON has no NaN, infinities, dates and -0; SQLite no
booleans, dates, decimals and -0. A column without any value has no type but in files with types.
"""

import datetime as dt
import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import deltarule as dr
from deltarule.errors import DeltaruleError
from deltarule.tables.databases.database import open_database, write_table
from deltarule.tables.files.open import open_file

FUZZ = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

# Names and texts as people and programs make them.
ODD = [
    "a,b", 'c"d', '"', "''", "e;f", "g\th", "i|j", "k\nl", "m\r\nn",
    " o ", "#p", "\\", "=1+1", "%s",
    "\U0001f600", "日本", "a\u0301", "\ufeff", "\u2028", "null", "NA", "true", "1", "1.5", "-",
    "2020-01-01", "x; drop table t", "{", "[1]", "y" * 300,
]  # fmt: skip
TEXT = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
PRINTED = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
)
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 5e-324, -2.5e-310, 1e308, -1e308, 0.1, 1 / 3, 2.0**53, 1e15]),
    st.floats(allow_nan=False, allow_infinity=False),
)


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.sampled_from([low, high, 0]), st.integers(low, high))


# What a column may hold, by its type.
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    **{getattr(pl, f"Int{bits}"): whole(bits, signed=True) for bits in (8, 16, 32, 64)},
    **{getattr(pl, f"UInt{bits}"): whole(bits, signed=False) for bits in (8, 16, 32, 64)},
    pl.Float64: FLOATS,
    pl.Float32: st.floats(width=32),
    pl.Boolean: st.booleans(),
    pl.String: TEXT,
    pl.Date: st.dates(),
    pl.Datetime("us"): st.datetimes(),
    pl.Datetime("ns"): st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    pl.Duration("us"): st.timedeltas(-dt.timedelta(10**5), dt.timedelta(10**5)),
    pl.Time: st.times(),
    pl.Decimal(20, 4): st.decimals(-(10**15), 10**15, places=4),
    pl.Categorical: TEXT,
    pl.Binary: st.binary(max_size=5),
    pl.List(pl.Int64): st.lists(whole(64, signed=True), max_size=3),
}
NUMBERS = {pl.Float64: FLOATS, pl.Int64: st.integers(-(2**53), 2**53)}
PLAIN = {**NUMBERS, pl.String: PRINTED}
JSON = {**PLAIN, pl.Int64: whole(64, signed=True), pl.Boolean: st.booleans()}


def trimmed(name: str) -> str:
    """A name as text files keep it: without blanks at its ends and without a byte order mark."""
    return name.strip().lstrip("\ufeff").strip()


@st.composite
def tables(
    draw: st.DrawFn, kinds: dict[Any, st.SearchStrategy[Any]], names: st.SearchStrategy[str] = TEXT
) -> pl.DataFrame:
    """Between two and five columns of these kinds, with gaps."""
    called = draw(st.lists(names, min_size=2, max_size=5, unique=True))
    rows = draw(st.integers(1, 12))
    columns = []
    for name in called:
        kind = draw(st.sampled_from(list(kinds)))
        values = st.lists(st.none() | kinds[kind], min_size=rows, max_size=rows)
        columns.append(pl.Series(name, draw(values), dtype=kind))
    return pl.DataFrame(columns)


def back(source: Any) -> pl.DataFrame:
    """All that a source hands out; its look must promise the same types."""
    frame = pl.concat(list(source.batches([pl.all()])) or [source.look()])
    assert source.look().schema == frame.schema
    return frame


def assert_same(found: pl.DataFrame, expected: pl.DataFrame, *, signs: bool = True) -> None:
    """Equal, and zeros of the same sign."""
    assert_frame_equal(found, expected, check_exact=True, categorical_as_str=True)
    for name, kind in expected.schema.items():
        if signs and kind.is_float():
            one, other = (
                np.signbit(frame[name].fill_null(0).to_numpy()) for frame in (found, expected)
            )
            gaps = expected[name].is_nan().fill_null(True).to_numpy()
            assert (one[~gaps] == other[~gaps]).all(), name


def written(frame: pl.DataFrame, ending: str) -> bytes:
    """The frame as a file of this ending."""
    file = io.BytesIO()
    match ending.removesuffix(".gz").removesuffix(".zst"):
        case "parquet":
            frame.write_parquet(file, row_group_size=5)
        case "arrow":
            frame.write_ipc(file, record_batch_size=5)
        case "feather":
            frame.write_ipc(file, compression="zstd")
        case "ndjson":
            frame.write_ndjson(file)
        case "json":
            frame.write_json(file)
        case "csv":
            frame.write_csv(file)
        case "semicolon.csv":
            frame.write_csv(file, separator=";")
        case "tsv":
            frame.write_csv(file, separator="\t")
        case "crlf.csv":
            frame.write_csv(file, line_terminator="\r\n", include_bom=True)
        case "quoted.csv":
            frame.write_csv(file, quote_style="non_numeric")
    if ending.endswith(".gz"):
        return gzip.compress(file.getvalue())
    return file.getvalue()


def on_disk(frame: pl.DataFrame, ending: str, use: Callable[[Path], Any]) -> Any:
    """What `use` gives for the file; hypothesis and pytest's own folder do not go together."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{ending}"
        path.write_bytes(written(frame, ending))
        return use(path)


TYPED = ["parquet", "arrow", "feather"]
DELIMITED = {
    "csv": ",",
    "semicolon.csv": ";",
    "tsv": "\t",
    "crlf.csv": ",",
    "quoted.csv": ",",
    "csv.gz": ",",
}
RECORDS = ["ndjson", "json", "ndjson.gz"]


@pytest.mark.parametrize("ending", TYPED)
@FUZZ
@given(frame=tables(KINDS))
def test_files_with_types_keep_every_value_of_every_type(ending: str, frame: pl.DataFrame) -> None:
    assert_same(on_disk(frame, ending, lambda path: back(open_file(path))), frame)


@pytest.mark.parametrize("ending", DELIMITED)
@FUZZ
@given(frame=tables(PLAIN, PRINTED.map(trimmed).filter(bool)))
def test_delimited_text_keeps_numbers_and_text_when_told_its_dialect(
    ending: str, frame: pl.DataFrame
) -> None:
    how = {"header": "yes", "separator": DELIMITED[ending], "quote": '"', "skip": "0"}

    def read(path: Path) -> pl.DataFrame:
        source = open_file(path, {**how, "encoding": "utf-8"})
        source.expect(
            {
                name: pl.String if kind == pl.String else pl.Float64
                for name, kind in frame.schema.items()
            }
        )
        return back(source)

    expected = frame.cast({pl.Int64: pl.Float64})
    assert_same(on_disk(frame, ending, read), expected)


@pytest.mark.parametrize("ending", RECORDS)
@FUZZ
@given(frame=tables(JSON, TEXT.map(str.strip)))
def test_records_keep_what_json_can_say(ending: str, frame: pl.DataFrame) -> None:
    found = on_disk(frame, ending, lambda path: back(open_file(path)))
    assert found.columns == frame.columns
    for name, kind in frame.schema.items():
        if frame[name].null_count() < frame.height:
            one, other = found.select(name), frame.select(name)
            assert_same(one.cast({name: kind}), other)


@FUZZ
@given(
    frame=tables(
        PLAIN | {pl.Int64: whole(64, signed=True)}, names=PRINTED.map(str.casefold).filter(bool)
    )
)
def test_sqlite_keeps_numbers_and_text(frame: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/t.sqlite"
        assert write_table(url, "t", [frame]) == frame.height
        found = back(open_database(url, table="t"))
    assert_same(found.cast(dict(frame.schema)), frame, signs=False)


# The same model


def outcome(table: Any) -> Any:
    """What is learnt, or the kind of the refusal and whether it has more than a line."""
    try:
        record = dr.learn(table, predict="y", ridge=0).record
    except DeltaruleError as refused:
        return type(refused), "\n" in str(refused)
    return record.weights, record.intercept, record.held_out, record.rows


# Not so small that squares of them are lost: that is not the reader's doing.
USUAL = st.one_of(st.floats(-1e6, 1e6).map(lambda value: round(value, 6)), st.just(1e100))
LEVELS = st.sampled_from(["", "p", "q, r", 's"t', "u\nv", " w ", "\U0001f600", "é"])


@st.composite
def examples(draw: st.DrawFn, kinds: dict[Any, st.SearchStrategy[Any]]) -> pl.DataFrame:
    """A table to learn from: y, and some columns of each kind, over few rows with gaps."""
    rows = draw(st.integers(3, 40))

    def column(name: str, values: st.SearchStrategy[Any], kind: Any) -> pl.Series:
        few = draw(st.lists(st.none() | values, min_size=rows - 1, max_size=rows - 1))
        few.append(draw(values))
        return pl.Series(name, few, dtype=kind)

    made = [
        column(name, values, kind)
        for name, (kind, values) in zip("abcde", kinds.items(), strict=False)
    ]
    y = draw(st.lists(st.integers(-(10**6), 10**6), min_size=rows, max_size=rows))
    return pl.DataFrame([*made, pl.Series("y", y) / 7.0])


SIMPLE = {
    pl.Float64: USUAL,
    pl.Int64: st.integers(-1000, 1000),
    pl.String: LEVELS,
    pl.Boolean: st.booleans(),
}


@pytest.mark.parametrize("ending", [*TYPED, *DELIMITED, *RECORDS])
@FUZZ
@given(frame=examples(SIMPLE))
def test_a_file_gives_the_model_that_the_frame_gives(ending: str, frame: pl.DataFrame) -> None:
    assert on_disk(frame, ending, outcome) == outcome(frame)


@pytest.mark.parametrize("ending", TYPED)
@FUZZ
@given(
    frame=examples(
        {
            pl.UInt64: whole(64, signed=False),
            pl.Float32: st.integers(-(2**24), 2**24).map(float),
            pl.Decimal(20, 4): st.decimals(-(10**15), 10**15, places=4),
            pl.Date: st.dates(),
        }
    )
)
def test_columns_of_every_type_give_the_model_or_refusal_that_the_frame_gives(
    ending: str, frame: pl.DataFrame
) -> None:
    assert on_disk(frame, ending, outcome) == outcome(frame)


@FUZZ
@given(frame=examples(SIMPLE))
def test_a_frame_of_another_library_gives_the_model_that_the_frame_gives(
    frame: pl.DataFrame,
) -> None:
    expected = outcome(frame)
    for same in (
        frame.lazy(),
        frame.to_arrow(),
        frame.to_arrow().to_reader(7),
        frame.to_pandas(),
        frame.to_pandas().convert_dtypes(),
        frame.to_pandas().astype(object),
        frame.to_dict(as_series=False),
        frame.to_dicts(),
    ):
        assert outcome(same) == expected, type(same)
