"""CSV files as they come: encodings, quotes, types that change half-way; the ugly ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ColumnError, EmptyError, ReadError, TableError
from deltarule.tables.files.open import open_file


def columns_of(model: dr.Model) -> dict[str, str]:
    return {one.column: one.kind for one in model.record.columns}


def whole(path: Path) -> pl.DataFrame:
    """All of a file as a source hands it out."""
    return pl.concat(open_file(path).batches([pl.all()]))


# The ugly files


def test_a_byte_order_mark_and_crlf(data: Path) -> None:
    found = whole(data / "ugly" / "bom_crlf.csv")
    assert found.columns == ["id", "name"]
    assert found["name"].to_list() == ["Mark", "Hannes"]


def test_a_byte_order_mark_before_quotes(write: Callable[..., Path]) -> None:
    path = write("t.csv", '\ufeff"x","y"\r\n1,2\r\n2,3\r\n4,9\r\n')
    model = dr.learn(path, predict="y", using="x", ridge=0)
    assert model.record.rows == 3
    assert model.record.weights[0].weight == pytest.approx(17 / 7)


def test_quoted_newlines(data: Path) -> None:
    found = whole(data / "ugly" / "quoted_newlines.csv")
    assert found.columns == ["a", "b"]
    assert found["b"].to_list() == ['ha \n"ha" \nha', "4"]


@pytest.mark.parametrize("file", ["latin1.csv", "latin1.csv.gz"])
def test_another_encoding_is_found_and_told(data: Path, file: str) -> None:
    source = open_file(data / "ugly" / file)
    names = pl.concat(source.batches([pl.col("name")]))["name"].to_list()
    assert names[:3] == ["José Álvarez", "Müller", "François Dupont"]
    assert len(names) == 12
    assert "cp1252" in source.dialect
    assert any("cp1252" in note and "encoding=" in note for note in source.notes)


def test_semicolons_and_numbers_with_commas_stay_as_written(data: Path) -> None:
    found = whole(data / "ugly" / "semicolon_decimal_comma.csv")
    assert found.columns == ["commas", "periods"]
    assert found["commas"].to_list() == ["1,1", "0,25", "1,53e4", "+1,53e4", "-1,53e4"]
    assert found["periods"].to_list() == [1.1, 0.25, 1.53e4, 1.53e4, -1.53e4]


def test_a_header_below_titles_is_found_and_told(data: Path) -> None:
    source = open_file(data / "ugly" / "excel_pasting.csv")
    found = pl.concat(source.batches([pl.all()]))
    assert found.columns == ["Year", *map(str, range(2000, 2008))]
    assert found.height == 17
    assert found["2000"][0] == "2,666"
    (note,) = source.notes
    assert note.startswith("3 lines were skipped above the header: CO2 emissions")


def test_a_header_without_rows_has_its_columns(data: Path) -> None:
    source = open_file(data / "ugly" / "header_only.csv")
    assert source.look().columns == ["foo", "bar"]
    assert source.look().height == 0


@pytest.mark.parametrize(
    ("file", "predict", "said"),
    [
        ("header_only.csv", "bar", ["no rows"]),
        ("duplicate_headers.csv", "a", ["'a'", "more than one", "line 1"]),
        ("ragged.csv", "one", ["line 3", "5", "4"]),
        ("null_words.csv", "age", ["height", "1.73", "name"]),
    ],
)
def test_ugly_files_are_refused_with_the_reason(
    data: Path, file: str, predict: str, said: list[str]
) -> None:
    with pytest.raises(TableError) as refused:
        dr.learn(data / "ugly" / file, predict=predict)
    assert "\n" not in str(refused.value)
    for part in said:
        assert part in str(refused.value)


# Headers


def test_a_header_with_one_name_empty(write: Callable[..., Path]) -> None:
    rows = "".join(f"{at},{at % 3},{at % 7}\n" for at in range(30))
    model = dr.learn(write("t.csv", ",x,y\n" + rows), predict="y")
    # The unnamed column that pandas writes for its index.
    assert columns_of(model) == {"": "number", "x": "number", "y": "target"}
    assert model.predict(write("u.csv", ",x\n1,2\n")).height == 1


def test_a_header_with_two_names_empty_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(ColumnError, match="more than one column"):
        dr.learn(write("t.csv", ",,y\n1,2,3\n2,3,4\n"), predict="y")


NAMES = ["a,b", 'c"d', "e=f", "g\nh", "\U0001f600", " i ", "'", "\\", "#k", "a" * 300, "日本"]


def test_names_of_any_kind_are_read_as_written_but_for_blanks_around(tmp_path: Path) -> None:
    table = pl.DataFrame({name: [1.0, 2.0, at] for at, name in enumerate(NAMES)})
    table.write_csv(tmp_path / "t.csv")
    assert whole(tmp_path / "t.csv").columns == [name.strip() for name in NAMES]
    assert open_file(tmp_path / "t.csv").look().columns == [name.strip() for name in NAMES]


def test_a_name_twice_that_differs_by_quotes_only(write: Callable[..., Path]) -> None:
    with pytest.raises(ColumnError, match="'x'"):
        dr.learn(write("t.csv", 'x,"x",y\n1,2,3\n'), predict="y")


# Lines


def test_crlf_and_no_newline_at_the_end(write: Callable[..., Path]) -> None:
    unix = write("a.csv", "x,y\n1,2\n2,3\n4,9\n")
    dos = write("b.csv", "x,y\r\n1,2\r\n2,3\r\n4,9")
    assert whole(unix).equals(whole(dos))


def test_a_short_row_has_missing_values_and_is_counted(write: Callable[..., Path]) -> None:
    model = dr.learn(write("t.csv", "x,y\n1,3\n2\n4,6\n7,8\n"), predict="y", ridge=0)
    assert model.record.rows == 3
    assert model.record.rows_left_out == 1


def test_rows_of_quoted_newlines_keep_their_line_in_messages(write: Callable[..., Path]) -> None:
    path = write("t.csv", 'x,y\n"a\nb",2\n"c\nd",3,9\n')
    # The line that the row begins on.
    with pytest.raises(ReadError, match="line 4"):
        dr.learn(path, predict="y")


def test_a_quote_never_closed_is_no_silent_loss_of_rows(write: Callable[..., Path]) -> None:
    rows = "".join(f"{at},{at % 7},{'pq'[at % 2]}\n" for at in range(200))
    path = write("t.csv", "x,y,c\n" + rows + '5,6,"zz\n' + rows)
    with pytest.raises(TableError):
        dr.learn(path, predict="y", using=["x", "c"])


@pytest.mark.parametrize("separator", ["\t", ","])
def test_tabs_for_tsv(write: Callable[..., Path], separator: str) -> None:
    text = "x,y\n1,2\n2,4\n3,6.5\n".replace(",", separator)
    path = write("t.tsv" if separator == "\t" else "t.CSV", text)
    assert dr.learn(path, predict="y", ridge=0).record.weights[0].weight == pytest.approx(2.25)


def test_only_separators(write: Callable[..., Path]) -> None:
    with pytest.raises(TableError):
        dr.learn(write("t.csv", "x,y\n,\n,\n"), predict="y")


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_nothing_in_it(write: Callable[..., Path], content: str) -> None:
    with pytest.raises(EmptyError):
        dr.learn(write("t.csv", content), predict="y")


# Numbers and types


@pytest.mark.parametrize("word", ["", "NaN", "nan", "NA", "null", "n/a", "-"])
@pytest.mark.parametrize("rows", [40, 11_000])
def test_a_word_for_missing_among_numbers_is_a_gap_or_is_named(
    write: Callable[..., Path], word: str, rows: int
) -> None:
    text = "".join(f"{word if at == rows - 7 else at},{at % 7},{at % 3}\n" for at in range(rows))
    model = dr.learn(write("t.csv", "x,y,z\n" + text), predict="y", ridge=0)
    gaps = {one.name: getattr(one, "missing", 0) for one in model.record.contract.columns}
    (told,) = [one.done for one in model.record.columns if one.column == "x"]
    assert gaps.get("x") == 1 or repr(word) in told, told


@pytest.mark.parametrize("digits", ["0.1", "1e-300", "123456789012345678", "-0.0", "5e-324"])
def test_numbers_keep_every_digit(write: Callable[..., Path], digits: str) -> None:
    found = whole(write("t.csv", f"x,y\n{digits},1\n1.5,2\n"))
    assert found["x"][0] == float(digits)


def late(first: str, later: str, *, rows: int = 10_500) -> str:
    """A file whose column x holds `first` beyond the look, then 1,000 rows of `later`."""
    head = "".join(f"{first.replace('#', str(at % 9))},{at % 5}\n" for at in range(rows))
    tail = "".join(f"{later.replace('#', str(at % 9))},{at % 5}\n" for at in range(1_000))
    return "x,y\n" + head + tail


@pytest.mark.parametrize(
    ("first", "later", "kind", "reads"),
    [
        ("#", "#.25", "number", 1),
        ("#", "a#", "category", 3),
        ("#.5", "a#", "category", 3),
        ("true", "no", "boolean", 3),
        ("", "#.25", "number", 3),
        ("", "#", "number", 3),
        ("", "a#", "category", 3),
        ("#", "", "number", 1),
        ("2020-01-1#", "a#", "category", 3),
    ],
)
def test_types_that_change_after_the_look(
    write: Callable[..., Path], first: str, later: str, kind: str, reads: int
) -> None:
    model = dr.learn(write("t.csv", late(first, later)), predict="y", using=["x"])
    assert columns_of(model)["x"] == kind
    assert model.record.rows == 11_500
    # The broken read, the look at everything, the read that counts: none is hidden.
    assert model.record.learnt[0].reads <= reads
    if reads > 1:
        assert model.record.learnt[0].reads > 1
        assert any("read again" in note for note in model.record.notes)


def test_types_that_change_give_the_model_of_the_right_types(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    text = late("#", "a#")
    rows = [line.split(",") for line in text.splitlines()[1:]]
    table = pl.DataFrame({"x": [row[0] for row in rows], "y": [int(row[1]) for row in rows]})
    one = dr.learn(write("t.csv", text), predict="y", ridge=0)
    other = dr.learn(table, predict="y", ridge=0)
    assert [w.model_dump() for w in one.record.weights] == [
        w.model_dump() for w in other.record.weights
    ]
    assert one.record.held_out == other.record.held_out


def test_a_column_empty_at_first_and_then_numbers_is_a_number(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [f"{at % 9},,{at % 5}\n" for at in range(10_500)]
    rows += [f"{at % 9},{at / 7},{at % 5}\n" for at in range(2_000)]
    path = write("t.csv", "x,z,y\n" + "".join(rows))
    table = pl.read_csv(path, infer_schema_length=None)
    assert table["z"].dtype == pl.Float64
    one, other = (dr.learn(t, predict="y", using=["x", "z"], ridge=0) for t in (path, table))
    assert columns_of(one) == columns_of(other)
    assert [w.weight for w in one.record.weights] == pytest.approx(
        [w.weight for w in other.record.weights], rel=1e-9
    )


def test_what_is_learnt_and_predicted_again_is_the_same_column(
    write: Callable[..., Path], mixed: Any, tmp_path: Path
) -> None:
    mixed.write_csv(tmp_path / "t.csv")
    model = dr.learn(tmp_path / "t.csv", predict="price")
    assert model.predict(tmp_path / "t.csv").equals(model.predict(mixed))
    _, notes = model.predict_noticing(tmp_path / "t.csv")
    assert not [note for note in notes if "not seen" in note or "outside" in note]


@pytest.mark.parametrize("first", [10**18, 2**53, 2**63, -(10**18)])
def test_whole_numbers_that_floats_do_not_tell_apart_are_kept(tmp_path: Path, first: int) -> None:
    ids = [first + at // 4 for at in range(120)]
    x = np.random.default_rng(0).normal(size=120).round(6)
    rows = [f"{one},{value},{2 * value:.6f}" for one, value in zip(ids, x, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["key,x,y", *rows]))
    path = tmp_path / "t.csv"
    assert [int(one) for one in dr.source(path).look()["key"]] == ids
    where = f"cast(key as text) = '{ids[50]}'"
    assert dr.learn(path, predict="y", using=["x"], where=where, ridge=0).record.rows == 4
    model = dr.learn(path, predict="y", using=["x"], id="key")
    assert model.record.held_out is not None
    (batch,) = model.predict_batches(path)
    assert [int(one) for one in batch["key"]] == ids
