"""Ledger: the log of a run, a line for each step and for traced rows of it.

Prediction, delta, error, and for each weight its weight_delta (the gradient), alpha * weight_delta
and the new weight. On a screen and as CSV, numbers are printed so that they round-trip exactly.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from deltarule.output import write_whole
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step
from deltarule.trace.downsample import MOST, DownsampledSteps, as_they_come, downsampled
from deltarule.trace.row_trace import RowTrace
from deltarule.trace.sentences import weight_names

WEIGHTS_SHOWN = 4
"""More weights than this do not fit a screen's width; a file holds them all."""
KINDS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""Formats by file extension."""
# Cells held in memory while a ledger is written: 400 MB as Python objects.
MOST_CELLS = 4_000_000

Value = int | float | str | None


def kind_of(path: Path) -> str | None:
    """csv, parquet or jsonl by a file's extension; None for another."""
    return KINDS.get(path.suffix.lower())


class Ledger:
    """The steps of a run as lines."""

    def __init__(
        self,
        outputs: Sequence[str],
        inputs: Sequence[tuple[str, str | None]],
        *,
        batches: bool = False,
    ) -> None:
        """`batches` says whether steps are on minibatches."""
        self.outputs, self.inputs = list(outputs), weight_names(inputs)
        self.batches = batches

    def line(self, step: Step) -> dict[str, Value]:
        """A step's line; what the last one is noted with is why it stopped."""
        return self._entry(step, None, [step.stopped.words] if step.stopped else ())

    def entries(self, told: DownsampledSteps) -> Iterator[dict[str, Value]]:
        """A step's line, and one for each traced row, as columns and values."""
        step = told.step
        names = self._weight_names(step.weights)
        turned = [f"weight{names[at]} turned back" for at in told.turned]
        yield self._entry(step, None, [*told.notes, *turned])
        for row in step.chosen:
            yield self._entry(step, row, ())

    def _entry(self, step: Step, row: RowTrace | None, notes: Sequence[str]) -> dict[str, Value]:
        entry: dict[str, Value] = {"step": step.number}
        if self.batches:
            entry["epoch"] = step.epoch
        if self.batches or step.chosen:
            entry["row"] = _which(step) if row is None else str(row.number)
        said = step.comparison
        prediction = said.prediction if row is None else row.prediction
        delta = said.delta if row is None else row.delta
        entry |= self._by_output("prediction", prediction.tolist())
        entry |= self._by_output("delta", delta.tolist())
        entry["error"] = step.error if row is None else row.error
        entry["alpha"] = step.alpha
        slopes = said.weight_delta if row is None else row.weight_delta
        moved = step.moved if row is None else None
        for name, slope, move, weight in zip(
            self._weight_names(step.weights),
            _flat(slopes),
            _flat(moved) if moved is not None else [None] * len(_flat(slopes)),
            _flat(step.weights),
            strict=True,
        ):
            entry[f"weight_delta{name}"] = slope
            entry[f"alpha*weight_delta{name}"] = move
            entry[f"weight{name}"] = weight
        entry["note"] = "; ".join(notes)
        return entry

    def _by_output(self, what: str, values: Sequence[float]) -> Mapping[str, float]:
        if len(self.outputs) == 1:
            return {what: values[0]}
        named = zip(self.outputs, values, strict=True)
        return {f"{what}[{output}]": value for output, value in named}

    def _weight_names(self, weights: Weights) -> list[str]:
        if sum(array.size for array in weights.values()) == 1:
            return [""]
        named = [*self.inputs, *(["intercept"] if "intercept" in weights else [])]
        if len(self.outputs) == 1:
            return [f"[{name}]" for name in named]
        return [f"[{name}, {output}]" for name in named for output in self.outputs]

    def start(self, step: Step) -> str:
        """The initial weights and alpha, in words."""
        names = self._weight_names(step.before)[:WEIGHTS_SHOWN]
        values = zip(names, _flat(step.before), strict=False)
        said = "start " + ", ".join(f"weight{name} {value!r}" for name, value in values)
        return said if step.alpha is None else f"{said}; alpha {step.alpha!r}"

    def lines(self, steps: Iterable[Step]) -> Iterator[str]:
        """Lines for a screen as steps come: all at first, later fewer and the notable ones."""
        widths: dict[str, int] = {}
        for told in as_they_come(steps):
            for entry in self.entries(told):
                if not widths:
                    yield self.start(told.step)
                    widths = self._widths(entry)
                    yield "  ".join(f"{name:>{width}}" for name, width in widths.items())
                cells = [f"{_text(entry[name]):>{width}}" for name, width in widths.items()]
                note = entry["note"]
                yield "  ".join([*cells, *([str(note)] if note else [])])

    def _widths(self, entry: Mapping[str, Value]) -> dict[str, int]:
        """The columns that fit a screen, and how wide they are."""
        first = [name for name in entry if "weight" not in name and name not in ("alpha", "note")]
        weights = [name for name in entry if "weight" in name][: 3 * WEIGHTS_SHOWN]
        narrow = {"step": 6, "epoch": 5, "row": 6}
        # 22 characters hold any float64 that round-trips exactly.
        return {name: narrow.get(name, max(22, len(name))) for name in [*first, *weights]}

    def write(
        self, steps: Iterable[Step], to: Path, *, kind: str = "csv", most: int = MOST
    ) -> tuple[int, int]:
        """Write the run to a file, downsampled; returns the steps written and the steps taken."""
        count = 0

        def counted() -> Iterator[Step]:
            nonlocal count
            for step in steps:
                count = step.number
                yield step

        width = len(self.outputs) * (len(self.inputs) + 1)
        kept = downsampled(counted(), most=max(min(most, MOST_CELLS // (4 * width)), 2))
        entries = [entry for told in kept for entry in self.entries(told)]
        write_whole(to, lambda temporary: _WRITERS[kind](entries, temporary))
        return len(kept), count

    def csv(self, steps: Iterable[Step], to: IO[str]) -> None:
        """Every step, as CSV."""
        lines = (entry for step in steps for entry in self.entries(DownsampledSteps(step)))
        _csv_lines(lines, to)


def _which(step: Step) -> str:
    """The rows of a step, in words: all, one by its number, or how many."""
    if step.saw is None:
        return "all"
    return str(int(step.saw[0]) + 1) if len(step.saw) == 1 else "batch"


def _flat(weights: Weights) -> list[float]:
    """Every weight, input after input, the intercept last."""
    parts = [weights["weight"].ravel(), weights.get("intercept", weights["weight"][:0, 0])]
    return [float(value) for part in parts for value in part.ravel()]


def _text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)


def _csv(entries: Iterable[Mapping[str, Value]], to: Path) -> None:
    with to.open("w", newline="", encoding="utf-8") as lines:
        _csv_lines(entries, lines)


def _csv_lines(entries: Iterable[Mapping[str, Value]], to: IO[str]) -> None:
    writer = csv.writer(to, lineterminator="\n")
    for at, entry in enumerate(entries):
        if at == 0:
            writer.writerow(entry)
        writer.writerow([_text(value) for value in entry.values()])


def _jsonl(entries: Sequence[Mapping[str, Value]], to: Path) -> None:
    with to.open("w", encoding="utf-8") as lines:
        for entry in entries:
            finite = {name: _json(value) for name, value in entry.items()}
            lines.write(json.dumps(finite, allow_nan=False) + "\n")


def _json(value: Value) -> Value:
    """JSON knows no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parquet(entries: Sequence[Mapping[str, Value]], to: Path) -> None:
    import polars as pl

    kinds: dict[str, Any] = {"step": pl.Int64, "epoch": pl.Int64, "row": pl.String}
    names = list(entries[0]) if entries else ["step"]
    schema = {name: kinds.get(name, pl.String if name == "note" else pl.Float64) for name in names}
    pl.DataFrame(entries, schema=schema, orient="row").write_parquet(to)


_WRITERS = {"csv": _csv, "parquet": _parquet, "jsonl": _jsonl}
