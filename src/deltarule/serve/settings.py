"""Settings of the server: the models, where it listens, whom it answers, its limits."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deltarule.errors import LearningError

LOCAL = "127.0.0.1"
HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    megabytes: float = 10.0
    rows: int = 10_000
    seconds: float = 10.0
    """For the body to arrive, and for the answer to be computed."""
    values: int = 1_000_000
    """The most values of a JSON body, which take up to 100 times their text in memory."""
    columns: int = 5_000
    """The most columns of a CSV or Arrow body."""
    explained: int = 1_000
    """The most rows of one explanation in JSON."""
    buffered: int = 64 << 20
    """The bytes of all large bodies that are held at a time."""

    @property
    def size(self) -> int:
        """The most bytes of a body."""
        return int(self.megabytes * 2**20)


@dataclass(frozen=True)
class Settings:
    """What is served, and how."""

    models: dict[str, Path]
    """Model files by the name they are served under."""
    host: str = LOCAL
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    """Other names that this server has, such as that of a proxy in front of it."""
    workers: int = 1
    reload_seconds: float = 0.5
    """How often model files are looked at; 0 for never."""
    limits: Limits = field(default_factory=Limits)


def host_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of hosts as requests have them, in lower case and without a port.

    Errors:  LearningError for what is none, which no request could ever match
    """
    hosts = tuple(name.lower() for name in names)
    for name in hosts:
        if not HOST_NAME.fullmatch(name):
            raise LearningError(
                f"--allow-host {name!r} is no host's name: give the name alone, such as example.com"
            )
    return hosts


def read_token(path: Path) -> str:
    """The token that a file holds, without the white space around it.

    Errors:  LearningError for a file that cannot be read, or holds none
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise LearningError(f"the token's file {path} cannot be read: {reason}") from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise LearningError(f"{path} holds no token: one line of letters and digits")
    return token
