"""What settings ask of an engine, checked before anything is read."""

from collections.abc import Iterator

from deltarule.engines.base import Engine
from deltarule.engines.remote import COMPARISONS
from deltarule.errors import LearningError
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.losses.loss import SmoothedLoss
from deltarule.losses.registry import loss_named
from deltarule.tables.encoded_question import OfEncoded
from deltarule.tables.filtered import CountMet
from deltarule.tables.summarise import FewRows, FindTimes, Summarise

IN_ORDER = "rows in order"
# The kinds of robust errors whose sums have nothing of a row but its own score.
ADDED_UP = ("HC0", "HC1")


def check_engine(engine: Engine, settings: Settings) -> None:
    """Refuse settings that ask what an engine cannot answer.

    Errors:  LearningError, naming the engine, what it lacks and who has it
    """
    for question, what in _needs(settings):
        if question not in engine.answers:
            raise LearningError(
                f"{what} needs {question}, which {engine.name} does not give: give the rows to "
                "this machine"
            )
    keyed = settings.id or settings.group or settings.time
    if settings.where is not None and not keyed and OfEncoded.asks_for in engine.answers:
        raise LearningError(
            f"where needs an id, a group or a time on {engine.name}, whose rows have their numbers "
            "among all: say --id COLUMN, or give rows that are filtered already"
        )


def _needs(settings: Settings) -> Iterator[tuple[str, str]]:
    """The questions that settings ask, and what asks them."""
    yield Summarise.asks_for, "learning"
    yield FewRows.asks_for, "checking the data"
    for name in dict.fromkeys(settings.losses):
        if name != "auto" and not closed_form(name):
            yield COMPARISONS, f"{name} loss"
            if isinstance(loss_named(name), SmoothedLoss):
                yield IN_ORDER, f"{name} loss"
    if settings.batch != "all":
        yield IN_ORDER, "a batch"
    if settings.kind_of_errors in ADDED_UP:
        yield COMPARISONS, f"errors of kind {settings.errors}"
    elif settings.kind_of_errors != "classical":
        yield IN_ORDER, f"errors of kind {settings.errors}"
    for name in ("half_life", "window", "keep_sample"):
        if getattr(settings, name) is not None:
            yield IN_ORDER, name
    if settings.trace_rows:
        yield IN_ORDER, "tracing rows"
    if settings.keep_summary:
        yield "histograms", "keep_summary"
    if settings.where is not None:
        yield CountMet.asks_for, "where"
    if settings.time is not None:
        yield FindTimes.asks_for, "time"
