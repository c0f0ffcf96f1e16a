"""Guard: ASGI middleware that admits only this machine's browser, from our page, with its key.

Against CSRF and DNS rebinding, a request passes only if its Host is this very address (a foreign
name that resolves to 127.0.0.1 is not), its Origin and Sec-Fetch-Site are those of our own page,
and it has the key of this run, which only the printed URL has. Bodies are read here, up to a cap
and a time limit, before they are parsed. Only whole requests count as being answered, so that
unfinished ones cannot hold others out.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_QUESTION = 64 * 1024
LARGEST_TABLE = 32 * 1024 * 1024
UPLOAD = "/api/tables"
# The time limit for a body to arrive, and the most requests that are answered at a time.
BODY_SECONDS = 20.0
AT_ONCE = 16

# All resources are same-origin. Charts set inline styles, hence 'unsafe-inline' for styles.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True)
class RefusedError(Exception):
    """A refused request, with the reason."""

    status: int
    words: str


class Guard:
    """The ASGI middleware; `hosts` are this server's names, with its port."""

    def __init__(self, app: Application, *, hosts: frozenset[str], key: str) -> None:
        self.app, self.hosts, self.key = app, hosts, key
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # There are no websockets; lifespan events are passed to the application.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
            body = await _body_in_time(scope, receive)
            if self.running >= AT_ONCE:
                raise RefusedError(503, "deltarule watch is busy: try again")
        except RefusedError as refusal:
            await _refuse(refusal, send)
            return
        rest = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(rest, None) or await receive()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        self.running += 1
        try:
            await self.app(scope, replay, guarded)
        finally:
            self.running -= 1

    def _check(self, scope: Scope) -> None:
        """Errors: RefusedError."""
        headers = _headers(scope)
        host, path = headers.get("host", ""), scope["path"]
        if host.lower() not in self.hosts:
            raise RefusedError(403, "this server answers to its own address only")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{name}" for name in self.hosts}:
            raise RefusedError(403, "a page of another site may not ask here")
        entering = path == "/" and scope["method"] == "GET"
        followed = headers.get("sec-fetch-mode") == "navigate"
        into = headers.get("sec-fetch-dest") == "document"
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not (entering and followed and into):
            raise RefusedError(403, "a page of another site may not ask here")
        if path.startswith("/api/") and not self._known(headers.get("x-deltarule-key", "")):
            raise RefusedError(
                403, "the key is missing: open the address that deltarule watch printed"
            )
        if path == "/":
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            if not self._known(asked.get("key", [""])[0]):
                raise RefusedError(
                    403, "open the address that deltarule watch printed, key and all"
                )

    def _known(self, key: str) -> bool:
        return compare_digest(key.encode(), self.key.encode())


def _headers(scope: Scope) -> Mapping[str, str]:
    """The headers by name; duplicates are joined, which no check accepts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        word, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[word] = f"{found[word]}, {text}" if word in found else text
    return found


async def _body_in_time(scope: Scope, receive: Receive) -> bytes:
    """The request body. Errors: RefusedError for one above the cap or the time limit."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _body(scope, receive)
    except TimeoutError:
        raise RefusedError(408, "the request took too long to arrive") from None


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The request body. Errors: RefusedError for one above the cap, as early as possible."""
    most = LARGEST_TABLE if scope["path"] == UPLOAD else LARGEST_QUESTION
    told = _headers(scope).get("content-length", "0")
    too_large = RefusedError(413, f"that is more than the {_megabytes(most)} that are taken here")
    if not told.isascii() or not told.isdigit() or int(told) > most:
        raise too_large
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the request broke off")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > most:
            raise too_large
        if not message.get("more_body", False):
            return b"".join(parts)


def _megabytes(size: int) -> str:
    return f"{size // 2**20} MB" if size >= 2**20 else f"{size // 2**10} kB"


async def _refuse(refusal: RefusedError, send: Send) -> None:
    body = json.dumps({"error": refusal.words}).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # The rest of an unread body must not be parsed as the next request.
    head += [(b"connection", b"close"), *HEADERS]
    await send({"type": "http.response.start", "status": refusal.status, "headers": head})
    await send({"type": "http.response.body", "body": body})
