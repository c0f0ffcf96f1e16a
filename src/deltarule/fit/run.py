"""One run of learning: from a table and settings to steps and a model.

squared loss, no learner named   closed form, from the moments of one read
a learner, on squared loss       steps on the moments, or on the rows where they are few
other losses                     Newton steps on the rows: in memory, or by further reads
an explicit alpha                gradient descent on the inputs in their own units
batches                          minibatch steps: in memory, or by one read per epoch
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.blas_threads import one_blas_thread
from deltarule.dataclass import dataclass
from deltarule.engines.base import Engine, LimitsTime, ShowsProgress
from deltarule.engines.registry import engine_for
from deltarule.errors import LearningError
from deltarule.fit.engine_choice import choose, chosen
from deltarule.fit.engine_filter import filtered
from deltarule.fit.finite import finite_results
from deltarule.fit.held_out_alarm import with_alarm
from deltarule.fit.outcome import record
from deltarule.fit.repeated_rows import with_copies_told
from deltarule.fit.settings import Settings
from deltarule.fit.target_group import TargetGroup, rows_kept, target_groups
from deltarule.fit.validate import (
    check_folds,
    check_members,
    check_powers,
    check_targets,
    check_weights,
)
from deltarule.model.model import KeptSums, Model
from deltarule.model.record import Record
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step
from deltarule.solvers.cholesky import SMALL
from deltarule.tables.frames import open_table
from deltarule.tables.last_rows import last_rows, rows_to_learn
from deltarule.tables.one_read import Keep, Read, read
from deltarule.tables.plan import Plan
from deltarule.tables.source import Source

if TYPE_CHECKING:
    from deltarule.fit.fit_step import FitStep, StepsTaken
    from deltarule.fit.problem import FitProblem


@dataclass(frozen=True)
class Run:
    """One run of learning, prepared: iterate over it for the steps, or ask for its model."""

    read: Read
    settings: Settings
    groups: tuple[TargetGroup, ...]
    files: tuple[Path, ...] = ()
    watched: bool = False

    @classmethod
    def of(
        cls,
        table: Any,
        settings: Settings,
        *,
        watched: bool = False,
        engine: Engine | None = None,
    ) -> "Run":
        """A run on a table, which is read now.

        With `watched`, steps are taken also where there is a closed form. With an `engine`, here or
        in the settings, it answers all questions about rows; the table gives the first rows.
        """
        if engine is None:
            engine, table = engine_for(settings.engine, table)
        if engine is not None:
            _prepare(engine, settings)
        source, _ = open_table(table)
        files = [*source.files, *_held_out_files(table, source, settings)]
        choice = None if engine else choose(source, settings)
        engine = choice.engine if choice else engine
        engine, source = filtered(engine, source, settings.where, settings.request.missing_words)
        source = _rows_in_use(source, settings)
        _check_kept(settings)
        if watched and settings.exact:
            settings = replace(settings, learner="descent")

        def keep(plan: Plan) -> Keep:
            return rows_kept(settings, plan)

        def read_by(engine: Engine | None) -> Read:
            return read(
                source,
                settings.request,
                progress=settings.progress,
                keep=keep,
                keep_summary=settings.keep_summary,
                engine=engine,
            )

        rows = read_by(engine) if choice is None else chosen(choice, read_by)
        return cls.on(rows, settings, files=files, watched=watched)

    @classmethod
    def on(
        cls,
        rows: Read,
        settings: Settings,
        *,
        files: Sequence[Path] = (),
        watched: bool = False,
    ) -> "Run":
        """A run on what was read already."""
        if len(rows.schema.inputs) * len(rows.schema.outputs) >= SMALL:
            # Before BLAS is kept to one thread: scipy's, were it loaded later, would spin with its
            # own. Of 200 inputs the first fit took 2.6 to 4.7 s of processors, and so 0.8.
            import_module("scipy.linalg")
        check_folds(rows, settings)
        check_weights(rows)
        check_powers(rows)
        check_targets(rows, settings)
        groups = target_groups(rows, settings, watched=watched)
        for group in groups:
            check_members(group)
        return cls(rows, settings, tuple(groups), tuple(files), watched)

    def again(self, settings: Settings, *, folds: Sequence[int] | None = None) -> "Run":
        """Another run on the same read, with settings that need the same columns.

        With `folds`, on the rows of these folds only.
        """
        rows = self.read if folds is None else self.read.of_folds(folds)
        return Run.on(rows, settings, files=self.files, watched=self.watched)

    @property
    def group(self) -> TargetGroup:
        """The one group of all targets.

        Errors:  LearningError where they do not share a loss
        """
        if len(self.groups) > 1:
            raise LearningError(
                "steps are shown of targets that share a loss: predict them one by one"
            )
        return self.groups[0]

    @property
    def problem(self) -> "FitProblem | None":
        """What steps are taken on; None where the weights are solved in closed form."""
        return self.group.problem

    def starting_at(self, weights: Weights) -> "Run":
        """The run from these weights, in the inputs' own units, whatever the settings say."""
        return replace(self, groups=(self.group.starting_at(weights),))

    def steps(self) -> "Iterator[FitStep]":
        """The steps, with all that is known of each; none where there is a closed form."""
        return self.group.steps()

    def __iter__(self) -> Iterator[Step]:
        """The steps as users see them."""
        return (step.shown for step in self.steps())

    def model(self, taken: "StepsTaken | None" = None) -> Model:
        """The model of these steps, or of its own."""
        learnt = self._record(taken)
        settings = self.settings
        rows = {"half_life": settings.half_life, "window": settings.window, "where": settings.where}
        learnt = learnt.model_copy(update={k: v for k, v in rows.items() if v is not None})
        if settings.hold_out is not None:
            from deltarule.fit.test_table import evaluated_on

            learnt = evaluated_on(learnt, self.read, settings)
        return Model(with_alarm(learnt), read=self.files, kept=self._kept(learnt))

    def _record(self, taken: "StepsTaken | None") -> Record:
        # At this matrix size a second BLAS thread gains little, and loses much where the machine is
        # busy: a factor of 1,110 inputs takes 15 ms with one; with two 11, or 320.
        # Overflow in the columns' own units is reported as unknown, or refused below.
        with one_blas_thread(), finite_results(self.read.source.name):
            if taken is None:
                outcomes = [(group.read.schema, group.outcome()) for group in self.groups]
            else:
                outcomes = [(self.group.read.schema, self.group.outcome(taken))]
            learnt = record(self.read, outcomes)
            if self.watched:
                return learnt
            return with_copies_told(learnt, self.read, self.settings, _record_of)

    def _kept(self, learnt: Record) -> KeptSums | None:
        """What the settings say is kept of the rows, to learn more with."""
        if self.settings.keep_summary:
            from deltarule.fit.kept_summary import KeptSummary

            losses = {target: group.loss for group in learnt.learnt for target in group.targets}
            return KeptSummary.of(self.read, self.settings, losses)
        if self.settings.keep_sample is not None:
            from deltarule.fit.kept_sample import KeptSample

            return KeptSample.of(self.read, self.settings)
        return None


