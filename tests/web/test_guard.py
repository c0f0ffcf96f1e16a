"""The guard: foreign hosts, other sites, missing keys and large bodies are refused, in words."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deltarule.asgi import HEADERS
from deltarule.web import guard
from deltarule.web.guard import Guard

HOST = "127.0.0.1:8123"
KEY = {"x-deltarule-key": "right"}


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def client() -> httpx.AsyncClient:
    app = Guard(echo, hosts=frozenset({HOST, "localhost:8123"}), key="right")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{HOST}")


@pytest.fixture
def ask():
    import asyncio

    def asked(method: str, path: str, **how) -> httpx.Response:
        async def go() -> httpx.Response:
            async with client() as one:
                return await one.request(method, path, **how)

        # In a thread of its own: a browser's loop may be running in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, go()).result()

    return asked


def test_the_page_and_what_it_asks_pass(ask):
    assert ask("GET", "/?key=right").status_code == 200
    assert ask("GET", "/static/page.js").status_code == 200
    own = KEY | {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    done = ask("POST", "/api/sessions", headers=own, content=b"hello")
    assert (done.status_code, done.content) == (200, b"hello")
    for name, value in HEADERS:
        assert done.headers[name.decode()] == value.decode()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8123.evil.net",
     "", "[::1]:8123", "127.0.0.1:8123, evil.example"],
)  # fmt: skip
def test_foreign_hosts_are_refused(ask, host):
    done = ask("GET", "/?key=right", headers={"host": host})
    assert done.status_code == 403
    assert "own address" in done.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ],
)
def test_other_sites_are_refused(ask, headers):
    done = ask("POST", "/api/sessions", headers=KEY | headers)
    assert done.status_code == 403
    assert "another site" in done.json()["error"]


def test_a_link_elsewhere_may_lead_to_the_page_but_a_frame_may_not(ask):
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask("GET", "/?key=right", headers=cross | {"sec-fetch-dest": "document"}).is_success
    assert ask("GET", "/?key=right", headers=cross | {"sec-fetch-dest": "iframe"}).is_client_error


@pytest.mark.parametrize("path", ["/", "/?key=", "/?key=wrong", "/?kex=right"])
def test_the_page_wants_the_key(ask, path):
    assert ask("GET", path).status_code == 403


@pytest.mark.parametrize("key", [None, "", "wrong", "righ", "rightt", "ключ"])
def test_questions_want_the_key(ask, key):
    headers = {} if key is None else {"x-deltarule-key": key.encode()}
    done = ask("GET", "/api/lessons?key=right", headers=headers)
    assert done.status_code == 403
    assert "key" in done.json()["error"]


def test_bodies_have_a_cap(ask, monkeypatch):
    monkeypatch.setattr(guard, "LARGEST_TABLE", 1 << 20)
    fits = ask("POST", guard.UPLOAD, headers=KEY, content=b"x" * (1 << 20))
    assert (fits.status_code, len(fits.content)) == (200, 1 << 20)
    told = ask("POST", guard.UPLOAD, headers=KEY, content=b"x" * ((1 << 20) + 1))
    assert told.status_code == 413
    assert "1 MB" in told.json()["error"]
    assert ask("POST", "/api/sessions", headers=KEY, content=b"x" * 70_000).status_code == 413


def test_a_body_without_a_length_is_counted_as_it_comes(ask):
    taken = []

    async def endless():
        while True:
            taken.append(1)
            yield b"x" * 10_000

    done = ask("POST", "/api/sessions", headers=KEY, content=endless())
    assert done.status_code == 413
    assert len(taken) < 10


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "1, 2", "٣"])
def test_a_length_that_is_none_is_refused(ask, length):
    headers = KEY | {"content-length": length.encode()}
    assert ask("POST", "/api/sessions", headers=headers).status_code == 413


def test_a_key_that_comes_twice_is_no_key(ask):
    headers = [(b"x-deltarule-key", b"right"), (b"x-deltarule-key", b"right")]
    assert ask("GET", "/api/lessons", headers=headers).status_code == 403


@pytest.mark.parametrize("address", ["/", "/?key=", "/?key=wrong", "/?other=1"])
def test_an_address_without_the_key_says_what_to_do(ask, address):
    done = ask("GET", address)
    assert done.status_code == 403
    assert done.headers["content-type"].startswith("text/html")
    assert "deltarule watch" in done.text
    for name, value in HEADERS:
        assert done.headers[name.decode()] == value.decode()
    # What is no page keeps to JSON.
    assert "key" in ask("GET", "/api/lessons").json()["error"]
