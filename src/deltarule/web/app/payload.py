"""What the server answers about a session: all that the page draws, as plain JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from deltarule.errors import LearningError
from deltarule.losses.registry import COUPLED, KINKED, LOSSES
from deltarule.rule.predict import Array, Weights
from deltarule.rule.train import Step
from deltarule.solvers.learners import LEARNERS
from deltarule.trace import sentences as words
from deltarule.trace.row_trace import RowTrace
from deltarule.views import learning_figures as figures
from deltarule.views.format import number as told
from deltarule.views.marks import plain
from deltarule.web.app.teaching import goal_told
from deltarule.web.held_out import FEWEST_ROWS, HeldOut
from deltarule.web.lessons import Lesson
from deltarule.web.loss_surface import loss_surface
from deltarule.web.row_view import MOST_LISTED, Rows, Unseen, ViewData, labels, lines, loss_of, rows
from deltarule.web.session import Session
from deltarule.web.status import alpha_status, status
from deltarule.web.timeline import Timeline

MOST_DELTAS = 60
# Inputs whose arithmetic is written out; the others are counted.
WRITTEN_OUT = 4
# What a row has one of for each output.
OF_OUTPUTS = ("targets", "score", "prediction", "delta", "slope")
INTERCEPT = "intercept"


class Look(BaseModel):
    """What of a session a page looks at: an output, weights for the bowl, a row."""

    model_config = ConfigDict(extra="forbid", strict=True)

    output: int = Field(0, ge=0)
    shown: list[str] = Field(default_factory=list, max_length=2)
    chosen: int = Field(0, ge=0)


@dataclass
class Open:
    """A session that a page has open, and what belongs to it as long as its columns do."""

    session: Session
    lesson: Lesson | None = None
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
            "chosen": min(look.chosen, len(drawn.numbers) - 1),
        }
    )
    names = _weight_names(session)
    shown = [name for name in dict.fromkeys(look.shown) if name in names] or names[:1]
    found = rows(session, drawn, look.output)
    hover = _hover(page, found, look.output)
    going = status(session)
    return {
        "step": session.at.number,
        "leaps": session.walk.leaps,
        "status": asdict(going),
        "formula": _formula(session, look.output),
        "error": _error(session),
        "held_out": _held_out(page),
        "goal": page.lesson and goal_told(page.lesson, session, drawn, page.unseen),
        "alpha": asdict(alpha_status(session)),
        "weights": _weights(session, look.output),
        "spelled": _spelled(page, look.chosen, look.output),
        "look": {**look.model_dump(), "shown": shown},
        "rows": {"numbers": [int(number) for number in drawn.numbers]},
        "handle": _handle(page, look.output),
        "figures": {
            "predict": _predict(page, found, look, hover, outputs),
            "bowl": _bowl(page, look, shown),
            "deltas": _deltas(page, found, look, hover, outputs),
            "loss": _loss(page),
        },
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
            "columns": [asdict(one) for one in table.choices],
            "unused": [] if page.lesson else _unused(session),
        },
        "choices": {
            **asdict(choices),
            "using": list(choices.using) if choices.using is not None else None,
            "predict": list(choices.predict),
            "start": dict(choices.start) if isinstance(choices.start, dict) else choices.start,
            "freeze": list(choices.freeze),
        },
        "outputs": read.schema.outputs,
        "names": _weight_names(session),
        "losses": list(dict.fromkeys([*LOSSES, *KINKED, *COUPLED, choices.loss])),
        "learners": list(LEARNERS),
        "lesson": None if page.lesson is None else page.lesson.name,
        "by_hand": session.by_hand is not None,
        "notes": [*read.notes][:3],
    }


def _unused(session: Session) -> list[dict[str, str]]:
    """The columns that are not learnt from, each with its reason."""
    choices, schema = session.choices, session.read.schema
    chosen = [*choices.predict, *(choices.using or ())]
    unused = {one.name: one.why for one in session.table.unused(chosen)}
    unused |= {one.name: one.why for one in schema.left_out}
    return [{"name": name, "why": why} for name, why in unused.items()]


def _spelled(page: Open, place: int, output: int) -> list[str]:
    """The next step as one row and output see it: predict, compare, learn, in words."""
    session, drawn = page.session, page.drawn
    at, stepwise = session.at, session.stepwise
    row = RowTrace.of(
        stepwise.task.model,
        stepwise.task.loss,
        weights=at.weights,
        inputs=drawn.inputs[place],
        targets=drawn.targets[place],
        number=int(drawn.numbers[place]),
    )
    one = slice(output, output + 1)
    single = replace(
        row,
        **{name: getattr(row, name)[one] for name in OF_OUTPUTS},
        weight_delta=_of_output(row.weight_delta, one),
    )
    before, after = _of_output(at.weights, one), _of_output(at.next, one)
    alpha = getattr(session.walk.learner, "alpha", None)
    said = words.step_sentences(
        Step(at.number + 1, before, at.seen or at.now, after, None, alpha),
        single,
        inputs=labels(session.read),
        outputs=session.read.schema.outputs[one],
        alone=session.read.examples == 1,
        own_units=not session.choices.standardise,
    )
    return [*said.predict, *said.compare, *said.learn]


def _of_output(weights: Weights, one: slice) -> Weights:
    return {name: array[..., one] for name, array in weights.items()}


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
    names = _weight_names(session)
    if name not in names:
        raise LearningError(f"there is no weight called '{name}'")
    at = names.index(name)
    return at if at < len(labels(session.read)) else None


def _weight_names(session: Session) -> list[str]:
    names = labels(session.read)
    return [*names, INTERCEPT] if session.choices.intercept else names


def _formula(session: Session, output: int) -> dict[str, Any]:
    """The prediction as a sum, its largest terms."""
    weight = session.at.weights["weight"][:, output]
    names = labels(session.read)
    stepwise = session.stepwise
    size = np.abs(weight * stepwise.task.problem.spread)
    largest = sorted(np.argsort(-size, kind="stable")[:WRITTEN_OUT])
    link = loss_of(session, output).says
    start = (
        [told(float(session.at.weights["intercept"][output]))] if session.choices.intercept else []
    )
    return {
        "target": link.format(session.read.schema.outputs[output]),
        "start": start,
        "terms": [[told(float(weight[at])), names[at]] for at in largest],
        "more": len(names) - len(largest),
    }


def _error(session: Session) -> dict[str, Any]:
    """The error, in words that say which."""
    squared = session.choices.loss == "squared"
    error = 2 * session.at.now.loss if squared else session.at.now.loss
    return {
        "what": _what(session),
        "value": error,
        "typical": math.sqrt(max(error, 0.0)) if squared else None,
    }


def _held_out(page: Open) -> dict[str, Any]:
    """The error on rows that were not learnt from, and which rows those are."""
    session = page.session
    squared = session.choices.loss == "squared"
    error: float | None
    if page.unseen is not None:
        error, how = page.unseen.error(session, session.at.weights), "on the hollow points"
    elif session.read.examples < FEWEST_ROWS:
        return {"error": None, "typical": None, "how": _too_few(session.read.examples)}
    else:
        found = page.held_out.at(session.at.number)
        if found is None:
            return {"error": None, "typical": None, "how": "beyond all numbers"}
        error = found.error
        folds = f"{found.of}-fold cross-validation"
        how = folds if found.folds == found.of else f"on one row in {found.of}, held out"
    return {"error": error, "typical": math.sqrt(error) if squared else None, "how": how}


def _too_few(rows: int) -> str:
    return f"none: {rows} {'row is' if rows == 1 else 'rows are'} too few to hold any out"


def _what(session: Session) -> str:
    if session.choices.loss != "squared":
        return "mean loss" + (", with penalty" if session.choices.ridge else "")
    return "mean squared error" + (", with penalty" if session.choices.ridge else "")


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
    stepwise = session.stepwise
    problem = stepwise.task.problem
    size = math.sqrt(float(problem.targets[output] / problem.rows))
    size *= float(problem.target_scale[output])
    if session.choices.loss != "squared":
        size = 1.0
    spread = 1.0 if place is None else float(problem.spread[place])
    return 3 * (size or 1.0) / (spread or 1.0)


def _hover(page: Open, found: Rows, output: int) -> list[str]:
    """Each drawn row's arithmetic, for who points at it."""
    session, drawn = page.session, page.drawn
    weight = session.at.weights["weight"][:, output]
    names = [plain(name) for name in labels(session.read)]
    start = session.at.weights.get("intercept")
    size = np.abs(weight) * np.abs(drawn.inputs).mean(axis=0)
    largest = sorted(np.argsort(-size, kind="stable")[:WRITTEN_OUT])
    rest = len(names) - len(largest)
    target = plain(session.read.schema.outputs[output])
    texts = []
    for at in range(len(drawn.numbers)):
        terms = [
            f"{told(float(weight[n]))} * {told(float(drawn.inputs[at, n]))} ({names[n]})"
            for n in largest
        ]
        if start is not None:
            terms.insert(0, told(float(start[output])))
        if rest:
            terms.append(f"{rest} more")
        texts.append(
            f"row {int(drawn.numbers[at]):,}<br>{'<br>+ '.join(terms)}"
            f"<br>= predicted {told(float(found.predictions[at]))}"
            f"<br>{target} {told(float(found.targets[at]))}"
            f"<br><b>delta {told(float(found.deltas[at]))}</b>"
        )
    return texts


