"""Delimited text as people write it: separators, quotes, headers, encodings, found or named."""

import gc
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ColumnError, EmptyError, LearningError, ReadError
from deltarule.tables.files.csv_source import CsvSource
from deltarule.tables.files.open import open_file

Write = Callable[..., Path]

ROWS = [(at, at * 1.5, "abc"[at % 3]) for at in range(40)]
SAID = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
PLAIN = "id,x,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS)
NAMED = "name,y\n" + "José,1\nMüller,2\nFrançois,3\nBjørn,5\nŸves,8\n" * 4


def read(path: Path, **how: str) -> pl.DataFrame:
    """All of a file."""
    return pl.concat(open_file(path, how).batches([pl.all()]))


def refusal(path: Path, **how: str) -> str:
    """The one line that reading a file is refused with."""
    with pytest.raises((ReadError, EmptyError, ColumnError)) as refused:
        read(path, **how)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# Separators


@pytest.mark.parametrize(("separator", "said"), SAID.items())
@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.tsv"])
def test_separators_are_found(write: Write, separator: str, said: str, name: str) -> None:
    path = write(name, PLAIN.replace(",", separator))
    assert read(path).rows() == ROWS
    assert f"separator {said}, header" in open_file(path).dialect
    # And is a word that --read takes.
    assert open_file(path, {"separator": said}).look().rows() == ROWS


@pytest.mark.parametrize("header", ["id;x;c\n", ""])
def test_semicolons_with_decimal_commas(write: Write, header: str) -> None:
    rows = "".join(f"{a};{b};{c}\n" for a, b, c in ROWS).replace(".", ",")
    found = read(write("t.csv", header + rows))
    assert found.width == 3
    assert found.to_series(1).to_list() == [f"{b}".replace(".", ",") for _, b, _ in ROWS]


def test_commas_in_text_of_semicolons(write: Write) -> None:
    text = "name;y\n" + "".join(f"Smith, John{', Jr' * (at % 2)};{at}\n" for at in range(30))
    assert read(write("t.csv", text)).columns == ["name", "y"]


def test_the_separator_line_of_excel(write: Write) -> None:
    path = write("t.csv", "sep=;\na;b\n1;2,5\n3;4,5\n")
    assert read(path).rows() == [(1, "2,5"), (3, "4,5")]


def test_one_column_needs_no_separator(write: Write) -> None:
    assert read(write("t.csv", "y\n1\n2\n")).rows() == [(1,), (2,)]


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
                | st.sampled_from("\n\t"),
                max_size=8,
            ),
            min_size=3,
            max_size=3,
        ),
        min_size=3,
        max_size=12,
    ),
    st.sampled_from(",;\t|"),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_what_a_writer_quotes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], separator: str
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    frame = pl.DataFrame(cells, schema=["a", "b", "c"], orient="row")
    frame.write_csv(path, separator=separator, quote_style="always")
    source = open_file(path, {"header": "yes", "skip": "0"})
    assert isinstance(source, CsvSource)
    assert f"separator {SAID[separator]}" in source.dialect
    cells = pl.concat(rows for rows, _ in source.whole_batches([pl.col("a")], cells=True))
    assert cells.fill_null("").rows() == frame.rows()


# Quotes


def test_single_quotes(write: Write) -> None:
    rows = "".join(f"{at},'x, {at}',{at}\n" for at in range(9))
    path = write("t.csv", "a,b,c\n" + rows)
    assert read(path)["b"].to_list() == [f"x, {at}" for at in range(9)]
    assert "quote '" in open_file(path).dialect


def test_apostrophes_are_no_quotes(write: Write) -> None:
    path = write("t.csv", "a,b\n'tis,1\nrock 'n' roll,2\nO'Hara,3\nthe boys',4\n")
    assert read(path)["a"].to_list() == ["'tis", "rock 'n' roll", "O'Hara", "the boys'"]


