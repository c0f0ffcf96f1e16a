"""The server's processes: listening, one worker or several, and a graceful stop.

On SIGTERM, Ctrl-C or a closed terminal `/ready` says no, and answers close their connections, for a
moment in which new requests are still taken: those who balance the load look away meanwhile. Then
nothing more is accepted, what was accepted is answered, and the process ends with 0.
"""

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import uvicorn

from deltarule.asgi import listen
from deltarule.errors import LearningError
from deltarule.serve.app import application
from deltarule.serve.guard import Guard
from deltarule.serve.settings import Settings

# Seconds in which requests are still taken after the signal, and in which accepted connections may
# still send theirs.
DRAIN, LAST_CALL = 0.5, 0.2
BACKLOG = 2048


class Server(uvicorn.Server):
    """uvicorn, with a graceful stop."""

    def __init__(self, config: uvicorn.Config, guard: Guard, started: Callable[[], object]) -> None:
        """`started` is called once requests are answered."""
        super().__init__(config)
        self.guard, self._on_start = guard, started
        self._early: int | None = None
        """A signal that came before."""
        self._waiting: dict[Any, tuple[float, Any]] = {}
        """The connections without a request, since when, and the last that each had."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and only then heed a signal, for connections may wait already."""
        await super().startup(sockets)
        if self.started:
            self._on_start()
            if self._early is not None:
                asyncio.get_running_loop().call_soon(self.handle_exit, self._early, None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests a little longer, then answer what was accepted."""
        self.guard.draining = True
        if not self.force_exit:
            await asyncio.sleep(DRAIN)
            waiting = [one.dup() for one in sockets or []]
            for server in self.servers:
                server.close()
            for listening in waiting:
                await self._accept_last(listening)
            await asyncio.sleep(LAST_CALL)
        await super().shutdown(sockets)

    async def _accept_last(self, listening: socket.socket) -> None:
        """Accept the connections that wait already, as their requests may have been sent."""
        loop, accepted = asyncio.get_running_loop(), []
        with listening, suppress(BlockingIOError):
            listening.setblocking(False)
            while True:
                accepted.append(listening.accept()[0])
        for one in accepted:
            one.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, one)

    def _protocol(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = made(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, the second time at once."""
        with _handling(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a terminal's Ctrl-C reaches workers before the supervisor's SIGTERM."""
        if not self.started:
            self._early = sig
            return
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
            # What is cut off now is no mistake, and needs no traceback.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Once a second, close connections on which no whole request arrives.

        A worker whose supervisor was killed stops, as nobody else could stop it.
        """
        if counter % 10 == 0:
            supervisor = parent_process()
            self.should_exit |= supervisor is not None and not supervisor.is_alive()
            now, waiting = time.monotonic(), dict[Any, tuple[float, Any]]()
            for one in self.server_state.connections:
                cycle: Any = getattr(one, "cycle", None)
                if cycle is None or cycle.response_complete:
                    before = self._waiting.get(one)
                    since = now if before is None or before[1] is not cycle else before[0]
                    waiting[one] = since, cycle
                    if now - since > self.guard.settings.limits.seconds:
                        one.transport.close()
            self._waiting = waiting
        return await super().on_tick(counter)


def serve(settings: Settings, *, tell: Callable[[str], Any]) -> None:
    """Serve until a signal; `tell` is called with the address once requests are accepted.

    Errors:  ModelError and its kinds; LearningError for a port that is taken
    """
    listening = _listening(settings)
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{port}"
    with listening, _folder_of_metrics(settings):
        if settings.workers == 1:
            server = _server(settings, application(settings, port), lambda: tell(address))
            server.run(sockets=[listening])
            return
        application(settings, port)  # what cannot be served is refused before any worker starts
        _supervise(settings, port, listening, lambda: tell(address))


def _server(settings: Settings, guard: Guard, started: Callable[[], object]) -> Server:
    """The server of this process."""
    _log_to_stderr()
    config = uvicorn.Config(
        guard,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=int(settings.limits.seconds) + 1,
        timeout_graceful_shutdown=int(settings.limits.seconds) + 1,
    )
    # Looking through all that was loaded takes 50 ms, in which nothing is answered.
    gc.collect()
    gc.freeze()
    return Server(config, guard, started)


def _work(settings: Settings, port: int, listening: socket.socket, ready: Any) -> None:
    """What a worker does."""
    server = _server(settings, application(settings, port), ready.set)
    server.run(sockets=[listening])


def _supervise(
    settings: Settings, port: int, listening: socket.socket, started: Callable[[], object]
) -> None:
    """Keep so many workers running until a signal, then wait for them to end."""
    spawn, stopping = get_context("spawn"), False
    ready, workers = spawn.Event(), list[SpawnProcess]()

    def start() -> SpawnProcess:
        worker = spawn.Process(target=_work, args=(settings, port, listening, ready))
        worker.start()
        return worker

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        # While anybody holds it open, connections are made that nobody accepts.
        listening.close()
        end()

    def end() -> None:
        for worker in workers:
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, signal.SIGTERM)

    with _handling(stop):
        while len(workers) < settings.workers and not stopping:
            workers.append(start())
        while not (stopping or ready.wait(0.1)) and any(worker.is_alive() for worker in workers):
            pass
        if not stopping:
            started()
        while any(worker.is_alive() for worker in workers):
            if stopping:
                end()  # one that was being started when the signal came knows nothing of it
            connection.wait([worker.sentinel for worker in workers if worker.is_alive()], 1.0)
            for place, worker in enumerate(workers):
                if not worker.is_alive() and not stopping:  # the signal may come at any start
                    workers[place] = start()


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals that ask to stop; a closed terminal may be ignored already (nohup)."""
    hangup = getattr(signal, "SIGHUP", None)  # there is none on Windows
    ignored = hangup is None or signal.getsignal(hangup) == signal.SIG_IGN
    signals = [signal.SIGINT, signal.SIGTERM, *(() if ignored else (hangup,))]
    before = {one: signal.signal(one, handler) for one in signals}
    try:
        yield
    finally:
        for one, earlier in before.items():
            signal.signal(one, earlier)


def _listening(settings: Settings) -> socket.socket:
    """Errors: LearningError."""
    if not settings.host.strip():
        raise LearningError(
            "--host is empty, which would listen at every address: give one, such as 127.0.0.1, "
            "or 0.0.0.0 for all"
        )
    try:
        return listen(settings.host, settings.port)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if isinstance(error, socket.gaierror) or number == errno.EADDRNOTAVAIL:
            raise LearningError(
                f"{settings.host} is no address of this machine: give another --host, such as "
                "127.0.0.1, or 0.0.0.0 for all"
            ) from None
        raise LearningError(
            f"port {settings.port} of {settings.host} cannot be used ({error}): "
            "give another --port, or 0 for a free one"
        ) from None


@contextmanager
def _folder_of_metrics(settings: Settings) -> Iterator[None]:
    """Where workers keep their metrics, for each to tell those of all."""
    if settings.workers == 1:
        yield
        return
    from deltarule.serve.metrics import FOLDER

    with tempfile.TemporaryDirectory(prefix="deltarule-", ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def _log_to_stderr() -> None:
    """What the server has to say goes to stderr: reloads, and mistakes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("deltarule: %(message)s"))
    for name, level in (("deltarule.serve", logging.INFO), ("uvicorn.error", logging.ERROR)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