def _predict(
    page: Open, found: Rows, look: Look, hover: Sequence[str], outputs: Sequence[str]
) -> dict[str, Any]:
    drawn, target = page.drawn, outputs[look.output]
    if loss_of(page.session, look.output).name == "softmax":
        return _classes(page, look, hover)
    if drawn.across is None or not drawn.grid.size:
        return figures.predicted_against_actual(
            found.predictions, found.targets, target=target, hover=hover, chosen=look.chosen
        )
    unseen = None
    if page.unseen is not None and page.unseen.x is not None:
        unseen = (page.unseen.x, page.unseen.targets[:, look.output])
    return figures.rows_with_line(
        drawn.x,
        found.targets,
        line_x=drawn.grid,
        line=found.line,
        names=(drawn.across, target),
        hover=hover,
        chosen=look.chosen,
        unseen=unseen,
    )


def _classes(page: Open, look: Look, hover: Sequence[str]) -> dict[str, Any]:
    """The rows of each class over two of the inputs, or one, and which are taken for another."""
    session, drawn = page.session, page.drawn
    schema = session.read.schema
    scores = session.stepwise.task.model.predict(session.at.weights, drawn.inputs)
    target = next(
        (one, span)
        for one, span in zip(schema.targets, session.stepwise.task.spans, strict=True)
        if look.output < span.stop
    )
    numbers = [at for at, (_, level) in enumerate(schema.inputs) if level is None][:2] or [0]
    across, up = numbers[0], numbers[-1]
    names = labels(session.read)
    return figures.rows_in_classes(
        drawn.inputs[:, across],
        drawn.inputs[:, up],
        actual=drawn.targets[:, target[1]].argmax(axis=1),
        predicted=scores[:, target[1]].argmax(axis=1),
        classes=[str(level) for level in target[0].levels],
        names=(names[across], names[up]),
        hover=hover,
        chosen=look.chosen,
    )


