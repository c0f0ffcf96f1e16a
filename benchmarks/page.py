"""The page: how long its server takes to answer a step, and a jump to any other, on many rows.

What is on the clock is the opening of the table. The answers are timed one by one: each is all that
the page draws, from the step itself to the JSON.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.answer import Answer
from deltarule.web.app.payload import Look, Open
from deltarule.web.app.routes import Pages, Step, finite_json
from deltarule.web.session import Choices, Session
from deltarule.web.tables import opened

STEPS, JUMPS, LAST = 200, 200, 1_000_000

Exact = Mapping[str, Any]


def squared(path: str, exact: Exact) -> Answer:
    """Squared loss, from the moments of all rows."""
    return _watched(path, "squared", LAST)


def logistic(path: str, exact: Exact) -> Answer:
    """Another loss, from the rows that are held."""
    return _watched(path, "logistic", STEPS)


def _watched(path: str, loss: str, last: int) -> Answer:
    began = perf_counter()
    table = opened(path)
    using = tuple(one.name for one in table.choices if one.name != "y")
    page = Open(Session(table, Choices(("y",), using, loss=loss, standardise=True)))
    figures = {"begin_seconds": perf_counter() - began}
    pages, look = Pages(None), Look(shown=[using[0], using[1]])

    def answers(name: str, numbers: Sequence[int]) -> None:
        took, busy = [], process_time()
        for number in numbers:
            began = perf_counter()
            finite_json(pages.step(page, Step(number=number, look=look)))
            took.append(1000 * (perf_counter() - began))
        figures[f"{name}_ms_median"] = median(took)
        figures[f"{name}_ms_95_percent"] = sorted(took)[int(0.95 * len(took))]
        # What others do on the machine is in the times above, not in this one.
        figures[f"{name}_ms_of_processor"] = 1000 * (process_time() - busy) / len(took)

    answers("step", range(1, STEPS + 1))
    answers("jump", np.random.default_rng(1).integers(0, last + 1, JUMPS).tolist())
    return Answer(figures=figures)
