"""Answers to what is asked of a model: rows in, predictions or explanations out, in a format."""

import asyncio
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

import polars as pl
from anyio import CapacityLimiter, to_thread
from pydantic_core import to_json
from starlette.responses import Response

from deltarule.model.explain import Explanation
from deltarule.model.prediction_stream import Columns
from deltarule.serve import bodies, mlflow, open_inference
from deltarule.serve.bodies import ARROW, CSV, JSON
from deltarule.serve.metrics import Metrics
from deltarule.serve.problems import ProblemError, hint, nearest
from deltarule.serve.scoring import (
    Rows,
    Scored,
    explain_source,
    ignored,
    known_columns,
    refuse_drift,
    refuse_odd,
    score_rows,
    score_source,
    suggestions,
)
from deltarule.serve.served import ServedModel
from deltarule.serve.settings import Limits
from deltarule.tables.frames import open_table
from deltarule.tables.unseen_values import UnseenValues

HTML = "text/html"
# Requests of fewer rows are answered at once, in the server's own thread.
AT_ONCE = 64
THREADS = 4
QUALITY = re.compile(r"\bq=([01](?:\.[0-9]{0,3})?)")
TRUE = ("true", "1", "yes", "")
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What was sent: the body, its kind, the kind of answer wanted, and the options."""

    body: bytes
    kind: str
    wants: str = JSON
    interval: float | None = None
    strict: bool = False


def options_of(query: bytes, known: Sequence[str]) -> Mapping[str, list[str]]:
    """The options of a query. Errors: ProblemError for one that is not known."""
    try:
        options = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise ProblemError(422, "option", "there are too many options") from None
    for name in options:
        if name not in known:
            near = nearest(name, known)
            told = f"; there are {' and '.join(known)}" if known and not near else ""
            detail = f"there is no option {name[:100]!r} here{told}{hint(near)}"
            raise ProblemError(422, "option", detail, field=name, nearest=near)
    return options


def request_of(
    body: bytes, headers: Mapping[str, str], query: bytes, known: Sequence[str]
) -> Request:
    """The request that headers and query say; `known` are the options. Errors: ProblemError."""
    kind = bodies.kind_of(headers.get("content-type", ""))
    wants = _wanted(headers.get("accept", ""))
    if not query:
        return Request(body, kind, wants)
    options = options_of(query, known)
    text = options.get("interval", [None])[-1]
    try:
        interval = None if text is None else float(text)
    except ValueError:
        raise ProblemError(
            422, "option", "interval takes a share such as 0.9", field="interval"
        ) from None
    strict = options.get("strict", ["false"])[-1].lower()
    if strict not in (*TRUE, "false", "0", "no"):
        raise ProblemError(422, "option", "strict takes true or false", field="strict")
    return Request(body, kind, wants, interval, strict in TRUE)


def _wanted(accept: str) -> str:
    """The kind of answer that is wanted: JSON unless another is preferred (RFC 9110, 12.5.1)."""
    if not accept or accept == "*/*":
        return JSON
    wants, most = JSON, 0.0
    for part in accept.lower().split(","):
        media, _, rest = part.partition(";")
        media, weight = media.strip(), QUALITY.search(rest)
        quality = 1.0 if weight is None else float(weight[1])
        if media in (JSON, CSV, HTML, *bodies.ARROW_TYPES) and quality > most:
            wants, most = ARROW if media in bodies.ARROW_TYPES else media, quality
    return wants


class Answers:
    """What the routes do, apart from HTTP."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self._limiter: CapacityLimiter | None = None

    async def predict(self, served: ServedModel, request: Request) -> Response:
        """Predictions of the rows of a body."""
        if request.kind == JSON and request.interval is None and request.wants == JSON:
            rows = bodies.rows_of(served, request.body, self.limits)
            scored = await self._scored(served, rows, strict=request.strict)
            return _json(
                {
                    "model": served.name,
                    "version": served.version,
                    "predictions": scored.predictions,
                    "notes": scored.notes,
                }
            )
        return await self._in_thread(lambda: self._predict_table(served, request))

    async def explain(self, served: ServedModel, request: Request) -> Response:
        """Explanations of the rows of a body."""
        return await self._in_thread(lambda: self._explain_table(served, request))

    async def invocations(self, served: ServedModel, request: Request) -> Response:
        """Predictions in MLflow's formats."""
        if request.kind != JSON:
            frame = await self._in_thread(lambda: self._frame(served, request, Columns())[0])
            return _json({"predictions": frame.to_dicts()})
        content = bodies.parse_json(request.body, self.limits)
        records = mlflow.records_of(content, list(served.fields))
        columns = mlflow.columns_of(content)
        rows = bodies.validated(served, records, self.limits)
        if columns is None:
            scored = await self._scored(served, rows)
            return _json({"predictions": [_without_flags(one) for one in scored.predictions]})
        frame = await self._in_thread(lambda: self._of_rows(served, rows, columns)[0])
        return _json({"predictions": frame.to_dicts()})

    async def infer(self, served: ServedModel, body: bytes) -> Response:
        """Predictions in the Open Inference Protocol."""
        content = bodies.parse_json(body, self.limits)
        records, wanted = open_inference.records_of(content, served)
        rows = bodies.validated(served, records, self.limits)
        scored = await self._scored(served, rows)
        return _json(open_inference.answer(content, served, scored.predictions, wanted))

    async def _scored(self, served: ServedModel, rows: Rows, *, strict: bool = False) -> Scored:
        """The predictions of validated rows: few at once, more in another thread."""
        if len(rows) < AT_ONCE:
            scored = score_rows(served, rows)
        else:
            scored = await self._in_thread(lambda: score_rows(served, rows))
        self._count(served, len(rows), scored.drift)
        if strict:
            refuse_drift(served, rows, scored)
        if scored.drift.unseen:
            scored.notes.extend(suggestions(served, rows))
        return scored

    def _predict_table(self, served: ServedModel, request: Request) -> Response:
        if request.wants == HTML:
            raise ProblemError(406, "media-type", "predictions are told as JSON, CSV or Arrow")
        columns = Columns(flags=True, interval=request.interval)
        frame, notes, drift = self._frame(served, request, columns)
        if request.strict:
            refuse_drift(served, [], Scored(frame.to_dicts(), drift))
        if request.wants == JSON:
            return _json(
                {
                    "model": served.name,
                    "version": served.version,
                    "predictions": frame.to_dicts(),
                    "notes": notes,
                }
            )
        return _table(frame, request.wants)

    def _frame(
        self, served: ServedModel, request: Request, columns: Columns
    ) -> tuple[pl.DataFrame, list[str], UnseenValues]:
        """The predictions of a body of any kind, with notes and drift."""
        if request.kind == JSON:
            return self._of_rows(served, bodies.rows_of(served, request.body, self.limits), columns)
        with bodies.opened(request.body, request.kind, self.limits) as source:
            frame, made = score_source(served, source, columns)
            refuse_odd(served, made.source)
        self._count(served, frame.height, made.drift)
        return frame, made.notes, made.drift

    def _of_rows(
        self, served: ServedModel, rows: Rows, columns: Columns
    ) -> tuple[pl.DataFrame, list[str], UnseenValues]:
        """The predictions of validated rows as a table, with notes and drift."""
        frame, made = score_source(served, open_table(known_columns(served, rows))[0], columns)
        refuse_odd(served, made.source)
        self._count(served, frame.height, made.drift)
        return frame, [*made.notes, *ignored(served, rows)], made.drift

    def _explain_table(self, served: ServedModel, request: Request) -> Response:
        if request.wants in (CSV, ARROW):
            columns = Columns(explain=True, flags=True, interval=request.interval)
            frame, _, drift = self._frame(served, request, columns)
            if request.strict:
                refuse_drift(served, [], Scored(frame.to_dicts(), drift))
            return _table(frame, request.wants)
        if request.interval is not None:
            detail = "an explanation has no interval: ask /predict, or for CSV or Arrow"
            raise ProblemError(422, "option", detail, field="interval")
        most = self.limits.explained
        rows: Rows = ()
        if request.kind == JSON:
            rows = bodies.rows_of(served, request.body, self.limits)
            scored = score_rows(served, rows)
            self._count(served, len(rows), scored.drift)
        else:
            frame, _, drift = self._frame(served, request, Columns(flags=True))
            scored = Scored(frame.to_dicts(), drift)
        if request.strict:
            refuse_drift(served, rows, scored)
        if request.kind == JSON:
            source, _ = open_table(known_columns(served, rows))
            explanations = explain_source(served, source, most=most)
        else:
            with bodies.opened(request.body, request.kind, self.limits) as source:
                explanations = explain_source(served, source, most=most)
        if request.wants == HTML:
            shown = "".join(one.to_html() for each in explanations for one in each.shown)
            return Response(shown, media_type="text/html; charset=utf-8")
        told = [_told(one) for one in explanations]
        return _json({"model": served.name, "version": served.version, "explanations": told})

    def _count(self, served: ServedModel, rows: int, drift: UnseenValues) -> None:
        self.metrics.predicted(served.name, rows, drift.unseen, drift.outside, drift.missing)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """The result of work that would hold up other requests.

        Errors:  ProblemError where it takes too long; it ends by itself, for its rows are bounded
        """
        if self._limiter is None:
            self._limiter = CapacityLimiter(THREADS)
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        except TimeoutError:
            detail = f"that takes longer than {self.limits.seconds:g} seconds: send fewer rows"
            raise ProblemError(503, "too-slow", detail) from None


def _told(explanation: Explanation) -> dict[str, Any]:
    content = explanation.to_dict()
    del content["table"]
    return content


def _without_flags(prediction: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in prediction.items() if name != "flags"}


def _json(content: Any) -> Response:
    """As JSON, numbers to the last digit; one that is not finite is null."""
    return Response(to_json(content, inf_nan_mode="null"), media_type=JSON)


def _table(frame: pl.DataFrame, kind: str) -> Response:
    into = io.BytesIO()
    if kind == CSV:
        frame.write_csv(into)
        return Response(into.getvalue(), media_type=f"{CSV}; charset=utf-8")
    frame.write_ipc_stream(into)
    return Response(into.getvalue(), media_type=ARROW)