def test_inches_are_no_quotes(write: Write) -> None:
    path = write("t.csv", 'size,y\n5" x 7",1\n6" wide,2\n7,3\n')
    assert read(path)["size"].to_list() == ['5" x 7"', '6" wide', "7"]
    assert "no quotes" in open_file(path).dialect


def test_inches_beside_quotes_are_refused_not_mangled(write: Write) -> None:
    path = write("t.csv", 'size,y\n"a, b",1\n6" wide,2\n7,3\n')
    assert "quote" in refusal(path)
    assert read(write("u.csv", 'size,y\n6" wide,2\n7,3\n'), quote="none").height == 2


def test_a_quote_never_closed_is_named_by_its_line(write: Write) -> None:
    assert "after line 3" in refusal(write("t.csv", 'x,y\n1,2\n3,4\n5,"6\n7,8\n'))


# Headers


def test_rows_without_a_header_get_numbered_columns(write: Write) -> None:
    source = open_file(write("t.csv", PLAIN.partition("\n")[2]))
    assert source.look().columns == ["column_1", "column_2", "column_3"]
    assert source.look().rows() == ROWS
    assert "no header" in source.dialect
    assert any("header=yes" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\nx,y\nz,w\n", True),
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n5,6\n", False),
        ("5.1,3.5,setosa\n4.9,,setosa\n", False),
        (",3.5,setosa\n4.9,3.1,setosa\n", False),
        ("2020-01-01,a\n2020-01-02,b\n", False),
        (",x,y\n0,1,2\n1,3,4\n", True),
        (",0,1\n0,2.5,3.5\n1,4.5,5.5\n", True),
        ("0,1,2\n2.5,3.5,1\n4.5,5.5,2\n", True),
        ("country,2000,2001\nA,5,6\nB,7,8\n", True),
        ("film,1990,1991\nother,1995,1996\n", False),
        ("NA,x\n1,2\n", True),
        ("$1,200\n$3,400\n", False),
    ],
)
def test_whether_there_is_a_header(write: Write, text: str, header: bool) -> None:
    path = write("t.csv", text)
    rows = text.count("\n")
    found = open_file(path)
    assert found.look().height == rows - header, found.dialect
    assert open_file(path, {"header": "yes"}).look().height == rows - 1
    assert open_file(path, {"header": "no"}).look().height == rows


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ("Sales of the year\n", 1),
        ("Sales of the year\n\n", 2),
        ("Sales,,\n,,\nin Euro,,\n", 3),
        ("# made in 2020, by hand\n# again\n", 2),
        ('"Sales\nof the year"\n', 2),
        ("\n\n", 2),
    ],
)
def test_titles_and_remarks_above_the_header(write: Write, above: str, lines: int) -> None:
    source = open_file(write("t.csv", above + PLAIN))
    assert source.look().rows() == ROWS
    told = [note for note in source.notes if "skipped above the header" in note]
    assert bool(told) == bool(above.strip())
    for note in told:
        assert note.startswith(f"{lines} line")


@pytest.mark.parametrize("text", ["#id,x\n1,2\n3,4\n", "# id,x\n1,2\n3,4\n"])
def test_a_header_that_begins_with_a_hash(write: Write, text: str) -> None:
    assert read(write("t.csv", text)).columns == [text.split(",")[0], "x"]


