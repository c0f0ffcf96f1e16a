"""Payload of a session: all that the page draws, as plain JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from deltarule.errors import LearningError
from deltarule.losses.registry import COUPLED, KINKED, LOSSES
from deltarule.moments.stacked import stack
from deltarule.solvers.learners import LEARNERS
from deltarule.tables.left_out import left_out_told
from deltarule.views.format import number as told
from deltarule.web.app.charts import charts, weight_names, what
from deltarule.web.app.flow import next_step, row_in_view, rows_to_choose
from deltarule.web.app.table_payload import gaps_told, held_out_told, levels_told, unused_told
from deltarule.web.app.teaching import goal_told
from deltarule.web.held_out import HeldOut
from deltarule.web.history import History
from deltarule.web.lessons import Lesson
from deltarule.web.row_view import MOST_LISTED, Unseen, ViewData, labels, lines, loss_of
from deltarule.web.session import Session
from deltarule.web.status import alpha_status, error_of, error_word, status
from deltarule.web.timeline import Timeline

# Inputs whose arithmetic is written out; the others are counted.
WRITTEN_OUT = 4
# Weights set by hand that a link holds.
MOST_IN_LINK = 12


class Look(BaseModel):
    """What of a session a page looks at: an output, weights for the bowl, a row."""

    model_config = ConfigDict(extra="forbid", strict=True)

    output: int = Field(0, ge=0)
    shown: list[str] = Field(default_factory=list, max_length=2)
    chosen: int = Field(0, ge=0)
    beside: FiniteFloat | None = Field(None, gt=0)
    """A second alpha, to compare with."""


@dataclass
class Open:
    """A session that a page has open, and what belongs to it as long as its columns do."""

    session: Session
    lesson: Lesson | None = None
    history: History = field(default_factory=History)
    drawn: ViewData = field(init=False)
    unseen: Unseen | None = field(init=False)
    _held_out: tuple[Timeline, HeldOut] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.prepare()

    def prepare(self) -> None:
        """The rows to draw, as the present choices read them."""
        read = self.session.read
        self.drawn = ViewData.of(self.session.table, read)
        self.unseen = None
        if self.lesson is not None and self.lesson.unseen is not None:
            self.unseen = Unseen.of(self.lesson.unseen(), read, self.drawn.across)

    @property
    def held_out(self) -> HeldOut:
        """The held-out error of the present run."""
        if self._held_out is None or self._held_out[0] is not self.session.walk:
            self._held_out = (self.session.walk, HeldOut(self.session))
        return self._held_out[1]


@np.errstate(all="ignore")  # numbers that overflow are what is to be seen
def drawing(page: Open, look: Look) -> dict[str, Any]:
    """All that the page draws of a step."""
    session, drawn = page.session, page.drawn
    outputs = session.read.schema.outputs
    look = look.model_copy(
        update={
            "output": min(look.output, len(outputs) - 1),
            "chosen": row_in_view(page, min(look.chosen, len(drawn.numbers) - 1)),
        }
    )
    names = weight_names(session)
    shown = [name for name in dict.fromkeys(look.shown) if name in names] or names[:2]
    going = status(session)
    twin = None
    if look.beside is not None and getattr(session.walk.learner, "alpha", None) is not None:
        twin = session.beside(look.beside)
    return {
        "step": session.at.number,
        "leaps": session.walk.leaps,
        "status": asdict(going),
        "formula": _formula(session, look.output),
        "error": _error(session),
        "held_out": held_out_told(page),
        "goal": page.lesson and goal_told(page.lesson, session, drawn, page.unseen),
        "alpha": asdict(alpha_status(session)),
        "weights": _weights(session, look.output),
        **next_step(page, look.chosen, look.output, shown[0]),
        "look": {**look.model_dump(), "shown": shown},
        "rows": {
            "numbers": [int(number) for number in drawn.numbers],
            "choices": rows_to_choose(page, look.chosen),
        },
        "handle": _handle(page, look.output),
        "beside": None if twin is None else _beside(twin, look.output, shown[0]),
        "branch": bool(session.kept),
        "undo": len(page.history.before),
        "redo": len(page.history.after),
        "figures": charts(page, look, shown, twin),
    }


def _beside(twin: Session, output: int, weight: str) -> dict[str, Any]:
    """Where the run with the second alpha stands."""
    line = next(one for one in lines(twin) if one.output == output and one.label == weight)
    return {
        "alpha": twin.choices.alpha,
        "step": twin.at.number,
        "status": asdict(status(twin)),
        "error": _error(twin),
        "weight": line.weight,
    }


def setting(page: Open) -> dict[str, Any]:
    """What stays while learning goes on: the table, what can be chosen and what is."""
    session, table, choices = page.session, page.session.table, page.session.choices
    read = session.read
    learnt = read.examples
    return {
        "table": {
            "name": "" if page.lesson else table.name,
            "rows": table.rows,
            "learnt": learnt,
            "sampled": session.sampled,
            "left_out": left_out_told(read.causes).replace(" left out", " rows left out"),
            "gaps": gaps_told(session),
            "levels": levels_told(session),
            "columns": [asdict(one) for one in table.choices],
            "unused": [] if page.lesson else unused_told(session),
        },
        "choices": {
            **asdict(choices),
            "using": list(choices.using) if choices.using is not None else None,
            "predict": list(choices.predict),
            "start": dict(choices.start) if isinstance(choices.start, dict) else choices.start,
            "freeze": list(choices.freeze),
        },
        "outputs": read.schema.outputs,
        "names": weight_names(session),
        "losses": list(dict.fromkeys([*LOSSES, *KINKED, *COUPLED, choices.loss])),
        "learners": list(LEARNERS),
        "unseen": page.unseen is not None,
        "lesson": None if page.lesson is None else page.lesson.name,
        "by_hand": session.by_hand is not None,
        "hand": _start_by_hand(session),
        "notes": [*read.notes][:3],
    }


def _start_by_hand(session: Session) -> dict[str, float] | None:
    """The weights that were set by hand, by name, where a link can hold them."""
    if session.by_hand is None or len(session.read.schema.outputs) > 1:
        return None
    names = weight_names(session)
    if len(names) > MOST_IN_LINK:
        return None
    weights = stack(session.by_hand)[:, 0]
    return dict(zip(names, map(float, weights), strict=True))


def _handle(page: Open, output: int) -> dict[str, Any] | None:
    """Where a hand can take hold of a straight line: which weight tilts it, at which x."""
    session, drawn = page.session, page.drawn
    straight = loss_of(session, output).says == "{}" and drawn.inputs.shape[1] == 1
    if not straight or drawn.across is None or not drawn.grid.size:
        return None
    name = labels(session.read)[0]
    if name != drawn.across or any(one.frozen for one in lines(session) if one.input == 0):
        return None
    x = float(drawn.grid[0] + 0.82 * (drawn.grid[-1] - drawn.grid[0]))
    start = session.at.weights.get("intercept")
    return {"name": name, "x": x, "start": 0.0 if start is None else float(start[output])}


def place_of(session: Session, name: str) -> int | None:
    """Which input a weight's name means, None for the intercept.

    Errors:  LearningError
    """
    names = weight_names(session)
    if name not in names:
        raise LearningError(f"there is no weight called '{name}'")
    at = names.index(name)
    return at if at < len(labels(session.read)) else None


def _formula(session: Session, output: int) -> dict[str, Any]:
    """The prediction as a sum, its largest terms."""
    weight = session.at.weights["weight"][:, output]
    names = labels(session.read)
    problem = session.problem
    size = np.abs(weight * problem.problem.spread)
    largest = sorted(np.argsort(-size, kind="stable")[:WRITTEN_OUT])
    link = loss_of(session, output).says
    start = (
        [told(float(session.at.weights["intercept"][output]))] if session.choices.intercept else []
    )
    return {
        "says": link.partition("{}")[0].strip(),
        "target": link.format(session.read.schema.outputs[output]),
        "start": start,
        "terms": [[told(float(weight[at])), names[at]] for at in largest],
        "more": len(names) - len(largest),
    }


def _error(session: Session) -> dict[str, Any]:
    """The error, in words that say which."""
    error = session.error(session.at.now.loss)
    return {
        "what": what(session),
        "name": error_word(session),
        "of": error_of(session),
        "value": error,
        "typical": math.sqrt(max(error, 0.0)) if session.choices.squared else None,
    }


def _weights(session: Session, output: int) -> dict[str, Any]:
    every = [line for line in lines(session) if line.output == output]
    shown = [*every[:MOST_LISTED]]
    if len(every) > MOST_LISTED and every[-1].input is None:
        shown = [*every[: MOST_LISTED - 1], every[-1]]
    return {
        "lines": [
            {
                "name": one.label,
                "weight": one.weight,
                "change": one.change,
                "frozen": one.frozen,
                "reach": _reach(session, one.input, output),
            }
            for one in shown
        ],
        "more": len(every) - len(shown),
    }


def _reach(session: Session, place: int | None, output: int) -> float:
    """How far a hand may drag a weight: what moves predictions by a few spreads of the target."""
    problem = session.problem.problem
    size = math.sqrt(float(problem.targets[output] / problem.rows))
    size *= float(problem.target_scale[output])
    if not session.choices.squared:
        size = 1.0
    spread = 1.0 if place is None else float(problem.spread[place])
    return 3 * (size or 1.0) / (spread or 1.0)


def begun(lesson: Lesson, page: Open) -> Look:
    """What a lesson looks at to begin with."""
    return replace_shown(Look(), lesson.shown, page)


def replace_shown(look: Look, shown: Sequence[str], page: Open) -> Look:
    """The same look at these weights, or the first ones where none are named."""
    names = weight_names(page.session)
    first = list(shown) or names[:2]
    return look.model_copy(update={"shown": first[:2]})
