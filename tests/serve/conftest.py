"""A server as a process of its own, and models to serve."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest

import deltarule as dr

COMMAND = [sys.executable, "-c", "from deltarule.cli import main; main()", "serve"]


class Server:
    """A running server: where it is, and its process."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, errors: Path) -> None:
        self.process, self.address, self._errors = process, address, errors

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def said(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text(encoding="utf-8")

    def client(self, **how: object) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=30, **how)  # type: ignore[arg-type]

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def wait_for_reload(self, times: int, until: float = 20.0) -> None:
        """Wait until its log says so often that a model file was read again."""
        end = time.monotonic() + until
        while self.said.count("\n") < times:
            assert time.monotonic() < end, self.said
            time.sleep(0.02)


@contextmanager
def serving(*words: object, folder: Path) -> Iterator[Server]:
    """`deltarule serve` with these words at a free port."""
    errors = folder / "stderr.txt"
    with (
        errors.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            [*COMMAND, *map(str, words), "--port", "0"],
            env=os.environ | {"PYTHONWARNINGS": "error"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line, errors.read_text(encoding="utf-8")
        try:
            yield Server(process, line.split()[-1], errors)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers for one test."""
    with ExitStack() as stack:

        def started(*words: object) -> Server:
            folder = tmp_path / f"server-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(serving(*words, folder=folder))

        yield started


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, films: Path, mixed: pl.DataFrame) -> Path:
    """A folder of model files: films (an amount), rating (classes), mixed (two targets)."""
    folder = tmp_path_factory.mktemp("models")
    table = pl.read_csv(films).head(800)
    using = ["budget", "genre", "release_date", "imdb_rating"]
    dr.learn(table, predict="gross", using=using).save(folder / "films.json")
    dr.learn(table, predict="rating", using=["budget", "running_time"]).save(folder / "rating.json")
    targets = [name for name in ("price", "sold") if name in mixed.columns]
    dr.learn(mixed, predict=targets).save(folder / "mixed.json")
    return folder


@pytest.fixture(scope="session")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the three models, for tests that change nothing."""
    files = [models / f"{name}.json" for name in ("films", "rating", "mixed")]
    with serving(*files, folder=tmp_path_factory.mktemp("server")) as found:
        yield found
        assert found.said == ""


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found