@pytest.mark.parametrize("above", ["Report, of 2020\n\n", "Report, of 2020\n", "a, b\nc, d\n\n"])
@pytest.mark.parametrize("again", [1, 2])
def test_a_title_with_a_separator_in_it(write: Write, above: str, again: int) -> None:
    """Whether first cells are all different, as R's names of rows are, or not."""
    rows = [(at // again, at / 2 + 0.5, "ab"[at % 2]) for at in range(24)]
    text = "x,y,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    source = open_file(write("t.csv", above + text))
    assert source.look().rows() == rows
    assert source.look().columns == ["x", "y", "c"]
    assert any("skipped above the header" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # R's header, also where its first row has no number, and separators at the ends of lines.
        ("age,city\nAnn,40,Rome\nBob,50,Oslo\nEve,60,Bonn\n", ["row_name", "age", "city"]),
        ("age,city\nAnn,NA,Rome\nBob,50,Oslo\nEve,60,Bonn\n", ["row_name", "age", "city"]),
        ("age,city\nAnn,n.a.,Rome\nBob,50,Oslo\nEve,60,Bonn\n", ["row_name", "age", "city"]),
        ("name,city\nAnn,Rome,\nBob,Oslo,\nEve,Bonn,\n", ["name", "city", ""]),
        ("age,city\nAnn,old,Rome\nBob,young,Oslo\nEve,old,Bonn\n", ["row_name", "age", "city"]),
    ],
)
def test_a_header_of_fewer_cells_is_no_title(write: Write, text: str, names: list[str]) -> None:
    found = open_file(write("t.csv", text)).look()
    assert found.columns == names
    assert found.height == 3


def test_a_first_name_alone_is_a_header_not_a_title(write: Write) -> None:
    assert read(write("t.csv", "x,\n1,2\n3,4\n")).columns == ["x", ""]


def test_a_title_that_looks_like_a_header_is_refused_with_what_to_say(write: Write) -> None:
    # No number below shows that the second line is the header.
    path = write("t.csv", "Sales, 2020\nname,price,year\na,low,old\nb,high,new\n")
    assert "skip=1" in refusal(path)
    assert read(write("u.csv", "Sales, 2020\nname,price,year\na,1,2\nb,3,4\n")).height == 2
    assert read(path, skip="1").columns == ["name", "price", "year"]


def test_a_row_too_long_without_a_header(write: Write) -> None:
    line = refusal(write("t.csv", "1,2\n3,4\n5,6,7\n8,9\n"))
    assert "line 3: 3 cells" in line
    late = "1.5,2\n" * 30_000 + "5,6,7\n"
    assert "line 30001: 3 cells" in refusal(write("u.csv", late))


def test_a_name_twice_is_refused_on_its_line(write: Write) -> None:
    line = refusal(write("t.csv", "Title\n\na,b,a\n1,2,3\n4,5,6\n"))
    assert "line 3" in line
    assert "'a'" in line


# Encodings


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with BOM"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without BOM"),
        ("utf-16-be", "UTF-16 without BOM"),
        ("utf-32", "UTF-32"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_line_ends_are_found(
    write: Write, encoding: str, said: str, end: str, packed: bool
) -> None:
    content = NAMED.replace("\n", end).encode(encoding)
    path = write("t.csv", gzip.compress(content) if packed else content)
    found = read(path)
    assert found.columns == ["name", "y"]
    assert found["name"][:5].to_list() == ["José", "Müller", "François", "Bjørn", "Ÿves"]
    assert found.height == 20
    assert f"{said}{', gzip' if packed else ''}" in open_file(path).dialect


WORDS = {
    "cp1250": ["Łukasz", "Żółć", "Święty", "Gdańsk", "Poznań"],
    "iso8859-2": ["Łukasz", "Żółć", "Święty", "Gdańsk", "Poznań"],
    "cp1251": ["Москва", "Казань", "Пётр", "Ольга", "Иван"],
    "koi8-r": ["Москва", "Казань", "Пётр", "Ольга", "Иван"],
    "cp1253": ["Γιώργος", "Αθήνα", "Μαρία", "Θεσσαλονίκη", "Πάτρα"],
    "cp932": ["山田太郎", "東京", "鈴木花子", "大阪", "京都"],
    "gb18030": ["张伟", "北京", "王芳", "上海", "广州"],
    "cp949": ["김철수", "서울", "이영희", "부산", "대구"],
}


@pytest.mark.parametrize("encoding", WORDS)
def test_alphabets_of_the_world(write: Write, encoding: str) -> None:
    words = WORDS[encoding] * 4
    text = "name,y\n" + "".join(f"{word},{at}\n" for at, word in enumerate(words))
    path = write("t.csv", text.encode(encoding))
    assert read(path, encoding=encoding)["name"].to_list() == words
    assert read(path)["name"].to_list() == words


def test_signs_alone_are_western(write: Write) -> None:
    text = "t,y\n" + "".join(f"{at} °C,£{at}\n" for at in range(30))
    assert read(write("t.csv", text.encode("cp1252")))["y"][7] == "£7"


@pytest.mark.parametrize(
    ("rows", "word"),
    # With no other letter near it to judge by, a stray one is of another encoding.
    [(20, "Müller"), (100_000, "Müller"), (100_000, "Muller")],
)
def test_one_stray_byte_is_an_error_with_its_place(write: Write, rows: int, word: str) -> None:
    above = "name,y\n" + f"{word},1\n" * rows
    content = above.encode() + b"M\xfcller,2\n" + f"{word},1\n".encode() * rows
    line = refusal(write("t.csv", content))
    assert f"line {rows + 2}:" in line
    assert f"byte {len(above.encode()) + 2} " in line


def test_a_named_encoding_is_taken_at_its_word(write: Write) -> None:
    path = write("t.csv", NAMED.encode("utf-8"))
    assert read(path, encoding="latin-1")["name"][0] == "JosÃ©"
    assert read(path, encoding="utf-8")["name"][0] == "José"
    assert "is not ascii" in refusal(path, encoding="ascii")


def test_a_byte_outside_its_encoding_far_down(write: Write) -> None:
    content = NAMED.encode("cp1252") * 3000 + b"\x81,2\n"
    line = refusal(write("t.csv", content), encoding="cp1252")
    assert f"line {21 * 3000 + 1}:" in line
    assert f"byte {len(content) - 3} " in line


def test_temporary_copies_go_with_their_source(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = write("t.csv", NAMED.encode("utf-16"))
    source = open_file(path)
    assert len(list(tmp_path.iterdir())) == 2
    assert source.look().height == 20
    del source
    assert list(tmp_path.iterdir()) == [path]
    refusal(write("t.csv", NAMED.encode("utf-16")[:-1]))
    refusal(write("t.csv", ("a,a\n" + "1,2\n" * 9).encode("utf-16")))
    gc.collect()  # the errors hold on to what raised them
    assert list(tmp_path.iterdir()) == [path]


# What is no text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,\x002\n", ["line 2", "byte 7", "NUL"]),
        (bytes(range(256)) * 9, ["byte 1 ", "NUL", "UTF-8"]),
        (bytes(5000), ["NUL"]),
        (PLAIN.encode() * 5000 + bytes(3000), ["NUL", "never written"]),
        (b"a,b\n" + b"\x01\x02\x03,\x04\n" * 50, ["control characters"]),
        (b"\x1f\x8b", ["gzip", "cut short"]),
        (gzip.compress(PLAIN.encode())[:-9], ["gzip", "cut short"]),
        (gzip.compress(PLAIN.encode())[:-4] + b"abcd", ["gzip", "damaged"]),
        (b"\x28\xb5\x2f\xfd", ["zstd"]),
        (b"%PDF-1.7 and so on", ["PDF"]),
        (b"SQLite format 3\0 and so on", ["SQLite"]),
        (b"", ["empty"]),
        (b"\xef\xbb\xbf", ["empty"]),
        (b"\xff\xfe", ["empty"]),
        (b"\r\n \n", ["empty"]),
        (gzip.compress(b""), ["empty"]),
    ],
    ids=range(16),
)
def test_what_is_no_text_is_refused(write: Write, content: bytes, said: list[str]) -> None:
    line = refusal(write("t.csv", content))
    for part in ["t.csv", *said]:
        assert part in line


