"""The one read by an engine: what it is asked before the rows' schema and moments are known."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import polars as pl

from deltarule.dataclass import dataclass, replace
from deltarule.errors import LearningError
from deltarule.tables.encoded_question import OfEncoded
from deltarule.tables.level_counts import CountLevels, LevelCounts
from deltarule.tables.parsed_text import CheckText
from deltarule.tables.plan import Plan
from deltarule.tables.request import ReplanError
from deltarule.tables.sample import Sample
from deltarule.tables.summarise import FewRows, FindTimes, OneRead, Summarise
from deltarule.tables.summary import Summary
from deltarule.tables.text_columns import FormattedSource


class Answers(Protocol):
    """An engine, as far as the read asks it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def answers(self) -> frozenset[str]:
        """The names of the questions that it can answer."""
        ...

    def ask(self, question: Any) -> Any:
        """The sum of the answers about all rows."""
        ...


@runtime_checkable
class CountsRows(Protocol):
    """An engine that counts the rows before it is asked about them."""

    def count(self) -> int:
        """How many there are."""
        ...


class Preparation(Protocol):
    """What rows go through before a question is asked about them: frozen and picklable."""

    @property
    def reads(self) -> Sequence[pl.Expr]:
        """The columns that it needs besides those of the question."""
        ...

    def prepared(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """The rows that the question is about; `row` come before these."""
        ...


@dataclass(frozen=True)
class OfPrepared:
    """A question about rows that are prepared first."""

    question: Any
    preparation: Preparation

    @property
    def asks_for(self) -> str:
        """What the question asks for."""
        asks_for: str = self.question.asks_for
        return asks_for

    @property
    def reads(self) -> Sequence[pl.Expr]:
        return [*self.question.reads, *self.preparation.reads]

    def of(self, frame: pl.DataFrame, row: int = 0) -> Any:
        """The answer about these rows; `row` come before them."""
        return self.question.of(self.preparation.prepared(frame, row), row)


@dataclass(frozen=True)
class PreparedEngine:
    """An engine that is asked about prepared rows."""

    engine: Answers
    preparation: Preparation

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.engine.name

    @property
    def answers(self) -> frozenset[str]:
        """The questions that it answers."""
        return self.engine.answers

    def ask(self, question: Any) -> Any:
        """The answer, about prepared rows."""
        return self.engine.ask(OfPrepared(question, self.preparation))


@dataclass(frozen=True)
class Answered:
    """The summary of all rows, some rows to judge by, and who answers further questions."""

    plan: Plan
    summary: Summary
    drawn: pl.DataFrame
    engine: Answers


def asked_of(
    engine: Answers,
    source: FormattedSource,
    plan: Plan,
    counted: dict[str, LevelCounts],
    *,
    keep_summary: bool,
) -> Answered | None:
    """What an engine's read finds; None where it counted levels first, by which to plan again.

    Errors:  LearningError where it cannot answer; ReplanError where only this read shows that
             levels had to be counted, which they now are
    """
    texts = source.check_text(plan.columns)
    if texts is not None and texts.asks_for in engine.answers:
        source.take(engine.ask(texts))
    rows = engine.count() if isinstance(engine, CountsRows) else source.rows
    if CheckText.asks_for in engine.answers and (source.formats or source.words):
        engine = PreparedEngine(engine, source.parsing)
    if _count(engine, plan, counted):
        return None
    asked = plan.request
    if asked.time is not None:
        plan = replace(plan, cuts=engine.ask(FindTimes(plan)).cuts(asked.folds))
    sums = Summarise(plan, source.name, keep_summary)
    most = Sample.to_judge_by(len(plan.columns), plan.row_column).rows
    few, drawn = FewRows(plan, most, rows), None
    if OfEncoded.asks_for in engine.answers:
        both = engine.ask(OneRead(sums, few))
        summary, drawn = both.summary, both.drawn
    else:
        summary = engine.ask(sums)
    # Each part may have kept other levels, unless all were counted before.
    counts = CountLevels.asks_for in engine.answers
    beyond = {
        name
        for name, own in summary.levels.items()
        if name not in counted
        and (own.beyond or (counts and len(own.names) > plan.levels[name].most))
    }
    if beyond and _count(engine, plan, counted, beyond):
        raise ReplanError
    if beyond:
        raise LearningError(
            f"{engine.name} met more levels than are kept: raise --levels, or leave the column out"
        )
    drawn = engine.ask(few) if drawn is None else drawn
    return Answered(plan, summary, drawn.in_order, engine)


def _count(
    engine: Answers,
    plan: Plan,
    counted: dict[str, LevelCounts],
    beyond: Collection[str] = (),
) -> bool:
    """Have the levels counted that the rows so far leave open; whether there were such."""
    unsure = {}
    if CountLevels.asks_for in engine.answers:
        unsure = plan.uncounted(counted, beyond)
    if unsure:
        counted |= engine.ask(CountLevels(unsure)).levels
    return bool(unsure)
