"""The charts of a session at one step, as figures.

Beside the session's own path there may be others: the one that was left when a weight was set by
hand, and that of a second alpha.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.rule.predict import Array
from deltarule.views import descent_figures, learning_figures
from deltarule.views.descent_figures import Course
from deltarule.views.format import number as told
from deltarule.views.learning_marks import plain
from deltarule.web.loss_surface import LossSurface, loss_surface
from deltarule.web.row_view import FILLED, Rows, filled, labels, loss_of, rows
from deltarule.web.session import Session
from deltarule.web.timeline import PathPoint

if TYPE_CHECKING:
    from deltarule.web.app.payload import Look, Open

MOST_DELTAS = 60
# Inputs whose arithmetic is written out; the others are counted.
WRITTEN_OUT = 4
INTERCEPT = "intercept"
LEFT = "the course before"


def charts(
    page: "Open", look: "Look", shown: Sequence[str], twin: Session | None
) -> dict[str, Any]:
    """All charts; `shown` are the weights of the bowl, `twin` is the run with a second alpha."""
    found = rows(page.session, page.drawn, look.output)
    hover = _hover(page, found, look.output)
    return {
        "predict": _predict(page, found, look, hover, twin),
        "bowl": _bowl(page, look, shown, twin),
        "deltas": _deltas(page, found, look, hover),
        "loss": _loss(page, twin),
    }


def alpha_name(alpha: float | None) -> str:
    """How the run with an alpha is called."""
    return "alpha" if alpha is None else f"alpha {told(alpha)}"


def what(session: Session) -> str:
    """What the error is, in words."""
    penalty = ", with penalty" if session.choices.ridge else ""
    mean = "" if session.read.examples == 1 else "mean "
    return f"{mean}{session.problem.loss.error_name}{penalty}"


def weight_names(session: Session) -> list[str]:
    """The names of the weights of an output, the intercept last."""
    names = labels(session.read)
    return [*names, INTERCEPT] if session.choices.intercept else names


def _hover(page: "Open", rows: Rows, output: int) -> list[str]:
    """Each drawn row's arithmetic, for who points at it."""
    session, drawn = page.session, page.drawn
    weight = session.at.weights["weight"][:, output]
    start = session.at.weights.get("intercept")
    size = np.abs(weight) * np.abs(drawn.inputs).mean(axis=0)
    largest = sorted(np.argsort(-size, kind="stable")[:WRITTEN_OUT])
    rest = len(weight) - len(largest)
    target = plain(session.read.schema.outputs[output])
    every = [plain(name) for name in labels(session.read)]
    gaps = filled(session.read, drawn)
    texts = []
    for at in range(len(drawn.numbers)):
        names = {
            n: every[n] if gaps[n] is None or not gaps[n][at] else FILLED.format(every[n])
            for n in largest
        }
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
            f"<br>= predicted {told(float(rows.predictions[at]))}"
            f"<br>{target} {told(float(rows.targets[at]))}"
            f"<br><b>delta {told(float(rows.deltas[at]))}</b>"
        )
    return texts


def _predict(
    page: "Open", found: Rows, look: "Look", hover: Sequence[str], twin: Session | None
) -> dict[str, Any]:
    drawn, target = page.drawn, page.session.read.schema.outputs[look.output]
    number = int(drawn.numbers[look.chosen])
    if loss_of(page.session, look.output).kind == "classes":
        return _classes(page, look, hover)
    if drawn.across is None or not drawn.grid.size:
        return learning_figures.predicted_against_actual(
            found.predictions,
            found.targets,
            target=target,
            hover=hover,
            chosen=look.chosen,
            number=number,
        )
    unseen = None
    if page.unseen is not None and page.unseen.x is not None:
        unseen = (page.unseen.x, page.unseen.targets[:, look.output])
    beside = None
    if twin is not None:
        beside = (alpha_name(twin.choices.alpha), rows(twin, drawn, look.output).line)
    return learning_figures.rows_with_line(
        drawn.x,
        found.targets,
        reached=_reached(page, look.output),
        line_x=drawn.grid,
        line=found.line,
        names=(drawn.across, target),
        hover=hover,
        chosen=look.chosen,
        number=number,
        unseen=unseen,
        beside=beside,
    )


def _reached(page: "Open", output: int) -> Array:
    """The lowest and highest predictions of the drawn rows on the whole path, of straight lines.

    The window takes them in from the start, so that it stays the same while weights swing.
    """
    session = page.session
    if loss_of(session, output).says != "{}":
        return np.zeros(0)
    path = [one.weights for one in session.walk.path]
    scores = page.drawn.inputs @ np.stack([one["weight"][:, output] for one in path], axis=1)
    if "intercept" in path[0]:
        scores = scores + np.array([one["intercept"][output] for one in path])
    return np.array([scores.min(), scores.max()])