@pytest.mark.parametrize("rows", [1, 5_000])
def test_a_packed_file_cut_short_anywhere(write: Write, rows: int) -> None:
    packed = gzip.compress(PLAIN.encode() * rows, compresslevel=1)
    for length in (len(packed) - 1, len(packed) // 2):
        assert "gzip" in refusal(write("t.csv.gz", packed[:length]))


def test_zstd(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.zst"
    pl.DataFrame(ROWS, schema=["id", "x", "c"], orient="row").lazy().sink_csv(
        path, compression="zstd"
    )
    assert read(path).rows() == ROWS
    assert "zstd" in open_file(path).dialect
    path.write_bytes(path.read_bytes()[:-3])
    assert "zstd" in refusal(path)


# Sizes


def test_ten_thousand_columns(write: Write) -> None:
    header = ",".join(f"column{at}" for at in range(10_000))
    path = write("t.csv", header + "\n" + (",".join(["1.5"] * 10_000) + "\n") * 30)
    source = open_file(path)
    assert source.look().shape == (30, 10_000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1," * 25_000_000, "line 1 is longer than"),
        (b"x" * 50_000_000, "line 1 is longer than"),
        (b"a,b\n" + b"1," * 25_000_000, "line 2"),
        (b'a,b\n1,"' + b"x" * 50_000_000, "line 1"),
    ],
)
def test_a_line_of_50_mb_is_refused_quickly(write: Write, content: bytes, said: str) -> None:
    path = write("t.csv", content)
    start = time.process_time()
    assert said in refusal(path)
    assert time.process_time() - start < 20  # about 1 s of this process alone


def test_a_cell_of_50_mb_is_read(write: Write) -> None:
    found = read(write("t.csv", b"a,b\n1," + b"x" * 50_000_000 + b"\n2,y\n"))
    assert found["a"].to_list() == [1, 2]


def test_a_plain_file_is_opened_quickly_and_without_the_libraries_of_doubt(write: Write) -> None:
    path = write("t.csv", PLAIN * 100)
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from deltarule.tables.files.encoding import open_text\n"
        "from deltarule.tables.files.dialect import DialectRequest, find_dialect\n"
        "def found():\n"
        "    text = open_text(Path(sys.argv[1]), 't.csv')\n"
        "    asked = DialectRequest()\n"
        "    return find_dialect(text.start, name='t.csv', whole=text.whole, asked=asked)\n"
        "times = []\n"
        "for _ in range(5):\n"
        "    start = time.process_time(); found(); times.append(time.process_time() - start)\n"
        "assert not {'clevercsv', 'chardet', 'fastexcel'} & set(sys.modules), sys.modules\n"
        "print(min(times))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.02


# What is said of a file


def test_what_is_said_is_taken(write: Write) -> None:
    path = write("t.csv", "a;b|c\n1;2|3\n4;5|6\n")
    assert read(path, separator="pipe").columns == ["a;b", "c"]
    assert read(path, separator=";").columns == ["a", "b|c"]
    assert read(path, separator="comma").width == 1
    assert read(path, format="tsv").columns == ["a;b|c"]
    assert read(path, header="no", separator="|").height == 3
    assert read(write("u.csv", "a,b\n1,~2,3~\n"), quote="~").rows() == [(1, "2,3")]
    assert read(
        write("v.csv", "x\n\n1 2\n3 4\n"), separator="space", skip="2", header="no"
    ).rows() == [
        (1, 2),
        (3, 4),
    ]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"delimiter": ";"}, ["'delimiter'", "separator, quote, header"]),
        ({"separator": ";;"}, ["separator=;;", "semicolon"]),
        ({"separator": "é"}, ["separator=é"]),
        ({"separator": "a"}, ["separator=a"]),
        ({"separator": "\n"}, ["separator="]),
        ({"separator": "~", "quote": "~"}, ["both ~"]),
        ({"quote": "double"}, ["quote=double", "none"]),
        ({"header": "maybe"}, ["header=maybe", "yes or no"]),
        ({"encoding": "klingon"}, ["encoding=klingon", "utf-8"]),
        ({"encoding": "rot13"}, ["encoding=rot13"]),
        ({"encoding": "base64"}, ["encoding=base64"]),
        ({"skip": "-1"}, ["skip=-1"]),
        ({"skip": "many"}, ["skip=many", "lines"]),
        ({"skip": "999"}, ["999", "fewer"]),
        ({"format": "xml"}, ["format=xml", "csv, tsv, parquet"]),
        ({"sheet": "one", "format": "csv"}, ["sheet=one", "Excel"]),
        ({"format": ""}, ["format="]),
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_with_what_can(
    write: Write, how: dict[str, str], said: list[str]
) -> None:
    line = refusal(write("t.csv", PLAIN), **how)
    for part in said:
        assert part in line


def table_or_line(path: Path) -> None:
    """Fails unless the file is read or refused in one line."""
    line = ""
    try:
        list(open_file(path).batches([pl.all()]))
    except (ReadError, EmptyError, ColumnError) as refused:
        line = str(refused)
    assert "\n" not in line


@given(st.binary(max_size=400))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_any_bytes_are_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{os.getpid()}.csv"
    path.write_bytes(content)
    table_or_line(path)


@given(st.text("ab1.,;\t|\"'\n #-", max_size=120))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_any_text_is_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"text-{os.getpid()}.csv"
    path.write_text(content, newline="")
    table_or_line(path)


# Headers that are shorter than rows, or padded


def rows_of(path: Path, **how: str) -> pl.DataFrame:
    return pl.concat(open_file(path, how).batches([pl.all()]))


SHORT = {
    "R, quoted": 'age,spend\n"shop 1",44,101\n"shop 2",33,98.5\n',
    "R, tabs": "age\tspend\nshop 1\t44\t101\nshop 2\t33\t98.5\n",
    "R, as it writes unless told otherwise": '"age" "spend"\n"shop 1" 44 101\n"shop 2" 33 98.5\n',
    "below a title": 'Sales\nage,spend\n"shop 1",44,101\n"shop 2",33,98.5\n',
    "CRLF": 'age;spend\r\n"shop 1";44;101\r\n"shop 2";33;98.5\r\n',
}


