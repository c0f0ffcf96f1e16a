"""The server as a process: where it listens, whom it refuses, what it leaves behind."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from deltarule.web.guard import LARGEST_TABLE
from tests.web.conftest import watching


class Server:
    """A server to speak HTTP with, header by header."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.port, self.key = parts.port or 0, parse_qs(parts.query)["key"][0]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"x-deltarule-key": self.key} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


@pytest.fixture(scope="module")
def server(address: str) -> Server:
    return Server(address)


def test_it_answers_its_own_page_alone(server: Server):
    assert server.ask("GET", "/api/lessons")[0] == 200
    assert server.ask("GET", "/api/lessons", host=f"evil.example:{server.port}")[0] == 403
    assert server.ask("GET", "/api/lessons", origin="http://evil.example")[0] == 403
    assert server.ask("GET", "/api/lessons", sec_fetch_site="cross-site")[0] == 403
    assert server.ask("GET", "/api/lessons", x_deltarule_key="guessed")[0] == 403


def test_it_listens_on_this_machine_alone(server: Server):
    listening = [
        one.laddr.ip
        for one in psutil.net_connections("inet")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == server.port
    ]
    assert listening == ["127.0.0.1"]


def test_an_upload_above_the_cap_is_refused_before_it_is_read(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(
            f"POST /api/tables HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n"
            f"x-deltarule-key: {server.key}\r\ncontent-length: {LARGEST_TABLE + 1}\r\n\r\n".encode()
        )
        answer = b""
        while part := wire.recv(65536):
            answer += part
    assert b" 413 " in answer.splitlines()[0]
    assert b"32 MB" in answer


def test_unfinished_requests_hold_nobody_out(server: Server):
    head = f"POST /api/sessions HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n"
    whole = f"{head}x-deltarule-key: {server.key}\r\ncontent-length: 50\r\n\r\n"
    wires = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(150)]
    try:
        for at, wire in enumerate(wires):
            wire.sendall((head if at % 2 else whole).encode())
        begun = time.monotonic()
        assert server.ask("GET", "/api/lessons")[0] == 200
        assert time.monotonic() - begun < 5
        for wire in wires[1::2]:
            wire.settimeout(30)
            # Closed, without an answer: the head of the request never came.
            with contextlib.suppress(ConnectionResetError):
                assert wire.recv(100) == b""
    finally:
        for wire in wires:
            wire.close()


def test_nothing_is_left_behind_and_ctrl_c_ends_it(tmp_path: Path):
    away = tmp_path / "tmp"
    away.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", "from deltarule.cli import main; main()", "watch", "--no-open"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(away)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        server = Server(line.split()[-1])
        rows = b"a,b\n" + b"".join(b"%d,%d\n" % (at, at * at) for at in range(5000))
        status, body = server.ask("POST", "/api/tables?name=mine.csv", rows)
        assert (status, json.loads(body)["table"]["rows"]) == (200, 5000)
        assert "refused" in json.loads(server.ask("POST", "/api/tables", b"a,b\n1,2\n3,4,5\n")[1])
        process.send_signal(signal.SIGINT)  # Ctrl-C
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert list(away.iterdir()) == []
    assert list(tmp_path.iterdir()) == [away]


def test_a_port_that_is_taken_is_said(server: Server, run):
    said = run("watch", "--no-open", "--port", str(server.port)).refused()
    assert re.match(rf"port {server.port} cannot be used", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv"], "no such file"),
        (["--predict", "a"], "name the table"),
        (["{films}", "--predict", "nothing"], "no column 'nothing'"),
        (["{films}", "--predict", "gross", "--using", "budget", "--loss", "poison"], "no loss"),
        (["{films}", "--predict", "gross", "--using", "budget", "--learner", "exact"], "no steps"),
        (["{films}", "--predict", "gross", "--using", "budget", "--alpha", "-1"], "above 0"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_a_page_opens(run, films, words, said):
    done = run("watch", "--no-open", *[word.format(films=films) for word in words])
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err


def test_two_servers_have_keys_and_ports_of_their_own(address: str):
    with watching() as other:
        one, two = Server(address), Server(other)
        assert one.port != two.port
        assert one.key != two.key
        assert two.ask("GET", "/api/lessons", x_deltarule_key=one.key)[0] == 403


@pytest.mark.parametrize(
    ("words", "loss", "standardised"),
    [
        ((), "logistic", True),
        (("--predict", "size"), "squared", True),
        (("--alpha", "0.01"), "logistic", False),
        (("--no-standardise",), "logistic", False),
    ],
)
def test_a_table_of_the_command_begins_with_the_loss_of_its_target(
    tmp_path: Path, words: tuple[str, ...], loss: str, standardised: bool
):
    rows = "".join(f"{at % 7},{'yes' if at % 7 > at % 3 else 'no'}\n" for at in range(60))
    (tmp_path / "shop.csv").write_text(f"size,sold\n{rows}")
    with watching(str(tmp_path / "shop.csv"), *words) as address:
        status, body = Server(address).ask(
            "POST", "/api/sessions", b'{"lesson": null}', content_type="application/json"
        )
    choices = json.loads(body)["choices"]
    assert status == 200
    assert (choices["loss"], choices["standardise"]) == (loss, standardised)
    assert choices["predict"] == [words[1] if "--predict" in words else "sold"]
