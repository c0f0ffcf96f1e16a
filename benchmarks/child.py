"""What runs in a contestant's process: the job once, and once more while it is warm.

    python -m benchmarks.child MODULE:FUNCTION LOADS HOLDS PATH ANSWERS AGAIN

HOLDS is a module:function that loads the table before the clock starts, or nothing: then the job
gets its path. It prints one line of JSON when the job is done, and one for the second time if
AGAIN is 1.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.machine import peak_mb


def main(does: str, loads: str, holds: str, path: str, answers: str, again: str) -> None:
    began = perf_counter()
    for name in loads.split(","):
        import_module(name)
    job = _named(does)
    import_seconds = perf_counter() - began
    exact = json.loads(Path(answers).read_text(encoding="utf-8"))
    table = _named(holds)(path) if holds else path
    peak = 0.0
    for _ in range(1 + int(again)):
        began = perf_counter()
        answer = job(table, exact)
        seconds = perf_counter() - began
        # Linux adds up pages by thread now and then: its peak may fall by some of them.
        peak = max(peak, peak_mb())
        said = {"seconds": seconds, "import_seconds": import_seconds, "peak_mb": peak}
        # The clock has stopped: only now is the answer judged, by what takes memory itself.
        said |= {"left_out_seconds": answer.left_out_seconds, "figures": answer.figures}
        if answer.of is not None:
            values = answer.values()
            said |= {"error_of": answer.of}
            if answer.of.startswith(("gradient", "lasso")):
                from benchmarks.exact import left  # it loads libraries that a peer may not need

                said["error"] = left(Path(path), answer.of, values, exact)
            else:
                said["error"] = error_of(answer.of, values, exact)
        print(json.dumps(said), flush=True)


def _named(text: str) -> Any:
    module, function = text.split(":")
    return getattr(import_module(module), function)


def error_of(kind: str, values: Sequence[float], exact: Mapping[str, Any]) -> float:
    """How far the values are from the exact ones, relative to those: the worst of them.

    Predictions may be near zero, so theirs is relative to the spread of the exact predictions.
    """
    name, _, steps = kind.partition(" ")
    right = exact[name][steps] if steps else exact[name]
    if len(values) != len(right):
        raise ValueError(f"{len(values)} {name} where {len(right)} were expected")
    middle = sum(right) / len(right)
    spread = (sum((value - middle) ** 2 for value in right) / len(right)) ** 0.5
    sizes = [spread] * len(right) if name == "predictions" else map(abs, right)
    return max(
        abs(value - good) / size for value, good, size in zip(values, right, sizes, strict=True)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
