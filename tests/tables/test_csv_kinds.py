"""What the cells of a short file tell, against what polars infers and parses by itself."""

import io

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from deltarule.tables.files.csv_kinds import kinds_of, typed

CELLS = ["1", "-0", "22", "007", "1.5", "-0.25", ".5", "3.", "+1", "1e5", "inf", "nan", "NaN"]
CELLS += ["", '""', '"1"', " 1", "1 ", "true", "False", "x", "NA", "2020-01-31", "1_0", "\uff11"]
CELLS += ["9007199254740993", "99999999999999999999", "0.1234567890123456789", "-", "1.5.2"]
COLUMN = st.lists(st.sampled_from(CELLS), min_size=1, max_size=3).flatmap(
    lambda some: st.lists(st.sampled_from(some), min_size=4, max_size=4)
)
NAMES = ["", "^b$", "c", "last"]


@given(columns=st.lists(COLUMN, min_size=3, max_size=3), repeated=st.sampled_from([1, 40]))
def test_kinds_and_rows_are_those_of_polars(columns: list[list[str]], repeated: int) -> None:
    rows = "".join(f"{','.join(row)},t\n" for row in zip(*columns, strict=True))
    text = (",".join(NAMES) + "\n" + rows * repeated).encode()
    cells = pl.read_csv(text, schema=dict.fromkeys(NAMES, pl.String()))
    scan = pl.scan_csv(io.BytesIO(text), new_columns=NAMES, infer_schema_length=None)
    inferred = scan.collect_schema()
    if told := kinds_of(cells):
        assert told[0] == dict(inferred)
        assert set(told[1]) <= {name for name, kind in inferred.items() if kind == pl.Int64}
    as_floats = {n: pl.Float64() if kind.is_integer() else kind for n, kind in inferred.items()}
    for schema in (dict(inferred), as_floats):
        if (made := typed(cells, schema)) is not None:
            assert made.equals(pl.read_csv(text, schema=schema))


def test_plain_numbers_are_told_without_polars() -> None:
    cells = pl.DataFrame({"a": ["1", None, "-20"], "b": ["1", "2.5", None], "c": ["x", "1", "2"]})
    kinds = {"a": pl.Int64(), "b": pl.Float64(), "c": pl.String()}
    assert kinds_of(cells) == (kinds, ["a"])
    assert kinds_of(cells.with_columns(d=pl.Series(["07", "1", "2"]))) is None