def _deltas(
    page: Open, found: Rows, look: Look, hover: Sequence[str], outputs: Sequence[str]
) -> dict[str, Any]:
    drawn = page.drawn
    some = np.unique(np.linspace(0, len(drawn.numbers) - 1, MOST_DELTAS).astype(int))
    some = np.unique(np.append(some, look.chosen))
    order = drawn.x if drawn.across is not None else found.targets
    return figures.deltas(
        found.deltas[some],
        order=order[some],
        by=drawn.across or f"actual {outputs[look.output]}",
        hover=[hover[at] for at in some],
        chosen=int(np.flatnonzero(some == look.chosen)[0]),
        rows=some.tolist(),
    )


def _bowl(page: Open, look: Look, shown: Sequence[str]) -> dict[str, Any]:
    session = page.session
    names = _weight_names(session)
    places = [None if name == INTERCEPT else names.index(name) for name in shown]
    half = 1.0 if session.choices.loss == "squared" else 0.5
    if len(places) == 1:
        found = loss_surface(session, page.drawn, look.output, places)
        return figures.parabola(
            found.across,
            half * found.error,
            weight=shown[0],
            here=(found.here[0], half * found.error_here),
            way=(found.way[:, 0], half * found.way_errors),
            past=found.past,
            best=None if found.best is None else found.best[0],
            what=_what(session),
        )
    found = loss_surface(session, page.drawn, look.output, places)
    assert found.up is not None, "two weights make a plane"
    assert found.here[1] is not None, "and a point in it"
    best = found.best
    return figures.contour(
        found.across,
        found.up,
        found.error,
        weights=(shown[0], shown[1]),
        here=(found.here[0], found.here[1]),
        way=found.way,
        past=found.past,
        best=None if best is None or best[1] is None else (best[0], best[1]),
    )


def _loss(page: Open) -> dict[str, Any]:
    session = page.session
    passed = session.walk.way
    factor = 2.0 if session.choices.loss == "squared" else 1.0
    steps = np.array([float(one.number) for one in passed])
    errors = np.array([factor * one.loss for one in passed])
    unseen: Array | None = None
    if page.unseen is not None:
        of = page.unseen
        unseen = np.array([factor / 2 * of.error(session, one.weights) for one in passed])
    return figures.error_by_step(
        steps, errors, here=session.at.number, unseen=unseen, what=_what(session)
    )


def begun(lesson: Lesson, page: Open) -> Look:
    """What a lesson looks at to begin with."""
    return replace_shown(Look(), lesson.shown, page)


def replace_shown(look: Look, shown: Sequence[str], page: Open) -> Look:
    """The same look at these weights, or the first ones where none are named."""
    names = _weight_names(page.session)
    first = list(shown) or names[:2]
    return look.model_copy(update={"shown": first[:2]})
