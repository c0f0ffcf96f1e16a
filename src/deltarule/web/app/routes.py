"""Routes of the page's server: what the browser can ask.

GET  /                          the page
GET  /static/...                its scripts and styles, and plotly's bundle as installed
GET  /api/lessons               the lessons there are, and whether a table was given
GET  /api/lessons/NAME/sheet    a lesson's exercise, empty and filled in
POST /api/sessions              begin: a lesson, a table brought before, or the table given
POST /api/tables?name=          begin: with a CSV file in the body
POST /api/sessions/ID/choices   begin anew with other choices
POST /api/sessions/ID/hand      begin a branch with a weight put there by hand
POST /api/sessions/ID/undo      back to the state before the last change
POST /api/sessions/ID/redo      and forward again
POST /api/sessions/ID/step      go to a step
GET  /api/sessions/ID/model     the model as it stands, a file
GET  /api/sessions/ID/ledger    every step so far, a file

What cannot be done is answered in words: {"refused": "..."}.
"""

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from deltarule.asgi import MEDIA_TYPES, Application
from deltarule.errors import DeltaruleError, LearningError, MissingExtraError
from deltarule.trace.ledger import Ledger
from deltarule.views.theme import DARK, LIGHT, css_names
from deltarule.web.app.payload import (
    Look,
    Open,
    begun,
    drawing,
    place_of,
    replace_shown,
    setting,
)
from deltarule.web.app.teaching import lessons_told, sheet_told
from deltarule.web.guard import Guard
from deltarule.web.lessons import lesson_named
from deltarule.web.session import Choices, Session, Sessions, suggested
from deltarule.web.tables import Table, from_csv, opened

STATIC = Path(__file__).parents[1] / "static"
PLOTLY, THEME = "plotly.js", "theme.css"
# Tables that were brought, kept for a reload: 32 MB of CSV each at most.
MOST_TABLES = 4
GONE = "this session ended, for it was idle or others came: reload the page"


@dataclass(frozen=True)
class GivenTable:
    """The table that the command line named, and what to begin with."""

    table: Table
    choices: Choices


