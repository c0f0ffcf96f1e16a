"""The application: its routes, its models, and problems for whatever goes wrong.

GET  /                               the page: a form, a prediction and its explanation
GET  /docs, /openapi.json            what can be asked
GET  /models, /models/NAME           the models; one's contract as JSON Schema, with an example
POST /models/NAME/predict, /explain  one row or many
GET  /health, /ready, /metrics       for those who watch over it
POST /invocations; GET /ping         as MLflow's scoring server
     /v2/...                         the Open Inference Protocol

Bodies go straight to validators made from the models' contracts, which may change while it runs.
So do the schemas in the OpenAPI document, which no framework could derive from code.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from deltarule import __version__
from deltarule.asgi import MEDIA_TYPES
from deltarule.errors import DeltaruleError
from deltarule.serve import open_inference, openapi
from deltarule.serve.answers import Answers, Request, options_of, request_of
from deltarule.serve.bodies import JSON
from deltarule.serve.guard import BODY, HEADER_VALUES, KNOWN, MODEL, Guard
from deltarule.serve.metrics import Metrics
from deltarule.serve.problems import MEDIA_TYPE, ProblemError, hint, nearest, of_error
from deltarule.serve.served import ServedModel
from deltarule.serve.settings import Settings
from deltarule.serve.shelf import Shelf
from deltarule.views import html

log = logging.getLogger("deltarule.serve")

STATIC = Path(__file__).with_name("static")
FILES = frozenset(file.name for file in STATIC.iterdir())
STYLE = "look.css"


def application(settings: Settings, port: int) -> Guard:
    """The application behind its guard; all models are read.

    Errors:  ModelError and its kinds
    """
    metrics = Metrics()
    shelf = Shelf(settings.models, settings.limits, reloaded=metrics.reloaded)
    routes = Routes(settings, shelf, metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_watch(shelf, settings.reload_seconds)),
            asyncio.create_task(_share(metrics, shelf)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    handlers: dict[Any, Any] = {
        ProblemError: _problem,
        DeltaruleError: _refused,
        HTTPException: _unknown,
        Exception: _mistake,
    }
    app = Starlette(routes=routes.listed(), lifespan=lifespan, exception_handlers=handlers)
    # A redirect would name the scheme that a proxy in front of this server does not have.
    app.router.redirect_slashes = False
    routes.guard = Guard(app, settings, port, metrics)
    return routes.guard


async def _watch(shelf: Shelf, seconds: float) -> None:
    """Reload models whose files change, for ever."""
    while seconds > 0:
        await asyncio.sleep(seconds)
        for name in shelf.changed():
            await asyncio.to_thread(shelf.reload, name)


async def _share(metrics: Metrics, shelf: Shelf) -> None:
    """Pass on what this worker counted, every second: whichever worker is asked tells it all."""
    while True:
        await asyncio.sleep(1.0)
        metrics.pass_on(shelf)


class Routes:
    """The routes."""

    def __init__(self, settings: Settings, shelf: Shelf, metrics: Metrics) -> None:
        self.settings, self.shelf, self.metrics = settings, shelf, metrics
        self.answers = Answers(settings.limits, metrics)
        self.guard: Guard | None = None
        self._document: tuple[int, bytes] = (-1, b"")

    def listed(self) -> list[Route]:
        """All of them, the most frequent first: the router tries them in order."""
        post, infer = ["POST"], "/v2/models/{name}"
        versions = "/versions/{version}"
        return [
            Route("/models/{name}/predict", self.predict, methods=post),
            Route(f"{infer}/infer", self.infer, methods=post),
            Route("/invocations", self.invocations, methods=post),
            Route("/models/{name}/explain", self.explain, methods=post),
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/metrics", self.told_metrics),
            Route("/models", self.models),
            Route("/models/{name}", self.model),
            Route("/", self.page),
            Route("/docs", self.page),
            Route("/static/{file}", self.static),
            Route("/openapi.json", self.openapi),
            Route("/ping", self.health),
            Route("/v2", self.server_metadata),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route(infer, self.metadata),
            Route(f"{infer}/ready", self.model_ready),
            Route(f"{infer}{versions}", self.metadata),
            Route(f"{infer}{versions}/ready", self.model_ready),
            Route(f"{infer}{versions}/infer", self.infer, methods=post),
        ]

    # What models answer

    async def predict(self, http: HttpRequest) -> Response:
        served = self._served(http)
        return await self.answers.predict(served, _request(http, "interval", "strict"))

    async def explain(self, http: HttpRequest) -> Response:
        served = self._served(http)
        return await self.answers.explain(served, _request(http, "interval", "strict"))

    async def invocations(self, http: HttpRequest) -> Response:
        names = self.shelf.names
        name = http.query_params.get("model") or (names[0] if len(names) == 1 else None)
        if name is None:
            detail = f"there are several models: ask /invocations?model={names[0]}, or another"
            raise ProblemError(400, "model", detail, nearest=names[:3])
        request = _request(http, "model")
        return await self.answers.invocations(self._named(http, name), request)

    async def infer(self, http: HttpRequest) -> Response:
        options_of(http.scope["query_string"], ())
        return await self.answers.infer(self._served(http), http.scope[BODY])

    # What is served

    async def models(self, http: HttpRequest) -> Response:
        told = [
            {
                "name": one.name,
                "version": one.version,
                "predicts": [target.name for target in one.contract.targets],
                "from": list(one.fields),
            }
            for one in self.shelf
        ]
        return _json({"models": told})

    async def model(self, http: HttpRequest) -> Response:
        return _json(self._served(http).described())

    async def metadata(self, http: HttpRequest) -> Response:
        return _json(open_inference.metadata(self._served(http)))

    async def model_ready(self, http: HttpRequest) -> Response:
        return _json({"name": self._served(http).name, "ready": True})

    async def server_metadata(self, http: HttpRequest) -> Response:
        return _json({"name": "deltarule", "version": __version__, "extensions": []})

    async def openapi(self, http: HttpRequest) -> Response:
        generation = self.shelf.generation
        if self._document[0] != generation:
            document = openapi.document(list(self.shelf), token=self.settings.token is not None)
            self._document = generation, to_json(document)
        return Response(self._document[1], media_type=JSON)

    # Whether it is well

    async def health(self, http: HttpRequest) -> Response:
        return _json({"status": "ok"})

    async def live(self, http: HttpRequest) -> Response:
        return _json({"live": True})

    async def ready(self, http: HttpRequest) -> Response:
        up = self.guard is None or not self.guard.draining
        status: dict[str, Any] = {"ready": up}
        if http.scope[KNOWN]:
            problems = self.shelf.problems
            status["models"] = [
                {"name": one.name, "version": one.version, "problem": problems.get(one.name)}
                for one in self.shelf
            ]
        return _json(status, 200 if up else 503)

    async def told_metrics(self, http: HttpRequest) -> Response:
        return Response(self.metrics.text(self.shelf), media_type=self.metrics.media_type)

    # The page

    async def page(self, http: HttpRequest) -> Response:
        name = "docs.html" if http.url.path == "/docs" else "index.html"
        return Response((STATIC / name).read_bytes(), media_type=MEDIA_TYPES[".html"])

    async def static(self, http: HttpRequest) -> Response:
        name = http.path_params["file"]
        if name == STYLE:
            return Response(html.style(), media_type=MEDIA_TYPES[".css"])
        if name not in FILES:
            raise HTTPException(404)
        return Response((STATIC / name).read_bytes(), media_type=MEDIA_TYPES[Path(name).suffix])

    def _served(self, http: HttpRequest) -> ServedModel:
        return self._named(http, http.path_params["name"])

    def _named(self, http: HttpRequest, name: str) -> ServedModel:
        """The model of this name. Errors: ProblemError with the nearest names."""
        served = self.shelf.get(name)
        if served is None:
            near = nearest(name, self.shelf.names)
            detail = f"there is no model {name[:100]!r}{hint(near)}"
            raise ProblemError(404, "model", detail, nearest=near)
        http.scope[MODEL] = name
        version = http.path_params.get("version")
        if version is not None and version != served.version:
            detail = f"{name} is of version {served.version} by now"
            raise ProblemError(404, "version", detail, nearest=[served.version])
        return served


def _request(http: HttpRequest, *options: str) -> Request:
    """The request, which may have these options."""
    scope = http.scope
    return request_of(scope[BODY], scope[HEADER_VALUES], scope["query_string"], options)


def _json(content: Any, status: int = 200) -> Response:
    return Response(to_json(content, inf_nan_mode="null"), status, media_type=JSON)


# What goes wrong


def _problem(http: HttpRequest, problem: ProblemError) -> Response:
    members = problem.to_dict()
    if http.url.path.startswith("/v2/"):
        members["error"] = members["detail"]  # what the Open Inference Protocol calls it
    response = Response(to_json(members), problem.status, media_type=MEDIA_TYPE)
    response.raw_headers.extend(problem.headers)
    return response


def _refused(http: HttpRequest, error: DeltaruleError) -> Response:
    return _problem(http, of_error(error))


def _unknown(http: HttpRequest, error: HTTPException) -> Response:
    detail = {404: "there is nothing at this address", 405: "this address takes another method"}
    told = detail.get(error.status_code, "that cannot be answered")
    response = _problem(http, ProblemError(error.status_code, "address", told))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _mistake(http: HttpRequest, error: Exception) -> Response:
    log.error("a mistake in deltarule at %s", http.url.path, exc_info=error)
    detail = "a mistake in deltarule: its log says more"
    return _problem(http, ProblemError(500, "mistake", detail))