def _prepare(engine: Engine, settings: Settings) -> None:
    """Hand an engine the settings that concern it.

    Errors:  LearningError for settings that it has no answers for
    """
    from deltarule.fit.engine_checks import check_engine

    check_engine(engine, settings)
    if isinstance(engine, ShowsProgress):
        engine.progress = settings.progress
    if isinstance(engine, LimitsTime):
        engine.query_timeout = settings.query_timeout


def _held_out_files(table: Any, source: Source, settings: Settings) -> Sequence[Path]:
    """The files of the rows that were set aside.

    Errors:  LearningError where they are the table that is learnt from
    """
    if settings.hold_out is None:
        return ()
    from deltarule.fit.test_table import check_other

    other, _ = open_table(settings.hold_out)
    check_other(table, settings.hold_out, (source.name, other.name))
    return other.files


def _rows_in_use(source: Source, settings: Settings) -> Source:
    """The rows that count: those with targets where their order matters, the last of a window."""
    if settings.half_life is not None or settings.window is not None:
        source = rows_to_learn(source, settings.request)
    return last_rows(source, settings.window)


def _check_kept(settings: Settings) -> None:
    """Errors: LearningError for a setting that what is kept cannot be learnt again with."""
    if settings.keep_summary or settings.keep_sample is not None:
        from deltarule.fit.kept_settings import KeptSettings

        kept_settings = KeptSettings.of if settings.keep_summary else KeptSettings.of_rows
        kept_settings(settings)


def _record_of(table: Any, settings: Settings) -> Record:
    return Run.of(table, settings).model().record
