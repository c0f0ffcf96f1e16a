"""Hostile bodies: each is refused with a 4xx within a second, and memory stays flat."""

import io
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import polars as pl
import psutil
import pytest

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
PREDICT, EXPLAIN, INFER = "/models/films/predict", "/models/films/explain", "/v2/models/films/infer"
INVOKE = "/invocations?model=films"
SECOND = 1.0
MEMORY = 64 << 20
"""What one request may leave behind at most: its body, of 10 MB, and what it was parsed into."""

ROW = {"budget": 1e6, "genre": "Drama", "release_date": "2000-01-31", "imdb_rating": 5.0}
WORD = "' OR 1=1; DROP TABLE films; -- <script>alert(1)</script>"


def texts() -> Iterator[tuple[str, str]]:
    """JSON that is none, or none of rows, as text."""
    for depth in (200, 1_000, 100_000, 4_000_000):
        yield f"arrays {depth}", "[" * depth
        yield f"closed arrays {depth}", "[" * depth + "]" * depth
        yield f"objects {depth}", '{"budget":' * depth
        yield f"closed {depth}", '{"budget":' * depth + "1" + "}" * depth
    for number in (
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e",
        "0x10",
        "01",
        "+1",
        "1_000",
        "9" * 500,
        "9" * 100_000,
        "1." + "0" * 3 + "e" + "9" * 10,
        ".5",
    ):
        yield f"number {number[:12]} {len(number)}", json.dumps(ROW).replace("1000000.0", number)
    for kind in ('"12"', "[]", "{}", "true", '"\\ud800"', "[1]", '{"a": 1}', '""', "'1'", "None"):
        yield f"budget {kind}", json.dumps(ROW).replace("1000000.0", kind)
    for kind in ("1", "true", "[]", "{}", '["Drama"]', '"\\ud800"', '"\\x00"', "'Drama'", '"a\nb"'):
        yield f"genre {kind!r}", json.dumps(ROW).replace('"Drama"', kind)
    for whole in (
        "",
        " ",
        "null",
        "1",
        '"text"',
        "true",
        "[1]",
        "[null]",
        "[[]]",
        "[{}]",
        "{}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '{"budget"}',
        '{"budget":}',
        '{"budget":1,}',
        "{budget:1}",
        "[{}, {}]",
        "<xml/>",
        "budget=1",
        "--",
        "\x00",
        "﻿{}",
        "{}{}",
        "[{},]",
        "/**/{}",
        "{'budget': 1}",
        "[]]",
        "[}",
        "{]",
        '"',
        "\\",
        "undefined",
    ):
        yield f"whole {whole!r}", whole
    once = json.dumps(ROW)
    for name in ROW:
        yield f"twice {name}", once[:-1] + f', "{name}": 1}}'
        yield f"lacks {name}", json.dumps({k: v for k, v in ROW.items() if k != name})
        yield f"misspelt {name}", json.dumps({f"{name}s" if k == name else k: 1 for k in ROW})
        yield (
            f"named by code, lacks {name}",
            json.dumps({(WORD if k == name else k): v for k, v in ROW.items()}),
        )
    yield "twice in another", once[:-1] + ', "x": {"a": 1, "a": 2}}'
    yield "twice with a colon in a text", once[:-1] + ', "x": "a:b", "budget": 1}'
    yield "twice by an escape", once[:-1] + ', "\\u0062udget": 1}'
    yield "second of two rows", f'[{once}, {{"budget": 1}}]'
    yield "a million values", "[" + ",".join(["1"] * 1_000_001) + "]"
    yield "a million empty rows", "[" + ",".join(["{}"] * 1_000_001) + "]"
    yield "more rows than may be", "[" + ",".join([once] * 10_001) + "]"
    yield "a long name", json.dumps({"b" * 1_000_000: 1})
    yield "ten thousand names", json.dumps({f"budget{at}": at for at in range(10_000)})


