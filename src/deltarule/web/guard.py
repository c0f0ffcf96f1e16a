"""Guard: ASGI middleware that admits only this machine's browser, from our page, with its key.

Against CSRF and DNS rebinding, a request passes only if its Host is this very address (a foreign
name that resolves to 127.0.0.1 is not), its Origin and Sec-Fetch-Site are those of our own page,
and it has the key of this run, which only the printed URL has. Bodies are read here, up to a cap
and a time limit, before they are parsed. Only whole requests count as being answered, so that
unfinished ones cannot hold others out.
"""

import json
from pathlib import Path
from secrets import compare_digest
from urllib.parse import parse_qs

from deltarule.asgi import (
    HEADERS,
    MEDIA_TYPES,
    Application,
    Message,
    Receive,
    RefusedError,
    Scope,
    Send,
    after_body,
    check_site,
    headers_of,
    read_body,
)

LARGEST_QUESTION = 64 * 1024
LARGEST_TABLE = 32 * 1024 * 1024
UPLOAD = "/api/tables"
# The time limit for a body to arrive, and the most requests that are answered at a time.
BODY_SECONDS = 20.0
AT_ONCE = 16
# What a person sees whose address has no key.
LOCKED = Path(__file__).parent / "static" / "locked.html"


class LockedError(RefusedError):
    """A refused request for the page itself, without the key."""


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
            most = LARGEST_TABLE if scope["path"] == UPLOAD else LARGEST_QUESTION
            body = await read_body(headers_of(scope), receive, most=most, seconds=BODY_SECONDS)
            if self.running >= AT_ONCE:
                raise RefusedError(503, "deltarule watch is busy: try again")
        except RefusedError as refusal:
            await _refuse(refusal, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        self.running += 1
        try:
            await self.app(scope, after_body(receive, body), guarded)
        finally:
            self.running -= 1

    def _check(self, scope: Scope) -> None:
        """Errors: RefusedError."""
        headers, path = headers_of(scope), scope["path"]
        check_site(
            scope,
            headers,
            own_host=headers.get("host", "").lower() in self.hosts,
            origins={f"http://{name}" for name in self.hosts},
            pages={"/"},
        )
        if path.startswith("/api/") and not self._known(headers.get("x-deltarule-key", "")):
            raise RefusedError(
                403, "the key is missing: open the address that deltarule watch printed"
            )
        if path == "/":
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            if not self._known(query.get("key", [""])[0]):
                raise LockedError(403, "open the address that deltarule watch printed, key and all")

    def _known(self, key: str) -> bool:
        return compare_digest(key.encode(), self.key.encode())


async def _refuse(refusal: RefusedError, send: Send) -> None:
    body, kind = json.dumps({"error": refusal.reason}).encode(), "application/json"
    if isinstance(refusal, LockedError):
        body, kind = LOCKED.read_bytes(), MEDIA_TYPES[".html"]
    head = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    # The rest of an unread body must not be parsed as the next request.
    head += [(b"connection", b"close"), *HEADERS]
    await send({"type": "http.response.start", "status": refusal.status, "headers": head})
    await send({"type": "http.response.body", "body": body})
