"""Database addresses: which text is one, and passwords, which are never shown."""

import contextlib
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import (
    DeltaruleError,
    MissingExtraError,
    NotFoundError,
    OutputError,
    ReadError,
)
from deltarule.tables.databases import url as address
from deltarule.tables.databases.database import is_database, open_database, write_table
from deltarule.tables.source import BATCH_ROWS
from tests.tables.databases import films, refused, whole

PASSWORD = "p@ss/w:rd %?#é"  # of the role 'walled': conftest.py


# Addresses, and what is never told


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("films.db", True),
        ("FILMS.SQLITE", True),
        ("a/films.sqlite3", True),
        ("films.duckdb", True),
        ("sqlite:///films", True),
        ("duckdb:///films", True),
        ("postgresql://host/films", True),
        ("postgres:///?service=films", True),
        ("postgresql+psycopg://host/films", True),
        ("mysql://me:pw@host/films", True),
        ("films.csv", False),
        ("-", False),
        ("", False),
        ("C:\\films.csv", False),
        ("https://host/films.csv", False),
        ("s3://bucket/films.parquet", False),
        ("a b: c", False),
    ],
)
def test_what_names_a_database(text: str, named: bool) -> None:
    assert is_database(text) == named


def test_a_path_may_be_meant_from_here_or_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"x": [1.0]})
    monkeypatch.chdir(tmp_path)
    write_table("sqlite:///here.db", "films", [frame])
    for text in (f"sqlite:///{tmp_path}/here.db", f"sqlite://{tmp_path}/here.db", "here.db"):
        assert whole(text).equals(frame)


def test_the_file_tells_what_it_is_whatever_its_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.0]})
    write_table(f"duckdb:///{tmp_path}/films.db", "films", [frame])
    assert whole(f"{tmp_path}/films.db").equals(frame)
    write_table(f"sqlite:///{tmp_path}/films.duckdb", "films", [frame])
    assert open_database(f"{tmp_path}/films.duckdb").dialect == "SQLite table films"