def arrow(**columns: list[Any]) -> bytes:
    into = io.BytesIO()
    pl.DataFrame(columns).write_ipc_stream(into)
    return into.getvalue()


def bodies() -> Iterator[tuple[str, str, str, bytes]]:
    """What, the path, the content type and the body."""
    for name, text in texts():
        yield name, PREDICT, JSON, text.encode()
    for path in (EXPLAIN, INFER, INVOKE):
        for name, text in texts():
            if len(text) < 1_000 and not name.startswith(("number", "budget", "genre")):
                yield f"{name} at {path}", path, JSON, text.encode()
    for name in ("dataframe_split", "dataframe_records", "instances", "inputs"):
        for value in (None, 1, "x", [1], [[]], [[1] * 9], {"a": 1}, {"columns": 1, "data": 2}):
            yield f"{name} {value}", INVOKE, JSON, json.dumps({name: value}).encode()
    tensor: dict[str, Any] = {"name": "budget", "shape": [1], "datatype": "FP64", "data": [1.0]}
    for change in (
        {"shape": [10**18]},
        {"shape": [-1]},
        {"shape": [2**70] * 8},
        {"data": "x"},
        {"data": [[[1]]]},
        {"name": None},
        {"name": WORD},
        {"datatype": 1},
        {},
    ):
        body = json.dumps({"inputs": [tensor | change]}).encode()
        yield f"tensor {change}", INFER, JSON, body
    yield "a tensor twice", INFER, JSON, json.dumps({"inputs": [tensor, tensor]}).encode()
    good = json.dumps(ROW).encode()
    for name, raw in (
        ("utf-16", json.dumps(ROW).encode("utf-16")),
        ("latin-1", b'{"\xe9": 1}'),
        ("bare bytes", bytes(range(256))),
        ("cut utf-8", good[:-2] + b"\xc3"),
        ("overlong", b'{"\xc0\xaf": 1}'),
        ("gzip", b"\x1f\x8b\x08\x00" + good),
    ):
        yield name, PREDICT, JSON, raw
        yield f"{name} as CSV", PREDICT, CSV, raw
        yield f"{name} as Arrow", PREDICT, ARROW, raw
    csv = b"budget,genre,release_date,imdb_rating\n"
    for name, raw in (
        ("empty", b""),
        ("blank", b"\n\n \n"),
        ("no rows of ours", b"a,b\n1,2\n"),
        ("zero bytes", csv + b"\x00,\x00,\x00,\x00\n"),
        ("ragged", csv + b"1,2,3,4,5,6\n"),
        ("wide", b"," * 6_000 + b"\n"),
        ("one long line", b"a" * 9_000_000),
        ("text for numbers", csv + b"cheap,Drama,2000-01-31,high\n"),
        ("infinite", csv + b"inf,Drama,2000-01-31,1\n" * 3),
        ("too many rows", csv + b"1,Drama,2000-01-31,1\n" * 10_001),
        ("quotes", csv + b'"1,Drama\n' * 50),
        ("code", f"{WORD}\n{WORD}\n".encode()),
        ("names twice", b"budget,budget\n1,2\n"),
    ):
        yield f"CSV {name}", PREDICT, CSV, raw
    stream = arrow(budget=[1.0], genre=["a"], release_date=["2000-01-31"])
    nested = arrow(budget=[[1.0]], genre=["a"], release_date=["a"], imdb_rating=[1.0])
    text = arrow(budget=["x"], genre=["a"], release_date=["2000-01-31"], imdb_rating=[1.0])
    for name, raw in (
        ("cut", stream[:-200]),
        ("lacks a column", stream),
        ("nested", nested),
        ("text", text),
        ("cut early", stream[:40]),
        ("long message", struct.pack("<Ii", 0xFFFFFFFF, 2**31 - 1) + b"x" * 64),
        ("negative message", struct.pack("<Ii", 0xFFFFFFFF, -8) + b"x" * 64),
        *((f"changed at {at}", changed(stream, at)) for at in range(8, 300, 12)),
    ):
        yield f"Arrow {name}", PREDICT, ARROW, raw
    into = io.BytesIO()
    rows = pl.DataFrame({"budget": [0.0] * 1_000_000})
    rows.write_ipc_stream(into, compression="zstd")
    yield "Arrow compressed", PREDICT, ARROW, into.getvalue()