def _classes(page: "Open", look: "Look", hover: Sequence[str]) -> dict[str, Any]:
    """The rows of each class over two of the inputs, or one, and which are taken for another."""
    session, drawn = page.session, page.drawn
    schema = session.read.schema
    scores = session.problem.model.predict(session.at.weights, drawn.inputs)
    target = next(
        (one, span)
        for one, span in zip(schema.targets, session.problem.spans, strict=True)
        if look.output < span.stop
    )
    numbers = [at for at, (_, level) in enumerate(schema.inputs) if level is None][:2] or [0]
    across, up = numbers[0], numbers[-1]
    names = labels(session.read)
    return learning_figures.rows_in_classes(
        drawn.inputs[:, across],
        drawn.inputs[:, up],
        actual=drawn.targets[:, target[1]].argmax(axis=1),
        predicted=scores[:, target[1]].argmax(axis=1),
        classes=[str(level) for level in target[0].levels],
        names=(names[across], names[up]),
        hover=hover,
        chosen=look.chosen,
    )


def _deltas(page: "Open", rows: Rows, look: "Look", hover: Sequence[str]) -> dict[str, Any]:
    drawn, outputs = page.drawn, page.session.read.schema.outputs
    some = np.unique(np.linspace(0, len(drawn.numbers) - 1, MOST_DELTAS).astype(int))
    some = np.unique(np.append(some, look.chosen))
    order = drawn.x if drawn.across is not None else rows.targets
    return learning_figures.deltas(
        rows.deltas[some],
        order=order[some],
        by=drawn.across or f"actual {outputs[look.output]}",
        hover=[hover[at] for at in some],
        chosen=int(np.flatnonzero(some == look.chosen)[0]),
        rows=some.tolist(),
        number=int(drawn.numbers[look.chosen]),
        at_start=_largest_delta_at_start(page, look.output),
    )


def _largest_delta_at_start(page: "Open", output: int) -> float:
    task = page.session.problem
    scores = task.model.predict(page.session.walk.path[0].weights, page.drawn.inputs)
    deltas = task.loss.link.inverse(scores)[:, output] - page.drawn.targets[:, output]
    return float(np.abs(deltas).max(initial=0.0))


def _bowl(page: "Open", look: "Look", shown: Sequence[str], twin: Session | None) -> dict[str, Any]:
    session = page.session
    names = weight_names(session)
    places = [None if name == INTERCEPT else names.index(name) for name in shown]
    others: list[tuple[str, Sequence[PathPoint]]] = []
    if session.kept:
        others.append((LEFT, session.kept))
    if twin is not None:
        others.append((alpha_name(twin.choices.alpha), _passed(twin)))
    surface = loss_surface(session, page.drawn, look.output, places, [path for _, path in others])
    if len(places) == 1:
        return _parabola(page, surface, shown[0], others)
    assert surface.up is not None, "two weights make a plane"
    assert surface.here[1] is not None, "and a point in it"
    low = surface.lowest
    return descent_figures.contour(
        surface.across,
        surface.up,
        surface.error,
        weights=(shown[0], shown[1]),
        here=(surface.here[0], surface.here[1]),
        way=surface.way,
        past=surface.past,
        floor=None if low is None or low[1] is None else (low[0], low[1]),
        whole=surface.whole,
        others=[
            _course(name, way[:, 0], way[:, 1])
            for (name, _), way in zip(others, surface.other_ways, strict=True)
        ],
    )


def _parabola(
    page: "Open",
    surface: LossSurface,
    weight: str,
    others: Sequence[tuple[str, Sequence[PathPoint]]],
) -> dict[str, Any]:
    floor = None
    low = surface.lowest
    if low is not None and surface.across[0] <= low[0] <= surface.across[-1]:
        floor = (low[0], float(np.interp(low[0], surface.across, surface.error)))
    return descent_figures.parabola(
        surface.across,
        surface.error,
        weight=weight,
        here=(surface.here[0], surface.error_here),
        way=(surface.way[:, 0], surface.way_errors),
        past=surface.past,
        floor=floor,
        whole=surface.whole,
        what=what(page.session),
        others=[
            _course(name, way[:, 0], _errors(page.session, path)[1])
            for (name, path), way in zip(others, surface.other_ways, strict=True)
        ],
    )


def _loss(page: "Open", twin: Session | None) -> dict[str, Any]:
    session = page.session
    steps, errors = _errors(session, session.walk.path)
    unseen: Array | None = None
    if page.unseen is not None:
        of, passed = page.unseen, session.walk.path
        unseen = np.array([of.error(session, one.weights) for one in passed])
    others = [] if not session.kept else [Course(LEFT, *_errors(session, session.kept))]
    if twin is not None:
        others.append(_course(alpha_name(twin.choices.alpha), *_errors(session, _passed(twin))))
    return descent_figures.error_by_step(
        steps, errors, here=session.at.number, unseen=unseen, what=what(session), others=others
    )


def _errors(session: Session, path: Sequence[PathPoint]) -> tuple[Array, Array]:
    """The steps of a path, and the error at each."""
    steps = np.array([float(one.number) for one in path])
    return steps, np.array([session.error(one.loss) for one in path])


def _passed(twin: Session) -> list[PathPoint]:
    """The path of a second run until its present step."""
    return [one for one in twin.walk.path if one.number <= twin.at.number]


def _course(name: str, x: Array, y: Array) -> Course:
    here = None if name == LEFT or not len(x) else (float(x[-1]), float(y[-1]))
    return Course(name, x, y, here)
