"""HTTP that servers share: bodies under a cap, headers of a safe page, a listening socket."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
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
    """A refused request: its HTTP status, and the reason."""

    status: int
    reason: str


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers by lower-case name; duplicates are joined, which no check accepts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


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
        raise RefusedError(408, "the request took too long to arrive") from None


async def _received(headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
    """Errors: RefusedError."""
    length = headers.get("content-length", "0")
    too_large = RefusedError(413, f"that is more than the {in_units(most)} that are taken here")
    if not length.isascii() or not length.isdigit() or len(length) > 18 or int(length) > most:
        raise too_large
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the request broke off")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise too_large
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


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
