"""JSON documents are split into records on their bytes, in bounded memory, as a parser would."""

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import DeltaruleError
from deltarule.tables.files import json_records
from deltarule.tables.files.encoding import open_text
from deltarule.tables.files.json_records import object_lines, record_lines
from deltarule.tables.files.open import open_file

Write = Callable[[str, str | bytes], Path]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\[]{},:\n é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.text('x"\\,[', max_size=3), VALUES, max_size=3), min_size=1)


def read(path: Path) -> pl.DataFrame:
    return pl.concat(open_file(path).batches([pl.all()]))


def refusal(path: Path) -> str:
    with pytest.raises(DeltaruleError) as refused:
        read(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def split(document: str, block: int) -> list[Any]:
    """The records of a document as they are split in blocks of so many bytes."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK", block)
        path = Path(folder) / "t.json"
        path.write_text(document, encoding="utf-8")
        lines = b"".join(record_lines(open_text(path, "t.json", bare=True))).split(b"\n")
        return [json.loads(line) for line in lines]


@given(
    records=RECORDS,
    indent=st.sampled_from([None, 0, 2]),
    block=st.integers(1, 40),
    ascii_only=st.booleans(),
)
def test_records_are_those_of_a_parser(
    records: list[Any], indent: int | None, block: int, ascii_only: bool
) -> None:
    document = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    assert split(f" \r\n{document}\n\t", block) == records


@pytest.mark.parametrize("block", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('[{"x":1},,{"x":2}]', "record 2 is no object"),
        ('[,{"x":1}]', "record 1 is no object"),
        ('[{"x":1},]', "record 2 is no object"),
        ('[{"x":1}{"x":2}]', "record 1 is no object"),
        ('[{"x":1},[2]]', "record 2 is no object"),
        ('[{"x":1},{"x":2},3,{"x":4}]', "record 3 is no object"),
        ('[{"x":1},{"x":2},null]', "record 3 is no object"),
        ('[{"x":1},{"x":2}] x', "more after the end"),
        ('[{"x":1}]\n[{"x":2}]', "more after the end"),
        ('[{"x":1},{"x":2}', "ends within record 2"),
        ('[{"x":1},{"x":"2}]', "ends within record 2"),
        ('[{"x":1},{"x":2]', "record 2"),
        ('[{"x":1},{"x":2}}', "record 2"),
        ('[{"x":1},{"x":2} 3]', "record 2 is no JSON"),
        ('[{"x":1},7{"x":2}]', "record 2 is no JSON"),
        ('[{"x":1},{"x":tru}]', "record 2 is no JSON"),
        ('[{"x":1},{"x":"a\nb"}]', "record 2 is no JSON"),
        ('[{"x":1},{"x":1e400}]', "record 2, column 'x'"),
        ('[{"x":1},{"x":1%s}]' % ("0" * 40), "record 2, column 'x'"),
        ('[{"x":1},{"x":NaN}]', "record 2"),
        ('{"data":[{"x":1},{"x":tru}]}', "record 2 is no JSON"),
        ('{"data":[{"x":1},{"x":2}}', "ends before its last bracket"),
        ('{"data":[{"x":1},{"x":2}]', "ends before its last bracket"),
    ],
)
def test_what_is_wrong_is_told_with_its_record(
    write: Write, monkeypatch: pytest.MonkeyPatch, document: str, said: str, block: int
) -> None:
    monkeypatch.setattr(json_records, "BLOCK", block)
    line = refusal(write("t.json", document))
    assert "t.json" in line
    assert said in line


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    "document",
    [
        '{"data":[{"x":1,"y":"a"},{"x":2.5,"y":null}]}',
        '{"next":null,"n":2,"results": [\n {"x":1,"y":"a"},\n {"x":2.5,"y":null}]}',
        '{"[{,":"\\"[{","rows":[{"x":1,"y":"a"},{"x":2.5}],"more":{"a":[1]},"b":[1,2,3]}',
        '{"schema":{"fields":[{"name":"x"}]},"data":[{"x":1,"y":"a"},{"x":2.5,"y":null}]}',
        '{"a":[],"b":[1],"rows":[{"x":1,"y":"a"},{"x":2.5}],"z":0}',
    ],
)
def test_a_list_of_records_within_an_object(
    write: Write, monkeypatch: pytest.MonkeyPatch, document: str, block: int
) -> None:
    json.loads(document)
    monkeypatch.setattr(json_records, "BLOCK", block)
    for path in (
        write("t.json", document),
        write("t.json.gz", gzip.compress(document.encode())),
        write("u.json", document.encode("utf-16")),
    ):
        assert read(path).rows() == [(1.0, "a"), (2.5, None)]
        assert ", the list '" in open_file(path).dialect


def test_several_lists_of_records_are_named(write: Write) -> None:
    line = refusal(write("t.json", '{"train":[{"x":1}],"test":[{"x":2}],"n":2}'))
    assert "'train', 'test'" in line


def test_an_object_of_columns_may_have_one_of_objects(write: Write) -> None:
    found = read(write("t.json", '{"x":[1,2],"deep":[{"a":1},{"a":2}]}'))
    assert found["x"].to_list() == [1, 2]
    assert found.columns == ["x", "deep"]


@pytest.mark.parametrize("name", ["t.json", "t.ndjson"])
@pytest.mark.parametrize(
    ("first", "other", "values"),
    [
        (1, True, ["1", "true"]),
        (2.5, False, ["2.5", "false"]),
        (1, "a", ["1", "a"]),
        (1, 2.5, [1.0, 2.5]),
        (3, {"a": 1}, ["3", '{"a": 1}']),
        ([1], "a", ["[1]", "a"]),
        ([1], 5, ["[1]", "5"]),
        (None, 7, [None, 7]),
        (1, 10**30, [1, 10**30]),
        ({"a": 1}, [2], ['{"a": 1}', "[2]"]),
    ],
)
@pytest.mark.parametrize("between", [0, 300])
def test_types_do_not_depend_on_where_a_block_ends(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    first: Any,
    other: Any,
    values: list[Any],
    between: int,
) -> None:
    monkeypatch.setattr(json_records, "BLOCK", 256)
    monkeypatch.setattr("deltarule.tables.files.encoding.BLOCK", 256)
    rows = [{"x": first}, *[{"x": None}] * between, {"x": other}]
    text = json.dumps(rows) if name == "t.json" else "\n".join(map(json.dumps, rows))
    for reordered in (text, text[:1] + text[1:]):
        found = read(write(name, reordered))["x"]
        assert [found[0], found[-1]] == values
        assert found.null_count() == between + (first is None)


def test_a_document_and_its_lines_give_one_model(tmp_path: Path, mixed: pl.DataFrame) -> None:
    mixed.write_ndjson(tmp_path / "t.ndjson")
    rows = mixed.to_dicts()
    (tmp_path / "t.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "u.json").write_text(json.dumps({"meta": {"n": len(rows)}, "rows": rows}))
    weights = [
        dr.learn(tmp_path / name, predict="price").record.weights
        for name in ("t.ndjson", "t.json", "u.json")
    ]
    assert weights[0] == weights[1] == weights[2]


# What the kernel counts for getrusage may be that of the process which started this one.
LEARN = """
import re, sys
from pathlib import Path
import deltarule as dr
model = dr.learn(sys.argv[1], predict="y", using="x", ridge=0)
assert model.record.rows == int(sys.argv[2]), model.record.rows
print(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_a_large_document_is_read_in_little_memory(tmp_path: Path) -> None:
    """120 MB take some 200 MB of memory, of which Python and polars are the half; whole, 900."""
    rows = [
        {"x": at % 97, "y": (at % 97) * 2.5 + at % 7, "note": "a, [b] {c} " * 10}
        for at in range(8000)
    ]
    block = json.dumps(rows)[1:-1]
    times = (120 << 20) // len(block)
    path = tmp_path / "t.json"
    with path.open("w") as file:
        file.write("[" + block)
        for _ in range(times - 1):
            file.write("," + block)
        file.write("]")
    done = subprocess.run(
        [sys.executable, "-c", LEARN, str(path), str(8000 * times)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 350 << 10


@given(
    records=st.lists(st.dictionaries(st.text('x"}{,', max_size=3), VALUES), min_size=2),
    indent=st.sampled_from([None, 1]),
    between=st.sampled_from(["", "\n", " ", "\r\n\n"]),
    block=st.integers(1, 40),
)
def test_objects_one_after_the_other_are_those_of_a_parser(
    records: list[Any], indent: int | None, between: str, block: int
) -> None:
    text = between.join(json.dumps(record, indent=indent) for record in records)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK", block)
        path = Path(folder) / "t.json"
        path.write_text(text, encoding="utf-8")
        lines = b"".join(object_lines(open_text(path, "t.json", bare=True))).split(b"\n")
    assert [json.loads(line) for line in lines if line.strip()] == records


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["t.json", "t.csv"])
def test_objects_one_after_the_other_are_a_table(
    write: Write, name: str, indent: int | None
) -> None:
    rows = [{"x": at, "y": {"deep": at}} for at in range(50)]
    text = "".join(json.dumps(row, indent=indent) for row in rows)
    assert read(write(name, text))["x"].to_list() == list(range(50))
    assert "record 2 is no JSON" in refusal(write(name, text.replace('"x": 1,', '"x": tru,')))
    assert "record 50 is no JSON" in refusal(write(name, text[:-1]))