@pytest.mark.parametrize("at_once", [0, 1 << 20])
@pytest.mark.parametrize("text", SHORT.values(), ids=SHORT)
def test_row_names_that_the_header_does_not_name(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, at_once: int
) -> None:
    monkeypatch.setattr("deltarule.tables.files.csv_source.AT_ONCE", at_once)
    path = write("t.csv", text)
    found = rows_of(path)
    assert found.columns == ["row_name", "age", "spend"]
    assert found.rows() == [("shop 1", 44, 101), ("shop 2", 33, 98.5)]
    source = open_file(path)
    assert "row_name" in " ".join(source.notes)
    cells = pl.concat(rows for rows, _ in source.whole_batches([pl.col("age")], cells=True))
    assert cells.row(1) == ("shop 2", "33", "98.5")


def test_row_names_have_a_name_of_their_own(write: Write) -> None:
    assert rows_of(write("t.csv", "row_name,y\na,1,2\nb,3,4\n")).columns == [
        *("row_name_", "row_name", "y")
    ]


def test_separators_at_the_ends_of_lines(write: Write) -> None:
    below = rows_of(write("t.csv", "x,y\n1,2,\n3,4,\n"))
    assert below.columns == ["x", "y", ""]
    assert below.rows() == [(1, 2, None), (3, 4, None)]
    everywhere = rows_of(write("u.csv", "x,y,,\n1,2,,\n3,4,,\n"))
    assert everywhere.columns == ["x", "y", "", "column_4"]
    assert everywhere.rows() == [(1, 2, None, None), (3, 4, None, None)]
    # In a late row there is something after all: it is no less of the table.
    late = "".join(f"{at},2,\n" for at in range(300)) + "1,2,3\n"
    assert rows_of(write("v.csv", "x,y\n" + late))[""].sum() == 3