class Question(BaseModel):
    """What a page sends: nothing but what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


Q = TypeVar("Q", bound=Question)


class Begin(Question):
    """Begin with a lesson, or a table that was brought; with neither, with the table given."""

    lesson: str | None = None
    table: str | None = Field(None, max_length=100)
    instead: str | None = None
    """The session that this one replaces, which the same tab had open."""


Name = Annotated[str, Field(max_length=1000)]
Names = Annotated[list[Name], Field(max_length=2000)]


class Chosen(Question):
    """Choices, and what the page looks at."""

    predict: Names
    using: Names | None
    loss: Name
    learner: Name
    alpha: FiniteFloat | None
    standardise: bool
    ridge: FiniteFloat
    intercept: bool
    start: FiniteFloat | dict[Name, FiniteFloat]
    freeze: Names
    batch: Annotated[int, Field(ge=1)] | None
    number: Annotated[int, Field(ge=0)]
    """The step to go to at once."""
    merge: bool = False
    """Whether undo takes this change and the last one as one, such as those of a drag."""
    look: Look

    @property
    def choices(self) -> Choices:
        """The same for a session."""
        given = self.model_dump(exclude={"look", "number", "merge", "predict", "using", "freeze"})
        using = None if self.using is None else tuple(self.using)
        return Choices(predict=tuple(self.predict), using=using, freeze=tuple(self.freeze), **given)


class Hand(Question):
    """A weight put somewhere by hand: its name, and where."""

    name: Name
    weight: FiniteFloat
    merge: bool = False
    look: Look


class Turn(Question):
    """Undo or redo."""

    look: Look


class Step(Question):
    """The step to go to."""

    number: int = Field(ge=0, le=10_000_000)
    look: Look


class Pages:
    """What the routes do, apart from HTTP."""

    def __init__(self, given: GivenTable | None) -> None:
        self.given = given
        self.sessions: Sessions[Open] = Sessions()
        self.tables: Sessions[Table] = Sessions(most=MOST_TABLES, idle=math.inf)

    def lessons(self) -> dict[str, Any]:
        return {**lessons_told(), "given": self.given and self.given.table.name}

    def begin(self, question: Begin) -> dict[str, Any]:
        if question.table is not None:
            table = self.tables.get(question.table)
            if table is None:
                raise LearningError("that table is no longer held: bring it again")
            return {**self._of_table(table, question.instead), "kept": question.table}
        if question.lesson is None:
            if self.given is None:
                raise LearningError("no table was given: choose a lesson, or bring a CSV")
            page = Open(Session(self.given.table, self.given.choices))
            return self._opened(page, Look(), question.instead)
        lesson = lesson_named(question.lesson)
        if lesson is None:
            raise LearningError(f"there is no lesson '{question.lesson}'")
        page = Open(Session(opened(lesson.table()), lesson.choices), lesson)
        return self._opened(page, begun(lesson, page), question.instead)

    def bring(self, content: bytes, name: str, instead: str | None) -> dict[str, Any]:
        table = from_csv(content, name)
        kept = self.tables.add(table)
        return {**self._of_table(table, instead), "kept": kept}

    def _of_table(self, table: Table, instead: str | None) -> dict[str, Any]:
        page = Open(Session(table, suggested(table)))
        return self._opened(page, replace_shown(Look(), (), page), instead)

    def _opened(self, page: Open, look: Look, instead: str | None) -> dict[str, Any]:
        if not look.shown:
            look = replace_shown(look, (), page)
        if instead is not None:
            self.sessions.drop(instead)
        name = self.sessions.add(page)
        return {"session": name, **setting(page), **drawing(page, look)}

    def choose(self, page: Open, question: Chosen) -> dict[str, Any]:
        before, mark = page.session.run.read, page.session.mark
        page.session.change(question.choices)
        if not question.merge:
            page.history.record(mark)
        if page.session.run.read is not before:
            page.prepare()
        page.session.go(question.number)
        return {**setting(page), **drawing(page, question.look)}

    def turn(self, page: Open, question: Turn, *, back: bool) -> dict[str, Any]:
        before = page.session.run.read
        wanted = page.history.turn(page.session, back=back)
        if page.session.run.read is not before:
            page.prepare()
        return {**setting(page), **drawing(page, question.look), "wanted": wanted}

    def hand(self, page: Open, question: Hand) -> dict[str, Any]:
        mark = page.session.mark
        page.session.hand(
            place_of(page.session, question.name), question.look.output, question.weight
        )
        if not question.merge:
            page.history.record(mark)
        return {**setting(page), **drawing(page, question.look)}

    def step(self, page: Open, question: Step) -> dict[str, Any]:
        page.session.go(question.number)
        return drawing(page, question.look)

    def sheet(self, name: str) -> dict[str, Any]:
        lesson = lesson_named(name)
        if lesson is None:
            raise LearningError(f"there is no lesson '{name}'")
        return sheet_told(lesson)

    def model(self, page: Open) -> str:
        return page.session.model().record.model_dump_json()

    def ledger(self, page: Open) -> str:
        schema = page.session.run.read.schema
        lines = io.StringIO(newline="")
        Ledger(schema.outputs, schema.inputs).csv(page.session.ledger(), lines)
        return lines.getvalue()


def application(given: GivenTable | None, *, hosts: frozenset[str], key: str) -> Application:
    """The server's application, guarded.

    Errors:  MissingExtraError where starlette or plotly is not installed
    """
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.exceptions import HTTPException
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError:
        raise missing("starlette") from None
    plotly()
    pages = Pages(given)

    def answer(content: Any, status: int = 200) -> Response:
        return Response(finite_json(content), status, media_type="application/json")

    def refuse(request: Request, error: Exception) -> Response:
        # Not a status of HTTP: browsers would log it as an error of the page, which it is not.
        return answer({"refused": str(error)})

    def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "it is registered for these"
        return answer({"error": error.detail}, error.status_code)

    def broken(request: Request, error: Exception) -> Response:
        return answer({"error": "that went wrong inside deltarule, sorry: please report it"}, 500)

    async def read(request: Request, question: type[Q]) -> Q:
        try:
            return question.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise HTTPException(422, f"{place}: {first['msg']}") from None

    def index(request: Request) -> Response:
        return Response(asset("index.html"), media_type=MEDIA_TYPES[".html"])

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name == PLOTLY:
            kept = {"cache-control": "max-age=86400"}
            return Response(plotly(), media_type=MEDIA_TYPES[".js"], headers=kept)
        if name == THEME:
            return Response(theme(), media_type=MEDIA_TYPES[".css"])
        if name not in {file.name for file in STATIC.iterdir()}:
            raise HTTPException(404, "there is no such file")
        return Response(asset(name), media_type=MEDIA_TYPES[Path(name).suffix])

    def lessons(request: Request) -> Response:
        return answer(pages.lessons())

    def sheet(request: Request) -> Response:
        return answer(pages.sheet(request.path_params["name"]))

    async def begin(request: Request) -> Response:
        return answer(await run_in_threadpool(pages.begin, await read(request, Begin)))

    async def bring(request: Request) -> Response:
        content, given = await request.body(), request.query_params
        name, instead = given.get("name", "the table"), given.get("instead")
        return answer(await run_in_threadpool(pages.bring, content, name, instead))

    def opened_page(request: Request) -> Open:
        page = pages.sessions.get(request.path_params["name"])
        if page is None:
            raise HTTPException(404, GONE)
        return page

    def change(path: str, question: type[Q], do: Callable[[Open, Q], Any]) -> Route:
        """The route of a change to a session."""

        async def changed(request: Request) -> Response:
            content = await read(request, question)

            def locked() -> Any:
                page = opened_page(request)
                with page.session.lock:
                    return do(page, content)

            return answer(await run_in_threadpool(locked))

        return Route(f"/api/sessions/{{name}}/{path}", changed, methods=["POST"])

    def download(path: str, content: Callable[[Open], str]) -> Route:
        """The route of a session's file."""

        def file(request: Request) -> Response:
            page = opened_page(request)
            with page.session.lock:
                return answer({"file": content(page)})

        return Route(f"/api/sessions/{{name}}/{path}", file)

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/static/{name}", static),
            Route("/api/lessons", lessons),
            Route("/api/lessons/{name}/sheet", sheet),
            Route("/api/sessions", begin, methods=["POST"]),
            Route("/api/tables", bring, methods=["POST"]),
            change("choices", Chosen, pages.choose),
            change("hand", Hand, pages.hand),
            change("undo", Turn, partial(pages.turn, back=True)),
            change("redo", Turn, partial(pages.turn, back=False)),
            change("step", Step, pages.step),
            download("model", pages.model),
            download("ledger", pages.ledger),
        ],
        exception_handlers={
            DeltaruleError: refuse,
            HTTPException: unknown,
            Exception: broken,
        },
    )
    return Guard(app, hosts=hosts, key=key)


def finite_json(content: Any) -> str:
    """As JSON, which has no numbers that are not finite: they become null."""
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, separators=(",", ":"))


def _finite(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _finite(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_finite(value) for value in part]
    return None if isinstance(part, float) and not math.isfinite(part) else part


def missing(package: str) -> MissingExtraError:
    """The error for a package of the page that is not installed."""
    return MissingExtraError(f"the page needs {package}: pip install 'deltarule[page]'")


@cache
def plotly() -> bytes:
    """plotly's bundle, as its package brings it.

    Errors:  MissingExtraError
    """
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise missing("plotly")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


@cache
def theme() -> str:
    """The colours of both looks, by name, as the figures have them."""
    return (
        f":root {{ {css_names(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {css_names(DARK)} }} }}\n"
    )


def asset(name: str) -> bytes:
    """A file of the page."""
    return (STATIC / name).read_bytes()
