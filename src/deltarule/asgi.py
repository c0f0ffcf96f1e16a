"""HTTP that servers share: bodies under a cap, headers of a safe page, a listening socket."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

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
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class RefusedError(Exception):
    """A refused request: its HTTP status, the reason, and in a word what was wrong."""

    status: int
    reason: str
    kind: str = "refused"


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers by lower-case name; duplicates are joined, which no check accepts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def check_site(
    scope: Scope,
    headers: Mapping[str, str],
    *,
    own_host: bool,
    origins: Collection[str],
    pages: Collection[str],
) -> None:
    """Let only this server's own address and pages ask, against DNS rebinding and CSRF.

    `own_host` is whether the Host is this server's, `origins` are those of its pages; links of
    other sites may lead to `pages`, not in a frame.
    Errors:  RefusedError
    """
    if not own_host:
        raise RefusedError(403, "this server answers to its own address only", "host")
    foreign = RefusedError(403, "a page of another site may not ask here", "origin")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in origins:
        raise foreign
    followed = (
        scope["method"] == "GET"
        and scope["path"] in pages
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not followed:
        raise foreign


async def read_body(
    headers: Mapping[str, str], receive: Receive, *, most: int, seconds: float
) -> bytes:
    """The request body.

    Errors:  RefusedError for one above the cap, as early as possible, or that takes too long
    """
    try:
        async with asyncio.timeout(seconds):
            return await _received(headers, receive, most)
    except TimeoutError:
        raise RefusedError(408, "the request took too long to arrive", "too-slow") from None


async def _received(headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
    """Errors: RefusedError."""
    length = headers.get("content-length", "0")
    reason = f"that is more than the {in_units(most)} that are taken here"
    too_large = RefusedError(413, reason, "too-large")
    if not length.isascii() or not length.isdigit() or len(length) > 18 or int(length) > most:
        raise too_large
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the request broke off", "broken-off")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise too_large
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


def after_body(receive: Receive, body: bytes = b"") -> Receive:
    """What a route receives of a body that was read: that, and then what comes."""
    ended = False

    async def rest() -> Message:
        nonlocal ended
        if not ended:
            ended = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return rest


def in_units(size: int) -> str:
    """A number of bytes for people."""
    return f"{size // 2**20} MB" if size >= 2**20 else f"{size // 2**10} kB"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at this port, or at a free one if it is 0. Errors: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's delay, 40 ms an answer, only where the protocol is named.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening
