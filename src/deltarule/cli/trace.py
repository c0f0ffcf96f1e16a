"""What `deltarule learn` shows of its steps: the ledger on the screen or in a file, or in words."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deltarule.cli.arguments import ON_SCREEN, names
from deltarule.dataclass import dataclass

if TYPE_CHECKING:
    from deltarule.fit.fit_step import StepsTaken
    from deltarule.fit.run import Run
    from deltarule.rule.train import Step
    from deltarule.trace.ledger import Ledger

NO_STEPS = "solved exactly: there are no steps to trace; give --alpha or --learner"


@dataclass(frozen=True)
class Tracing:
    """What is to be shown of the steps. `to` is a file, the screen, or None for nowhere."""

    to: str | None
    rows: tuple[int, ...]
    words: bool
    live: bool | None

    @classmethod
    def of(
        cls,
        trace: str | None,
        rows: list[str] | None,
        *,
        words: bool,
        live: bool | None,
        as_json: bool,
    ) -> "Tracing":
        """From the options. Errors: typer.BadParameter where they do not go together."""
        if as_json and trace == ON_SCREEN:
            raise typer.BadParameter("with --json, give --trace a file", param_hint="--trace")
        if as_json and words:
            raise typer.BadParameter("words are for the screen, not for --json")
        if words and trace == ON_SCREEN:
            raise typer.BadParameter(
                "--words is a trace on the screen itself", param_hint="--words"
            )
        if trace not in (None, ON_SCREEN):
            from deltarule.trace.ledger import KINDS, kind_of

            if kind_of(Path(trace)) is None:
                *most, last = KINDS
                raise typer.BadParameter(
                    f"'{trace}' must end in {', '.join(most)} or {last}", param_hint="--trace"
                )
        numbers = tuple(_number(one) for one in names(rows))
        return cls(trace, numbers or ((1,) if words else ()), words, live)

    @property
    def file(self) -> Path | None:
        """The file that steps are written to, if one is."""
        return None if self.to in (None, ON_SCREEN) else Path(str(self.to))

    def trace(self, run: "Run") -> "StepsTaken | None":
        """Take the steps and show them: as asked for, or on a terminal where it takes long.

        None where there are none to be shown.
        """
        printed = self.words or self.to == ON_SCREEN
        if len(run.groups) > 1 and not (printed or self.to):
            return None  # each group of targets takes its own steps, unseen
        if run.problem is None:
            if printed:
                print(NO_STEPS + "\n")
            elif self.to is not None:
                self._write(run, iter(run))
                print(f"{self.to} has no step: {NO_STEPS}", file=sys.stderr)
            return None
        from deltarule.fit.fit_step import StepsTaken

        return StepsTaken.of(run.steps(), show=lambda steps: self._show(run, steps))

    def _show(self, run: "Run", steps: "Iterator[Step]") -> None:
        if self.to == ON_SCREEN:
            for line in _ledger(run).lines(steps):
                print(line)
            print()
            return
        from deltarule.cli.live import shown

        passing = self._said(run, steps) if self.words else shown(run, steps, live=self.live)
        if self.to is not None:
            self._write(run, passing)
        else:
            for _ in passing:
                pass

    def _write(self, run: "Run", steps: "Iterator[Step]") -> None:
        from deltarule.trace.ledger import kind_of

        assert self.to is not None, "there is a file to write to"
        kind = kind_of(Path(self.to))
        assert kind is not None, "its ending was checked"
        kept, count = _ledger(run).write(steps, Path(self.to), kind=kind)
        if kept < count:
            print(f"{self.to} has {kept:,} of {count:,} steps", file=sys.stderr)

    def _said(self, run: "Run", steps: "Iterator[Step]") -> "Iterator[Step]":
        """The steps, of which those for a screen are spelled out as they pass."""
        from deltarule.trace.downsample import on_screen
        from deltarule.trace.sentences import step_sentences, weight_names

        schema, problem = run.read.schema, run.problem
        assert problem is not None, "there are steps"
        for step in steps:
            yield step
            if not (step.stopped or on_screen(step.number)):
                continue
            saw = run.read.examples if step.saw is None else len(step.saw)
            for row in step.chosen:
                one = step.saw is None or bool((step.saw == row.number - 1).any())
                print(f"step {step.number:,}, row {row.number:,}" + ("" if one else ": not seen"))
                said = step_sentences(
                    step,
                    row,
                    inputs=weight_names(schema.inputs),
                    outputs=schema.outputs,
                    alone=saw == 1 and one,
                    together=f"all {saw:,} rows" if step.saw is None else "rows of the batch",
                    standard=problem.standard if run.settings.alpha is None else None,
                    frozen=problem.frozen,
                )
                print("\n".join(said.lines))
        print()


def _ledger(run: "Run") -> "Ledger":
    from deltarule.trace.ledger import Ledger

    schema = run.read.schema
    batches = run.problem is not None and run.problem.batches is not None
    return Ledger(schema.outputs, schema.inputs, batches=batches)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is no number of a row", param_hint="--trace-rows"
        ) from None
