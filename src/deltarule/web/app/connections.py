"""Connections that have sent no whole request: closed after a time, the oldest first if many.

uvicorn counts them towards its limit, so that a few of them would hold all others out.
"""

import asyncio
from typing import Any

# The time limit for the head of a request, and the most connections that wait for one.
HEAD_SECONDS = 5.0
MOST_WAITING = 100


def patient_protocol() -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, with these two limits."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    waiting: dict[Any, asyncio.TimerHandle] = {}

    class PatientProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            self.wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self.wait_no_longer()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle is None or self.cycle.response_complete:
                self.wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self.wait_no_longer()
            super().connection_lost(exc)

        def wait(self) -> None:
            self.wait_no_longer()
            if self.transport.is_closing():
                return
            if len(waiting) >= MOST_WAITING:
                next(iter(waiting)).transport.abort()
                waiting.pop(next(iter(waiting))).cancel()
            waiting[self] = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def wait_no_longer(self) -> None:
            timer = waiting.pop(self, None)
            if timer is not None:
                timer.cancel()

    return PatientProtocol
