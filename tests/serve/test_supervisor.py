"""The supervisor of several workers, with processes in their place that only wait."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from deltarule.serve import process
from deltarule.serve.settings import Settings


@dataclass
class Started:
    """A process in a worker's place; the signal to stop comes while it is being started."""

    signalled: bool
    process: subprocess.Popen[bytes] | None = None
    sentinel: int = -1

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10)"])
        self.sentinel = os.pidfd_open(self.process.pid)
        if self.signalled:
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def pid(self) -> int | None:
        return self.process and self.process.pid

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_worker_that_is_started_as_the_signal_comes_is_stopped(
    last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first, the second, or the one in place of the first."""
    made: list[Started] = []

    def worker(**_: object) -> Started:
        made.append(Started(signalled=len(made) == last))
        return made[-1]

    spawn = SimpleNamespace(
        Event=lambda: SimpleNamespace(wait=lambda seconds: True), Process=worker
    )
    monkeypatch.setattr(process, "get_context", lambda method: spawn)

    def started() -> None:
        first = made[0].process
        assert first is not None
        first.kill()
        first.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        process._supervise(Settings({}, workers=2), 0, listening, started)
    assert len(made) == last + 1
    for one in made:
        assert not one.is_alive()
        assert one.process is not None
        assert one.process.returncode in (-signal.SIGKILL, -signal.SIGTERM), "it ended by itself"
        os.close(one.sentinel)