def changed(stream: bytes, at: int) -> bytes:
    return stream[:at] + b"\xff\xff\xff\x7f" + stream[at + 4 :]


def test_hostile_bodies_are_refused_within_a_second_in_flat_memory(server):
    process = psutil.Process(server.process.pid)
    tried, most = 0, 0
    with server.client() as client:
        assert client.post(PREDICT, json=ROW).status_code == 200
        for size in (1, 2):  # what libraries load at their first use is no leak
            post(client, PREDICT, CSV, b"budget\n%d\n" % size)
            post(client, PREDICT, ARROW, arrow(budget=[size]))
        before = process.memory_info().rss
        for name, path, kind, body in bodies():
            worked = seconds(process)
            answer = post(client, path, kind, body)
            worked = seconds(process) - worked
            assert 400 <= answer.status_code < 500, (name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", name
            assert worked < SECOND, (name, worked)
            assert len(answer.content) < 2_000, name
            assert "Traceback" not in answer.text, name
            told = answer.json()["detail"].replace("</script>", "").replace("/invocations", "")
            assert "/" not in told, answer.text
            tried += 1
            most = max(most, process.memory_info().rss)
        assert tried >= 200
        assert client.post(PREDICT, json=ROW).status_code == 200
    assert most - before < MEMORY
    assert server.said == ""


def seconds(process: psutil.Process) -> float:
    """The processor time that the server has taken: what others do on the machine is not in it."""
    times = process.cpu_times()
    return float(times.user + times.system)


def post(client: httpx.Client, path: str, kind: str, body: bytes) -> httpx.Response:
    return client.post(path, content=body, headers={"content-type": kind})


@pytest.mark.parametrize("chunked", [False, True])
def test_100_mb_are_refused_without_being_held(server, chunked: bool):
    process = psutil.Process(server.process.pid)
    before, worked = process.memory_info().rss, seconds(process)
    part = b"[" + b" " * (1 << 20)
    with server.client() as client:
        content = iter([part] * 100) if chunked else part * 100
        answer = client.post(PREDICT, content=content, headers={"content-type": JSON})
    assert answer.status_code == 413
    assert seconds(process) - worked < SECOND
    assert process.memory_info().rss - before < MEMORY


def test_a_body_that_does_not_arrive_is_given_up(models, serve):
    server = serve(models / "films.json", "--timeout", "0.5")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        head = (
            f"POST {PREDICT} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-length: 9\r\n\r\n"
        )
        wire.sendall(head.encode() + b"{")
        answer = wire.recv(65536)
        assert b" 408 " in answer.splitlines()[0]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nhost: ")
        assert wire.recv(65536) == b""  # closed without an answer


def test_a_prediction_beyond_all_numbers_is_no_mistake(server, client: httpx.Client):
    row = ROW | {"budget": 1e308}
    assert client.post(EXPLAIN, json=row).status_code == 422
    answer = client.post(PREDICT, json=row)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["gross_prediction"] is None
    assert server.said == ""


def test_names_and_levels_of_a_request_change_nothing(server, client: httpx.Client):
    row = ROW | {"genre": WORD, WORD: WORD, "__proto__": 1, "constructor": 2}
    answer = client.post(PREDICT, json=row)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["flags"] == "genre: never seen"
    html = client.post(EXPLAIN, json=row, headers={"accept": "text/html"}).text
    assert "<script" not in html
    assert "&lt;script" in html
