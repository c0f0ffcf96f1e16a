"""learn(): from a table to a model. The only place that chooses solver, learner and units.

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
from deltarule.fit.kept_files import load_kept
from deltarule.fit.kept_sample import KeptSample
from deltarule.fit.kept_settings import KeptSettings
from deltarule.fit.kept_summary import KeptSummary, added
from deltarule.fit.keyword_settings import taking_settings
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
from deltarule.model.model import Model
from deltarule.model.record import Record
from deltarule.rule.predict import Weights
from deltarule.rule.train import Step
from deltarule.solvers.cholesky import SMALL
from deltarule.tables.frames import open_table
from deltarule.tables.last_rows import last_rows, rows_to_learn
from deltarule.tables.one_read import Keep, Read, read
from deltarule.tables.plan import Plan

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
            from deltarule.fit.engine_checks import check_engine

            check_engine(engine, settings)
            if isinstance(engine, ShowsProgress):
                engine.progress = settings.progress
            if isinstance(engine, LimitsTime):
                engine.query_timeout = settings.query_timeout
        source, _ = open_table(table)
        choice = None if engine else choose(source, settings)
        engine = choice.engine if choice else engine
        name = source.name
        engine, source = filtered(engine, source, settings.where, settings.request.missing_words)
        if settings.half_life is not None or settings.window is not None:
            source = rows_to_learn(source, settings.request)
        source = last_rows(source, settings.window)
        files = [*source.files]
        if settings.hold_out is not None:
            other, _ = open_table(settings.hold_out)
            files += other.files
            from deltarule.fit.test_table import check_other

            check_other(table, settings.hold_out, (name, other.name))
        if watched and settings.exact:
            settings = replace(settings, learner="descent")

        def kept(plan: Plan) -> Keep:
            return rows_kept(settings, plan)

        if settings.keep_summary:
            KeptSettings.of(settings)
        if settings.keep_sample is not None:
            KeptSettings.of_rows(settings)

        def read_by(engine: Engine | None) -> Read:
            return read(
                source,
                settings.request,
                progress=settings.progress,
                keep=kept,
                keep_summary=settings.keep_summary,
                engine=engine,
            )

        found = read_by(engine) if choice is None else chosen(choice, read_by)
        return cls.on(found, settings, files=files, watched=watched)

    @classmethod
    def on(
        cls,
        found: Read,
        settings: Settings,
        *,
        files: Sequence[Path] = (),
        watched: bool = False,
    ) -> "Run":
        """A run on what was read already."""
        if len(found.schema.inputs) * len(found.schema.outputs) >= SMALL:
            # Before BLAS is kept to one thread: scipy's, were it loaded later, would spin with its
            # own. Of 200 inputs the first fit took 2.6 to 4.7 s of processors, and so 0.8.
            import_module("scipy.linalg")
        check_folds(found, settings)
        check_weights(found)
        check_powers(found)
        check_targets(found, settings)
        groups = target_groups(found, settings, watched=watched)
        for group in groups:
            check_members(group)
        return cls(found, settings, tuple(groups), tuple(files), watched)

    def again(self, settings: Settings, *, folds: Sequence[int] | None = None) -> "Run":
        """Another run on the same read, with settings that need the same columns.

        With `folds`, on the rows of these folds only.
        """
        found = self.read if folds is None else self.read.of_folds(folds)
        return Run.on(found, settings, files=self.files, watched=self.watched)

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
        # At this matrix size a second BLAS thread gains little, and loses much where the machine is
        # busy: a factor of 1,110 inputs takes 15 ms with one; with two 11, or 320.
        # Overflow in the columns' own units is reported as unknown, or refused below.
        name = self.read.source.name
        with one_blas_thread(), finite_results(name):
            if taken is None:
                outcomes = [(group.read.schema, group.outcome()) for group in self.groups]
            else:
                outcomes = [(self.group.read.schema, self.group.outcome(taken))]
            made = record(self.read, outcomes)
            if not self.watched:
                made = with_copies_told(made, self.read, self.settings, _record_of)
        asked = self.settings
        rows = {"half_life": asked.half_life, "window": asked.window, "where": asked.where}
        made = made.model_copy(update={k: v for k, v in rows.items() if v is not None})
        if self.settings.hold_out is not None:
            from deltarule.fit.test_table import evaluated_on

            made = evaluated_on(made, self.read, self.settings)
        kept: KeptSummary | KeptSample | None = None
        if self.settings.keep_summary:
            losses = {t: one.loss for one in made.learnt for t in one.targets}
            kept = KeptSummary.of(self.read, self.settings, losses)
        elif self.settings.keep_sample is not None:
            kept = KeptSample.of(self.read, self.settings)
        return Model(with_alarm(made), read=self.files, kept=kept)


def _record_of(table: Any, settings: Settings) -> Record:
    return Run.of(table, settings).model().record


def merge(*parts: Any) -> Model:
    """The model of the rows of several tables together, from the sums that were kept of them.

    Of samples of rows (`keep_sample`) it is an estimate, unless all rows were kept.
    Each is a summary file, or a model learnt with `keep_summary`; all with the same settings. With
    an id, a row is held out with the same part wherever it is read, so that the error on held-out
    rows is that of learning from all rows too; without one, each table's parts are put together.

    Errors:  ModelError for a file that cannot be used; LearningError where settings or columns are
             not the same
    """
    if not parts:
        raise LearningError("name the summaries to merge")
    every = [_kept(part) for part in parts]
    samples = [one for one in every if isinstance(one, KeptSample)]
    if samples:
        from deltarule.fit import learn_again

        if len(samples) < len(every):
            raise LearningError("sums and samples of rows are given: merge sums, or samples")
        return learn_again.merge(samples)
    whole = added([one for one in every if isinstance(one, KeptSummary)])
    made = Run.on(whole.read(), whole.kept.settings).model()
    return Model(made.record, kept=whole)


def _kept(part: Any) -> KeptSummary | KeptSample:
    if isinstance(part, KeptSummary | KeptSample):
        return part
    if not isinstance(part, Model):
        return load_kept(part)
    from deltarule.fit.keep_learning import kept_with

    return kept_with(part)


@taking_settings(Settings)
def learn(table: Any, settings: Settings) -> Model:
    """The model that predicts some columns of a table from others.

    `table` is a path to a file, a database's address, a dataframe, a dict of columns or a list of
    dicts. Settings are given by name, as `predict="gross"`; `Settings` says what each means.
    Squared loss is solved exactly unless a learner or an alpha is given.

    Errors:  TableError and its kinds for a table that cannot be used; LearningError for settings
    """
    return Run.of(table, settings).model()


@taking_settings(Settings)
def steps(table: Any, settings: Settings) -> Iterator[Step]:
    """The steps of learning, one after the other: prediction, comparison and update.

    With `alpha` (the learning rate), gradient descent on the inputs as they stand from `start`;
    without, on standardised inputs with the fastest alpha. Weights are in own units either way.

    Errors:  as `learn`
    """
    return iter(Run.of(table, settings, watched=True))