@pytest.mark.parametrize(
    "text",
    [
        "age,kids,spend\n44,1,101,\n33,5,98\n60,8,170\n",  # one line alone
        "city,price\nParis,1,200\nParis,1,300\n",  # a cell that a comma splits: no names of rows
        "1,2\n3,4,5\n6,7,8\n",  # a row that lost a cell, and no header
        "x,y\na,1,2,3\nb,4,5,6\n",  # two cells more
        "x,y\n,1,2\n,3,4\n",  # names that are none
    ],
)
def test_rows_longer_than_the_header_are_refused_where_that_is_no_name(
    write: Write, text: str
) -> None:
    with pytest.raises(ReadError, match=r"line 2: \d cells, but"):
        rows_of(write("t.csv", text))


def test_skipping_lines_is_advised_only_where_the_table_may_begin_there(write: Write) -> None:
    with pytest.raises(ReadError, match=r"fix that line$"):
        rows_of(write("t.csv", "x,y\n1,2,3,\n4,5\n6,7\n"))
    with pytest.raises(ReadError, match="or say skip=1"):
        rows_of(write("t.csv", "x,y\n1,2,3,4\n4,5,6,7\n6,7,8,9\n"))


def test_blanks_around_names_are_no_part_of_them(write: Write) -> None:
    padded = write("t.csv", "Date, Close/Last ,Open\t\n1, 2,3\n4, 5,6\n7, 9,8\n")
    plain = write("u.csv", "Date,Close/Last,Open\n1,2,3\n4,5,6\n7,9,8\n")
    assert rows_of(padded).columns == ["Date", "Close/Last", "Open"]
    model = dr.learn(padded, predict="Close/Last", using=["Open"], ridge=0)
    assert model.predict(plain).equals(model.predict(padded))
    with pytest.raises(ColumnError, match="'x'"):
        rows_of(write("v.csv", "x, x,y\n1,2,3\n4,5,6\n"))


@pytest.mark.parametrize(
    ("cells", "other", "separator", "named"),
    [
        (["1.000", "2.566", "40.125"], "7", ";", True),
        (["1.000", "992", "115"], "7", ";", True),
        (["-1.000", "2.566", "12"], "7", ";", True),
        (["1.000", "2.566", "40.125"], "7.25", ";", False),  # elsewhere a point is a decimal mark
        (["1.000", "2.5", "40.125"], "7", ";", False),
        (["0.125", "2.566", "40.125"], "7", ";", False),
        (["1.000", "2.566", "40.125"], "7,25", ";", False),  # noted as a comma's thousands
        (["1.000", "2.566", "40.125"], "7", ",", False),
        (["1", "2", "40"], "7", ";", False),
    ],
)
def test_points_that_may_stand_between_thousands_are_named(
    cells: list[str], other: str, separator: str, named: bool, tmp_path: Path
) -> None:
    path = tmp_path / "preise.csv"
    rows = [f"{cells[row % 3]}{separator}{other}{separator}{row % 5}" for row in range(60)]
    path.write_text(separator.join("abc") + "\n" + "\n".join(rows) + "\n")
    notes = [note for note in open_file(path).notes if "between thousands" in note]
    assert len(notes) == named
    if named:
        assert notes[0].startswith("a: the decimal mark is a point, so ")
        for mark in ".,":
            said = open_file(path, {"decimal": mark})
            assert "between thousands" not in " ".join(said.notes)


def test_settings_of_a_file_may_be_numbers_and_booleans(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("made by us\n1,2\n3,4\n")
    said = dr.source(path, skip=1, header=False, separator=None)
    assert said.look().rows() == dr.source(path, skip="1", header="no").look().rows()
    assert said.look().height == 2
    for wrong in ({"skip": -1}, {"header": 3}, {"decimal": True}):
        with pytest.raises(ReadError, match="is unknown"):
            dr.source(path, **wrong)
    with pytest.raises(LearningError, match="is for files"):
        dr.source("sqlite:///shop.db", header=True)