@pytest.mark.parametrize("name", ["films.db", "films.duckdb"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello" * 1000,
        b"SQLite format 3\0" + b"\xff" * 5000,
        b"x" * 8 + b"DUCK" + b"\0" * 9000,
    ],
    ids=["empty", "words", "a SQLite head alone", "a DuckDB head alone"],
)
def test_a_file_that_is_no_database_is_refused(write: Any, name: str, content: bytes) -> None:
    path = write(name, content)
    refused(lambda: open_database(str(path)), ReadError, name)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "films"
    write_table(f"{kind}:///{path}", "films", [films(50_000)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    def read() -> None:
        source = open_database(f"{kind}:///{path}")
        list(source.batches([pl.col(name) for name in source.look().columns]))

    refused(read, ReadError)


@pytest.mark.parametrize("name", ["films.db", "films.duckdb", "no/such/folder/films.db"])
def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, name: str) -> None:
    refused(lambda: open_database(f"{tmp_path}/{name}"), NotFoundError, "no such file")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder.db").mkdir()
    refused(lambda: open_database(f"{tmp_path}/folder.db"), ReadError, "is a folder")


@pytest.mark.parametrize(
    "text",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:films.db",
        "duckdb:///",
        "sqlite:///films\0.db",
        "films\0.db",
        "/" + "x" * 5000 + ".db",
        "mysql://me:s3cret@host/films",
        "host=localhost password=s3cret",
        "postgresql:s3cret",
        "postgresql://me:s3cret",
        "postgresql://me:s3cret/w@host/films",
        "postgresql://me:s3cret@w@host/films",
        "postgresql://me:s3cret#w@host/films",
        "postgresql://me:s3cret?w@host/films",
        "postgresql://me:s3cret@[::1/films",
        "postgresql://me:s3cret%zz@localhost:1/films",
        "postgresql://me:s3cret@localhost:port/films",
        "postgresql://me:s3cret@localhost:99999/films",
        "postgresql://me:s3cret@localhost:1/films?nothing=s3cret",
        "postgresql://localhost:1/films?password=s3cret&application_name=%zz",
        "postgresql://localhost:1/films?user=me&password=s3cret&port=x",
        "postgresql:///?service=none&password=s3cret",
        "postgresql://me:s3cret@nohost.invalid/films",
        "postgresql://me:s3cret@127.0.0.1:1/films",
        "postgresql://me:s3cret@127.0.0.1:1,127.0.0.1:2/films",
        "postgresql://me:s3cret@/films?host=/no/such/folder",
        "postgresql://me:s3cret@127.0.0.1:1/films?sslpassword=s3cret&sslmode=wrong",
        "postgresql://me:s3cret\0@host/films",
        "postgresql://me:s3cret\ud800@127.0.0.1:1/films",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for do in (
        lambda: open_database(text, table="films"),
        lambda: write_table(text, "films", [pl.DataFrame({"x": [1.0]})]),
    ):
        with pytest.raises(DeltaruleError) as caught:
            do()
        assert "\n" not in str(caught.value)
        told = "".join(traceback.format_exception(caught.value)).replace(repr(text), "")
        told = told.replace(text, "") if "s3cret" not in str(caught.value) else told
        assert "s3cret" not in str(caught.value)
        # Of all that is chained and shown too; this file's own lines are not the message's.
        assert not any("s3cret" in line for line in told.splitlines() if "Error" in line)
    assert list(tmp_path.iterdir()) == []


def spellings(password: str) -> list[str]:
    return [password, quote(password, safe=""), quote(password), repr(password)[1:-1]]


def test_the_password_opens_and_is_never_told(postgres: str, psql: Any) -> None:
    place = postgres.split("@")[1]
    url = f"postgresql://walled:{quote(PASSWORD, safe='')}@{place}"
    write_table(url, "films", [films(200)])
    source = open_database(url)
    model = dr.learn(source, predict="gross", using=["budget", "genre"])
    told = [source.name, repr(source), str(vars(source)), source.dialect, *source.notes]
    told += [repr(model), model.record.model_dump_json()]
    told.append(refused(lambda: open_database(url, table="none")))
    told.append(refused(lambda: open_database(url, query="SELECT none FROM films")))
    told.append(refused(lambda: write_table(url, "films", [films(2)]), OutputError))
    words = f"SELECT '{PASSWORD}'::int AS x"
    told.append(refused(lambda: open_database(url, query=words).look()))
    for text in told:
        assert not any(spelling in text for spelling in spellings(PASSWORD)), text
        assert "%40ss" not in text


@pytest.mark.parametrize("wrong", ["wr%40ng", "wrong", "w", "é%20%25", "%27quoted%27", "walled"])
def test_a_wrong_password_is_told_as_such(postgres: str, wrong: str) -> None:
    url = f"postgresql://walled:{wrong}@{postgres.split('@')[1]}"
    line = refused(
        lambda: open_database(url, table="films"), ReadError, "authentication failed", "check"
    )
    assert wrong not in line.split("check")[0].split()
    assert "wr@ng" not in line


def test_a_missing_password_is_asked_for(postgres: str) -> None:
    url = f"postgresql://walled@{postgres.split('@')[1]}"
    refused(lambda: open_database(url), ReadError, "no password supplied: give one")


def test_the_environment_and_service_files_say_what_the_url_does_not(
    postgres: str, psql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = postgres.split("host=")[1]
    write_table(postgres, "films", [pl.DataFrame({"x": [1.0]})])
    psql("GRANT SELECT ON films TO walled")
    with monkeypatch.context() as patch:
        for key, value in (("HOST", host), ("USER", "walled"), ("DATABASE", "postgres")):
            patch.setenv(f"PG{key}", value)
        patch.setenv("PGPASSWORD", PASSWORD)
        assert whole("postgresql:///")["x"].to_list() == [1.0]
        assert open_database("postgresql://").name == "postgresql:///, table films"
        query = f"SELECT '{PASSWORD}'::int AS x"
        line = refused(lambda: open_database("postgresql://", query=query).look())
        assert PASSWORD not in line
    service = tmp_path / "services"
    service.write_text(f"[films]\nhost={host}\nuser=walled\ndbname=postgres\n")
    passes = tmp_path / "passes"
    passes.write_text(f"*:*:*:walled:{PASSWORD.replace(':', chr(92) + ':')}\n")
    passes.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGPASSFILE", str(passes))
    source = open_database("postgresql:///?service=films")
    assert source.look()["x"].to_list() == [1.0]
    assert source.name == "postgresql:///?service=films, table films"


@given(
    password=st.text(
        st.characters(exclude_characters="\0", codec="utf-8"), min_size=4, max_size=12
    ),
    spelt=st.sampled_from(["plain", "quoted", "whole"]),
)
@settings(deadline=None, derandomize=True)
def test_a_password_is_hidden_in_every_spelling(password: str, spelt: str) -> None:
    safe = quote(password, safe="")
    url = f"postgresql://me:{safe}@host/db?password={safe}"
    found = address.address(url)
    text = {"plain": password, "quoted": safe, "whole": url}[spelt]
    hidden = found.hide(f"<<{text}>>")
    for secret in (password, safe):
        if secret not in "<<***>>" and secret not in found.name:
            assert secret not in hidden
    assert repr(found) == f"Address(kind='PostgreSQL', name={found.name!r}, path=None)"
    assert "\n" not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("bad password=abc host=x", "bad password=*** host=x"),
        ("bad password = 'a b' host=x", "bad password = *** host=x"),
        ("at postgres://me:ab:c@x@host/db", "at postgres://***@host/db"),
        ("first\nsecond", "first"),
        ("\n \n", "for no reason that it gives"),
    ],
)
def test_what_a_driver_says_of_itself_is_hidden_too(text: str, hidden: str) -> None:
    assert address.address("postgresql://host/db").hide(text) == hidden


@pytest.mark.parametrize(
    ("url", "lacking", "extra"),
    [
        ("postgresql://host/db", "adbc_driver_postgresql.dbapi", "postgres"),
        ("postgresql://host/db", "pyarrow", "postgres"),
        ("x.duckdb", "duckdb", "duckdb"),
    ],
)
def test_a_missing_driver_is_named(
    url: str, lacking: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.duckdb").touch()
    monkeypatch.setitem(sys.modules, lacking, None)
    install = f"pip install 'deltarule[{extra}]'"
    refused(lambda: open_database(url), MissingExtraError, install)


def test_a_lock_is_told(tmp_path: Path) -> None:
    path = f"{tmp_path}/x.duckdb"
    write_table(path, "films", [pl.DataFrame({"x": [1.0]})])
    with contextlib.closing(duckdb.connect(path)):
        refused(lambda: open_database(path), ReadError, "close")
    assert whole(path).height == 1


def test_a_read_that_is_given_up_closes_its_connection(postgres: str, psql: Any) -> None:
    source = open_database(postgres, query="SELECT n FROM generate_series(1, 2000000) AS s(n)")
    batches = source.batches([pl.col("n")])
    assert next(batches).height == BATCH_ROWS
    batches.close()  # type: ignore[attr-defined]
    others = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 2000%' "
    assert psql(f"{others} AND pid <> pg_backend_pid() AND state <> 'idle'")[0][0] in (0, 1)
