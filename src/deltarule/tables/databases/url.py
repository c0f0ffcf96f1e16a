"""Database addresses: parsed, with a name to show that never holds credentials.

sqlite:///films.db           a file below the working directory; four slashes: from the root
duckdb:///films.duckdb       likewise
postgresql://user@host/db    a server; what the URL leaves out, the environment, a service file
                             or a password file may say (libpq reads them)
films.db  films.duckdb       a path alone; what is in the file decides what it is
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

import polars as pl

from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError, DeltaruleError, NotFoundError, OutputError, ReadError

Kind = Literal["SQLite", "PostgreSQL", "DuckDB"]

SCHEMES: dict[str, Kind] = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    "duckdb": "DuckDB",
}
ENDINGS: dict[str, Kind] = {
    ".db": "SQLite",
    ".sqlite": "SQLite",
    ".sqlite3": "SQLite",
    ".duckdb": "DuckDB",
}
# Schemes that may be those of a file; all others are taken for a database's, so that an address
# with a password in it is never told on as the name of a file that is not there.
OF_FILES = {"file", "http", "https", "ftp", "s3", "gs", "gcs", "az", "abfs", "abfss", "hf"}

# Of one letter are the drives of Windows.
SCHEME = re.compile(r"(?i)(?P<scheme>[a-z][\w.-]+)(\+\w+)?:(?=/|(?<=sqlite:)|(?<=duckdb:))")
SERVER = re.compile(
    r"""//((?P<user>[^:@/?\#]*)(:(?P<password>[^@/?\#]*))?@)?
    (?P<host>(\[[^\]/?\#@]*\]|[^:/?\#@\[\]])*(:\d*)?(,[^,:/?\#@]*(:\d*)?)*)
    (/(?P<database>[^?\#@]*))?(\?(?P<parameters>[^\#]*))?""",
    re.VERBOSE,
)
SECRET = re.compile(r"pass(word|wd)?$|pwd|secret|token|_key$", re.IGNORECASE)
# What a driver may say on its own: password=... of a connection string, //user:password@ of a URL.
SPOKEN = (
    (re.compile(r"(?i)((?:password|passwd|pwd|token|secret)\s*=\s*)('[^']*'|[^\s&]+)"), r"\1***"),
    (re.compile(r"(//)[^/\s]*:\S*@"), r"\1***@"),
)
# What to do about what drivers say.
ADVICE = {
    "password authentication failed": "check the user and password in the URL, PGPASSWORD or the "
    "password file",
    "no password supplied": "give one in the URL, PGPASSWORD or a password file",
    "could not translate host name": "check the host",
    "Connection refused": "check host and port, and that the server runs",
    "No such file or directory": "check the host, and that the server runs",
    "file is not a database": "it is damaged or encrypted, or its name is wrong",
    "not a valid DuckDB database": "it is damaged or encrypted, or its name is wrong",
    "read-only": "deltarule only reads: give a query that writes nothing",
    "readonly": "deltarule only reads: give a query that writes nothing",
    "Could not set lock": "close the program that writes to it",
    "different configuration": "close the connection that this program has to it",
    "already exists": "choose another name",
    "due to statement timeout": "raise --query-timeout or statement_timeout for this user, or "
    "give a query of fewer rows",
    "server closed the connection": "see whether it runs, and try again: nothing was written",
    "terminating connection": "somebody ended it, or the server stops: try again, nothing was "
    "written",
    "permission denied": "ask for the right to read it",
    'snapshot "': "the server ended the idle transaction that kept it: try again",
    "cannot insert multiple commands": "give a single SELECT",
    "one statement at a time": "give a single SELECT",
}
LONGEST = 300
ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
# The files beside a database's own in which SQLite and DuckDB keep changes.
CHANGES = ("-wal", "-journal", "-shm", ".wal")
EXAMPLES = "sqlite:///FILE, duckdb:///FILE or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Address:
    """A database's address. Only `url` holds credentials, and nothing shows it."""

    kind: Kind
    name: str
    url: str = field(repr=False)
    path: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def files(self) -> list[Path]:
        """The files of a database that is one, with those of its changes."""
        path = self.path
        return [] if path is None else [path, *(path.with_name(path.name + end) for end in CHANGES)]

    def hide(self, text: str) -> str:
        """The text in one line, without the credentials in any spelling."""
        # The whole address first: it may be quoted with an odd password in it.
        text = text.replace(self.url, self.name)
        for secret in self.secrets:
            # A short password may be part of any word, which then tells nothing of it.
            short = len(secret) < 4
            pattern = rf"(?<!\w){re.escape(secret)}(?!\w)" if short else re.escape(secret)
            text = re.sub(pattern, "***", text)
        for spoken, said in SPOKEN:
            text = spoken.sub(said, text)
        lines = [line for line in text.replace("\0", "\\0").splitlines() if line.strip()]
        line = " ".join(lines[0].split()) if lines else "for no reason that it gives"
        return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."

    def said(self, error: BaseException) -> str:
        """What a driver's error says and what to do, in one line."""
        driver = r"\A.*?\b(ERROR|FATAL): +|\A[A-Z_]+: (\[libpq\] )?"
        told = re.sub(driver, "", str(error), flags=re.DOTALL)
        # PostgreSQL's own words come apart from those of the driver around them.
        for key, value in getattr(error, "details", None) or ():
            if key == "PG_DIAG_MESSAGE_PRIMARY" or key == b"PG_DIAG_MESSAGE_PRIMARY":
                told = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        told = self.hide(told).rstrip(" .!:")
        advice = next((do for words, do in ADVICE.items() if words in told), None)
        return f"{told}: {advice}" if advice else told

    @contextmanager
    def explained(
        self,
        *errors: type[Exception],
        name: str | None = None,
        doing: str = "cannot be read",
        error: type[DeltaruleError] = ReadError,
        release: Callable[[], None] | None = None,
    ) -> Iterator[None]:
        """A driver's errors as ours; what is held open then is released."""
        # The rest Python refuses before a driver sees it: half a character, a number too large.
        caught: tuple[type[Exception], ...] = (*errors, OSError, UnicodeError, OverflowError)
        try:
            yield
        except caught as problem:
            if release is not None:
                release()
            raise error(f"{name or self.name} {doing}: {self.said(problem)}") from None


def is_database(text: str) -> bool:
    """Whether this names a database: a URL of one, or a file with the ending of one."""
    if found := SCHEME.match(text):
        return found["scheme"].lower() not in OF_FILES
    return Path(text).suffix.lower() in ENDINGS


def address(text: str) -> Address:
    """The address that a URL or path is.

    Errors:  ReadError for what is no address of a database that can be read
    """
    # It may be a connection string with a password in it: where it is refused nothing is repeated.
    if not is_text(text):
        raise ReadError(f"this is no address of a database: give {EXAMPLES}")
    found = SCHEME.match(text)
    if found is None:
        kind = ENDINGS.get(Path(text).suffix.lower())
        if kind is None:
            raise ReadError(f"this is no address of a database: give {EXAMPLES}")
        return _file(kind, text, Path(text))
    kind = SCHEMES.get(found["scheme"].lower())
    if kind is None:
        raise ReadError(f"{found['scheme']} databases cannot be read: give {EXAMPLES}")
    rest = text[text.index(":") + 1 :]
    if kind == "PostgreSQL":
        return _server(rest)
    path = rest.removeprefix("//").removeprefix("/")
    if not path or not rest.startswith("///"):
        raise ReadError(f"a URL for {kind} is {kind.lower()}:///path/to/file, with three slashes")
    # Three slashes are meant from here by some, from the root by others: where the file is decides.
    choices = [Path(path), Path(f"/{path}")]
    there = [c for c in choices if is_there(c)] or [c for c in choices if is_there(c.parent)]
    return _file(kind, text, there[0] if there else choices[0])


def is_text(text: object) -> bool:
    """Whether this is text that a database can be told."""
    if not isinstance(text, str) or "\0" in text:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def is_there(path: Path) -> bool:
    """Whether there is such a file, as far as one can see."""
    try:
        return path.exists()
    except OSError:
        return False


def _file(kind: Kind, url: str, path: Path) -> Address:
    """A database in a file; what it is, is told by its first bytes rather than by its name."""
    try:
        with path.open("rb") as file:
            first = file.read(16)
    except OSError:
        first = b""
    if first.startswith(b"SQLite format 3"):
        kind = "SQLite"
    elif first[8:12] == b"DUCK":
        kind = "DuckDB"
    return Address(kind, str(path), url, path)


def check_file(there: Address) -> None:
    """Refuse a file that is not there.

    Errors:  NotFoundError, ReadError for a folder
    """
    assert there.path is not None
    with there.explained():
        if there.path.is_dir():
            raise ReadError(f"{there.name} is a folder: give the file of a database")
        if not there.path.exists():
            raise NotFoundError(f"no such file: {there.name}")


def _server(rest: str) -> Address:
    url = f"postgresql:{rest}"
    found = SERVER.fullmatch(rest)
    if found is None:
        # Which part is the password is not clear, so nothing of it is repeated.
        raise ReadError(
            "this PostgreSQL URL cannot be understood: it is postgresql://USER:PASSWORD@HOST:PORT/"
            "DATABASE; write @ : / ? # and % in a password as %40 %3A %2F %3F %23 %25"
        )
    given = dict(parse_qsl(found["parameters"] or "", keep_blank_values=True))
    hidden = [found["password"] or "", os.environ.get("PGPASSWORD", "")]
    hidden += [value for key, value in given.items() if SECRET.search(key)]
    spelt: set[str] = set()
    for secret in hidden:
        for plain in {secret, unquote(secret), unquote_plus(secret)}:
            # As it is, as Python writes it, and as URLs do.
            spelt |= {plain, repr(plain)[1:-1], quote(plain), quote(plain, safe="")}
            spelt.add(quote_plus(plain))
    host = found["host"] or given.get("host", "")
    database = unquote(found["database"] or given.get("dbname", ""))
    name = f"postgresql://{'' if host.startswith('/') else host}/{database}"
    if "service" in given:
        name += f"?service={given['service']}"
    secrets = tuple(sorted((s for s in spelt if s), key=len, reverse=True))
    return Address("PostgreSQL", name, url, secrets=secrets)


@dataclass(frozen=True)
class Relation:
    """A table or view of a database."""

    schema: str
    name: str
    view: bool
    visible: bool
    """Whether its name alone names it."""

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.name if self.visible else f"{self.schema}.{self.name}"


def chosen(there: Sequence[Relation], asked: str | None, name: str) -> Relation:
    """The table asked for, or the only one there is.

    Names are looked up, never parsed: whatever is in a name, it can only be there or not.
    Errors:  ReadError that names the tables there are
    """
    if asked is None:
        tables = [relation for relation in there if not relation.view] or list(there)
        if len(tables) == 1:
            return tables[0]
        if not tables:
            raise ReadError(f"{name} has no tables")
        raise ReadError(f"{name} has {len(tables):,} tables: choose one with table: {_told(there)}")

    def fits(relation: Relation, fold: bool) -> bool:
        full = f"{relation.schema}.{relation.name}"
        names = [full, relation.name] if relation.visible else [full]
        return asked in names or (fold and asked.casefold() in [n.casefold() for n in names])

    for fold in (False, True):
        found = [relation for relation in there if fits(relation, fold)]
        if len(found) == 1 or (found and not fold):
            return found[0]
    near = get_close_matches(asked, [relation.called for relation in there], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {_told(there) or 'none'}"
    raise ReadError(f"{name} has no table {asked[:60]!r}: {hint}")


def _told(there: Sequence[Relation]) -> str:
    names = [relation.called for relation in there]
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def check_names(names: Sequence[str], name: str) -> None:
    """Refuse a query that has two columns of one name, or none at all.

    Errors:  ColumnError, ReadError
    """
    if not names:
        raise ReadError(f"{name} has no columns")
    twice = [column for column in names if names.count(column) > 1]
    if twice:
        raise ColumnError(
            f"{name} has more than one column called '{twice[0]}': name them apart with AS"
        )


DEEPEST = 500


def check_query(query: str) -> str:
    """The query without what may trail it.

    Errors:  ReadError for what is not a single SELECT
    """
    if not is_text(query):
        raise ReadError("the query is no text that a database can read: give a single SELECT")
    depth = deepest = 0
    for letter in query:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        # DuckDB takes minutes over thousands of them.
        raise ReadError(f"the query has brackets {deepest:,} deep: {DEEPEST} are the most")
    bare = re.sub(r"\A(\s|--[^\n]*(\n|\Z)|/\*.*?\*/|\()+", "", query, flags=re.DOTALL)
    if not re.match(r"(select|with)\b", bare, re.IGNORECASE):
        word = (bare.split() or ["nothing"])[0][:20]
        raise ReadError(f"the query starts with {word!r}: deltarule only reads: give a SELECT")
    return query.rstrip().rstrip(";").rstrip()


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def create_statements(name: str, query: str, *, view: bool) -> tuple[str, str]:
    """The statement that makes a table or view, perhaps in a schema, and that which counts it."""
    place = ".".join(map(quoted, name.split(".", 1)))
    counted = "SELECT 0" if view else f"SELECT count(*) FROM {place}"
    return f"CREATE {'VIEW' if view else 'TABLE'} {place} AS\n{query}", counted


def written(
    first: pl.DataFrame, rest: Iterator[pl.DataFrame], *, name: str
) -> Iterator[pl.DataFrame]:
    """The frames to write, in kinds that every database has.

    Errors:  OutputError for lists and the like, and for frames that differ from the first
    """
    for frame in chain([first], rest):
        if frame.schema != first.schema:
            raise OutputError(f"{name} cannot be written: its parts have different columns")
        made = []
        for column in frame:
            kind = column.dtype
            if kind.is_nested() or kind == pl.Object:
                raise OutputError(
                    f"{name} cannot be written: column '{column.name}' holds {kind}, "
                    "which has no place in a table: leave it out"
                )
            if kind in (pl.Categorical, pl.Enum, pl.Null):
                column = column.cast(pl.String)
            elif kind.is_integer() and kind not in (pl.Int16, pl.Int32, pl.Int64):
                try:
                    column = column.cast(pl.Int64)
                except pl.exceptions.PolarsError:
                    raise OutputError(
                        f"{name} cannot be written: column '{column.name}' has whole numbers of "
                        "more than 64 bits: make them fractions"
                    ) from None
            made.append(column)
        yield pl.DataFrame({column.name: column for column in made})
