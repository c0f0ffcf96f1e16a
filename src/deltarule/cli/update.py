"""deltarule update: a model that learns rows one by one, each predicted first."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli.arguments import DatabaseTable, How, Json, ModelFile, Query, Table
from deltarule.cli.table import source_of

if TYPE_CHECKING:
    from deltarule.model.model import Model
    from deltarule.model.online import Stream, Update

STANDARD_INPUT = "-"
FLAGS_SHOWN = 8


def update(
    model: ModelFile,
    rows: Table,
    half_life: Annotated[
        float | None,
        typer.Option(
            metavar="ROWS", help="After so many rows a row counts half: for what drifts. Exact."
        ),
    ] = None,
    window: Annotated[
        int | None, typer.Option(metavar="ROWS", help="Only the last rows count. Exact.")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="The learning rate: each row is one step of the rule on the inputs as they stand.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", "-o", metavar="FILE", help="Write the model here. Default: over the old one."
        ),
    ] = None,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Have a model learn rows one by one, each predicted before it is learnt.

    TABLE may be - for rows on standard input, such as lines of JSON as they come. Under
    squared loss the weights are exact after each row, and sums beside the model (model.sums) keep
    up, unless rows are to fade. The error that is told is progressive: that
    of predicting each row first.

    tail -f sales.jsonl | deltarule update model.json - --half-life 1000
    """
    from deltarule.model.model_and_sums import alone, sums_beside
    from deltarule.output import check_outputs

    to = model if save is None else save
    check_outputs({"--save": save}, [])
    settings = {"half_life": half_life, "window": window, "alpha": alpha}
    with alone(sums_beside(to)):
        live = rows == STANDARD_INPUT and _json_lines()
        table = None if live else source_of(rows, read, db_table, query)
        _learn(model, table, to, settings, as_json=as_json)


def _learn(
    model: Path, table: Any, to: Path, settings: Mapping[str, Any], *, as_json: bool
) -> None:
    """Learn a table's rows, or those of standard input as they come, and save the model."""
    from deltarule.errors import DeltaruleError
    from deltarule.model.model_and_sums import sums_beside

    known = _loaded(model)
    stream = known.stream(**settings)
    view = UpdateView(stream, screen=not as_json)
    ended: BaseException | None = None
    try:
        for made in _lines(stream) if table is None else stream.updates(table):
            view.tell(made)
    except (KeyboardInterrupt, SystemExit, DeltaruleError) as stop:
        if table is not None or (isinstance(stop, DeltaruleError) and not view.rows):
            raise
        ended = stop  # what comes live is learnt until someone ends it, or a line cannot be read

    def save() -> None:
        if stream.ahead:
            known.save(to, summary=None if known.kept is None else sums_beside(to))

    try:
        save()
    except (KeyboardInterrupt, SystemExit) as stop:
        if table is not None:
            raise
        ended = stop  # it came with the end of the input
        save()
    view.end()
    if as_json:
        print(json.dumps(known.to_dict(), allow_nan=False))
    if isinstance(ended, DeltaruleError):
        raise type(ended)(f"{ended}; the rows before it were learnt, and are saved in {to}")
    if ended is not None:
        raise ended


def _loaded(path: Path) -> "Model":
    """The model, with its sums where they are beside it."""
    from deltarule.model.model import load
    from deltarule.model.model_and_sums import sums_beside

    known = load(path)
    if known.record.summary is None or not sums_beside(path).exists():
        return known
    from deltarule.fit import keep_learning

    return keep_learning.load(path)


def _json_lines() -> bool:
    """Whether standard input begins as a line of JSON does."""
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    return peek is not None and peek(1).lstrip().startswith(b"{")


def _lines(stream: "Stream") -> "Iterator[Update]":
    """What each line of standard input changed, as it comes.

    Errors:  ReadError for a line that is no object; those of `Stream.update`, with the line
    """
    from deltarule.errors import DeltaruleError, ReadError
    from deltarule.tables.files.json_types import once
    from deltarule.tables.left_out import gap

    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line, object_pairs_hook=once(f"standard input, line {number:,}"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ReadError(f"standard input, line {number:,}: it is no JSON object")
        try:
            gaps = [name for name in stream.targets if row.get(name) in (None, "")]
            yield stream.leave_out(gap(gaps[0])) if gaps else stream.update(_flat(row, stream))
        except DeltaruleError as error:
            raise type(error)(f"standard input, line {number:,}: {error}") from None


def _flat(row: dict[str, Any], stream: "Stream") -> dict[str, Any]:
    """A row without lists and objects in columns that are not read.

    Errors:  ValueRefusedError for one in a column that is
    """
    from deltarule.errors import ValueRefusedError

    nested = [name for name, cell in row.items() if isinstance(cell, list | dict)]
    for name in nested:
        if name in stream.reads:
            kind = "a list" if isinstance(row[name], list) else "an object"
            raise ValueRefusedError(f"column '{name}' is {kind}: give a number or text")
    return {name: cell for name, cell in row.items() if name not in nested}


def milestones() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 and so on."""
    for power in count():
        yield from (one * 10**power for one in (1, 2, 5))


class UpdateView:
    """What is printed while rows are learnt: a line whenever their number is a milestone's."""

    def __init__(self, stream: "Stream", *, screen: bool) -> None:
        self.stream, self.screen = stream, screen
        self.rows, self.milestones = 0, milestones()
        self.next = next(self.milestones)
        self.left_out, self.flags = Counter[str](), Counter[str]()

    def tell(self, made: "Update") -> None:
        """Count what was learnt, and print a line where it is time for one."""
        self.rows += made.rows
        self.left_out.update(made.left_out)
        self.flags.update(made.flags)
        if self.rows < self.next:
            return
        if self.screen:
            errors = self._errors(self.stream.rmse)
            print(f"after {self.stream.rows:,} rows: typical error {errors}", flush=True)
        while self.next <= self.rows:
            self.next = next(self.milestones)

    def end(self) -> None:
        """Print the sum of it, on stderr beside JSON.

        Errors:  EmptyError where nothing was learnt
        """
        from deltarule.errors import EmptyError
        from deltarule.tables.left_out import counted, left_out_told
        from deltarule.views.format import rows_told

        if not self.rows:
            why = f" ({counted(self.left_out)})" if self.left_out else ""
            raise EmptyError(f"there was no row to learn{why}")
        stream = self.stream
        lines = [
            f"{rows_told(self.rows)} learnt one by one ({stream.settings}), each predicted first",
            f"typical error {self._errors(stream.rmse)}; predicting the mean of the rows before: "
            f"{self._errors(stream.baseline_rmse)}",
        ]
        if left := left_out_told(self.left_out):
            lines.append(left)
        few = self.flags.most_common(FLAGS_SHOWN)
        lines += [f"{flag} ({times:,} times)" if times > 1 else flag for flag, times in few]
        print("\n".join(lines), file=sys.stdout if self.screen else sys.stderr)

    def _errors(self, errors: Any) -> str:
        from deltarule.views.format import number

        names = [f"{name} " if len(errors) > 1 else "" for name in self.stream.outputs]
        return ", ".join(f"{name}{number(one)}" for name, one in zip(names, errors, strict=True))
