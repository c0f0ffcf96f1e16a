"""Guard: ASGI middleware in front of the routes: Host, Origin, token, the body's size and time.

Against DNS rebinding a request's Host must be this server's: on a loopback address exactly that
address; elsewhere an IP address (no name leads there), localhost, or a name that was allowed.
Against CSRF its Origin, where there is one, must be the same. The body is read here, under the
caps, before anything is parsed, and handed on in the scope.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from secrets import compare_digest
from time import perf_counter
from typing import Any

from deltarule.asgi import (
    HEADERS,
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
from deltarule.serve.metrics import Metrics
from deltarule.serve.problems import MEDIA_TYPE, ProblemError
from deltarule.serve.settings import Settings

BODY, HEADER_VALUES, KNOWN, MODEL = (
    f"deltarule.{name}" for name in ("body", "headers", "known", "model")
)
"""What the scope is given: body, headers, whether the token was right; by routes the model."""

OPEN = frozenset(
    {"/", "/docs", "/health", "/ready", "/ping", "/v2/health/live", "/v2/health/ready"}
)
"""What needs no token: pages without content of their own, and whether the server is up."""
LARGE = 64 << 10
LINGER = 0.5
CLOSE = (b"connection", b"close")


class Guard:
    """The middleware. `draining` is set once the server is to stop: connections end then."""

    def __init__(self, app: Application, settings: Settings, port: int, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.draining = False
        self._token = None if settings.token is None else settings.token.encode()
        self._hosts = _hosts(settings, port)
        self._loopback = _is_loopback(settings.host)
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":  # there are no websockets
                await self.app(scope, receive, send)
            return
        began, status = perf_counter(), 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ends = (CLOSE,) if self.draining else ()
                message["headers"] = [*message.get("headers", ()), *HEADERS, *ends]
            await send(message)

        held = 0
        try:
            scope[HEADER_VALUES] = headers = headers_of(scope)
            self._check(scope, headers)
            body = await self._body(headers, receive)
            if len(body) > LARGE:
                held = self._hold(len(body))
            scope[BODY] = body
            await self.app(scope, after_body(receive), guarded)
        except RefusedError as refusal:
            problem = ProblemError(refusal.status, refusal.kind, refusal.reason)
            await answer(problem, guarded, close=True)
        except ProblemError as problem:
            await answer(problem, guarded, close=True)
        except Exception:
            if not status:  # else the routes have answered and logged it
                raise
        finally:
            self._buffered -= held
        named = getattr(scope.get("endpoint"), "__name__", "other")
        route = getattr(scope.get("route"), "path", named)
        self.metrics.answered(route, scope.get(MODEL, ""), status, perf_counter() - began)

    def _check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Errors: ProblemError; RefusedError for another site."""
        host, path = headers.get("host", "").lower(), scope["path"]
        check_site(
            scope,
            headers,
            own_host=self._is_own(host),
            origins={f"http://{host}", f"https://{host}"},
            pages={"/", "/docs"},
        )
        scope[KNOWN] = self._token is None or self._has_token(headers)
        if not (scope[KNOWN] or path in OPEN or path.startswith("/static/")):
            raise ProblemError(
                401,
                "token",
                "the token is missing or wrong: send the header Authorization: Bearer TOKEN",
                headers=[(b"www-authenticate", b"Bearer")],
            )

    def _is_own(self, host: str) -> bool:
        if host in self._hosts:
            return True
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if name in self.settings.allowed_hosts:
            return True
        return not self._loopback and (name == "localhost" or _address(name) is not None)

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode("latin-1", "replace")
        return compare_digest(given, self._token or b"") and kind.lower() == "bearer"

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Errors: ProblemError; RefusedError for a body that is too large, or too slow."""
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return b""
        limits = self.settings.limits
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy might take the one and we the other, and disagree where the body ends.
            detail = "give Content-Length or Transfer-Encoding, not both"
            raise ProblemError(400, "framing", detail)
        if "content-encoding" in headers and headers["content-encoding"].lower() != "identity":
            raise ProblemError(415, "encoding", "send the body as it is, not compressed")
        try:
            return await read_body(headers, receive, most=limits.size, seconds=limits.seconds)
        except RefusedError as refusal:
            if refusal.status == 413 and "expect" not in headers:
                await _discard(receive)
            raise

    def _hold(self, size: int) -> int:
        """Count a large body that is in memory. Errors: ProblemError above all that may be."""
        if self._buffered + size > max(self.settings.limits.buffered, self.settings.limits.size):
            raise ProblemError(
                503,
                "busy",
                "too much is being computed: ask again",
                headers=[(b"retry-after", b"1")],
            )
        self._buffered += size
        return size


async def _discard(receive: Receive) -> None:
    """Let the rest of a body come, for a moment: closing upon it would reset the connection."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body", False):
                pass


async def answer(problem: ProblemError, send: Send, *, close: bool = False) -> None:
    """Send a problem; `close` where the rest of the body was not read."""
    body = problem.to_json()
    head = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *problem.headers,
        *((CLOSE,) if close else ()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _hosts(settings: Settings, port: int) -> frozenset[str]:
    """What Host may be on this very address."""
    literal = f"[{settings.host}]" if ":" in settings.host else settings.host
    names = {literal.lower(), "localhost"} if _is_loopback(settings.host) else {literal.lower()}
    bare = names if port == 80 else set[str]()
    return frozenset({f"{name}:{port}" for name in names} | bare)


def _is_loopback(host: str) -> bool:
    address: Any = _address(host)
    return host == "localhost" or (address is not None and bool(address.is_loopback))


def _address(name: str) -> Any:
    """An IP address; None for a name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
