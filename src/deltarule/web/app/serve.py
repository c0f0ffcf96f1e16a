"""Serving the page: on 127.0.0.1, at a free port, until Ctrl-C."""

import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

from deltarule.asgi import listen
from deltarule.errors import LearningError
from deltarule.web.app.connections import patient_protocol
from deltarule.web.app.routes import GivenTable, application, missing

LOCAL = "127.0.0.1"


def serve(
    given: GivenTable | None, *, port: int = 0, tell: Callable[[str], Any], show: bool = True
) -> None:
    """Serve the page until Ctrl-C; `tell` is called with its address, a browser opened to `show`.

    Errors:  MissingExtraError; LearningError for a port that is taken
    """
    try:
        import uvicorn
    except ImportError:
        raise missing("uvicorn") from None
    with _listening(port) as listening:
        at = listening.getsockname()[1]
        key = token_urlsafe(18)
        hosts = frozenset({f"{LOCAL}:{at}", f"localhost:{at}"})
        app = application(given, hosts=hosts, key=key)
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            server_header=False,
            ws="none",
            http=patient_protocol(),
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        address = f"http://{LOCAL}:{at}/?key={key}"
        tell(address)
        if show:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    """A socket of this machine alone, at this port or a free one. Errors: LearningError."""
    try:
        return listen(LOCAL, port)
    except (OSError, OverflowError) as error:
        raise LearningError(
            f"port {port} cannot be used ({error}): leave out --port for a free one"
        ) from None
