"""The one read: a source, a look at it, and then every row once into schema and moments."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial, reduce
from operator import add

import numpy as np
import polars as pl

from deltarule.blas_threads import one_blas_thread
from deltarule.dataclass import dataclass, field, replace
from deltarule.errors import ColumnError, EmptyError, LearningError
from deltarule.moments.accumulate import Accumulator, PairsError, Sums
from deltarule.moments.block import Block, InfiniteError, Origin
from deltarule.moments.moments import Moments, total
from deltarule.moments.one_hot import rows_kept
from deltarule.moments.splits import SplitScheme
from deltarule.rule.predict import Array
from deltarule.tables.date_columns import Later, first_cells
from deltarule.tables.encoded_question import Answer, EncodedQuestion, OfEncoded
from deltarule.tables.encoded_rows import EncodedRows
from deltarule.tables.engine_read import Answered, Answers, asked_of
from deltarule.tables.finalize import finalize
from deltarule.tables.fold_columns import gap_note
from deltarule.tables.joining import Joining
from deltarule.tables.layout import Layout
from deltarule.tables.left_out import nothing_left
from deltarule.tables.level_counts import LevelCounts, count_levels
from deltarule.tables.make_plan import plan
from deltarule.tables.plan import Plan
from deltarule.tables.polars_source import UnparsedError
from deltarule.tables.read_room import batches_in_flight, too_large, wide, workers
from deltarule.tables.request import ReplanError, Request
from deltarule.tables.row_encoder import RowEncoder
from deltarule.tables.row_shares import order_notes, take_order
from deltarule.tables.sample import SAMPLE_ROWS, WORTH, Sample
from deltarule.tables.schema import MANY_LEVELS, Schema
from deltarule.tables.source import LOOK_ROWS, Source, in_steps
from deltarule.tables.spill import Spill
from deltarule.tables.summarise import refused
from deltarule.tables.summary import Summary, joined
from deltarule.tables.text_columns import ReadAgainError, TooManyOddError, formatted, placed
from deltarule.tables.whole_numbers import id_notes

EarlierWeights = Mapping[tuple[str, str, str | None], float]
"""By output, input and level; an intercept has neither input nor level: '' and None."""
Progress = Callable[[int, int | None], None]
"""Called with the rows read so far and, where known, the rows there are."""

READ_AGAIN = "the first rows did not show what all columns hold: the file was read again"
# The sums of fewer rows take less than to start a thread for them.
WORTH_A_THREAD = 4_096
# Rows kept in memory as they were read: 256 MB of numbers.
KEPT_CELLS = 32_000_000
# Of more columns than their products have room for rows are kept, up to so many bytes; of this many
# columns already where rows are known to be fewer.
LARGEST_KEPT = 1 << 31
# Numbers that rows to judge by are encoded to at a time, 16 MB.
ENCODED_CELLS = 2_000_000
# Of so few numbers, 2 MB, they stay encoded.
ENCODED_ONCE = 250_000


@dataclass(frozen=True)
class Keep:
    """What is kept of the rows that are read.

    Up to so many cells all of them; of a table with many more rows, a sample if it is `sampled`.
    """

    cells: int = KEPT_CELLS
    sampled: bool = False


AS_USUAL = Keep()


@dataclass(frozen=True)
class Read:
    """What the read found. Moments are of the schema's inputs, then its targets' outputs.

    `every` is the schema of all targets that were read, where `schema` has only some of them.
    """

    source: Source
    plan: Plan
    schema: Schema
    folds: list[Moments]
    examples: int
    causes: dict[str, int]
    """How many rows were left out, by what is wrong with them in words."""
    notes: list[str]
    at_first: int
    """How often all rows were read until this was found."""
    every: Schema
    frames: list[pl.DataFrame] | None = None
    """All rows, where they are kept in memory."""
    sample: list[pl.DataFrame] = field(default_factory=list)
    """Some rows of a large table, drawn evenly; empty where none were asked for."""
    drawn: list[pl.DataFrame] = field(default_factory=list)
    """Some rows to judge by, drawn evenly: all of a small table."""
    within: Sequence[int] | None = None
    """The folds that rows are of, if not of all."""
    kept: Spill | None = None
    """All rows of a source that may give them in another order when it is read again."""
    centre: Array | None = None
    """What inputs are measured from, (p,); None for zero."""
    summary: Summary | None = None
    """The sums before levels were pooled and gaps filled, where they are kept."""
    engine: Answers | None = None
    """Who answers questions about the rows; None for this machine's threads."""
    earlier: EarlierWeights | None = None
    """The weights of a model of some of these rows, which steps may begin at."""
    readable: bool = False
    """Whether the rows may be read here, where the engine was not asked for."""

    @property
    def left_out(self) -> int:
        """How many rows were left out, whatever for."""
        return sum(self.causes.values())

    @property
    def splits(self) -> SplitScheme:
        """Which folds teach what each fold is judged by."""
        return self.plan.request.splits

    @cached_property
    def whole(self) -> Moments:
        """The moments of all rows."""
        return total(self.folds)

    @cached_property
    def means_learnt(self) -> dict[int, Array]:
        """The training means of all outputs, (k,), by the fold that is held out."""
        first, rows = len(self.schema.inputs), np.array([fold.rows for fold in self.folds])
        means = np.array([(fold.mean * fold.scale)[first:] for fold in self.folds])
        parts = {split.test: list(split.train) for split in self.splits.of(self.folds)}
        return {test: rows[own] / rows[own].sum() @ means[own] for test, own in parts.items()}

    @property
    def reads(self) -> int:
        """How often all rows were read; going over rows in memory is no read."""
        here = self.source.in_memory or self.engine is not None
        return self.at_first if here else self.source.reads

    @property
    def in_memory(self) -> bool:
        """Whether going over all rows again costs no read."""
        return self.frames is not None or self.source.in_memory

    def of_sample(self, one_in: int = 1) -> "Read":
        """The sample, or one row in so many of it, as if it were all there is."""
        frames = self.sample
        if one_in > 1:
            frames = [pl.concat(frames).gather_every(one_in).rechunk()]
        return replace(self, frames=frames, examples=sum(part.height for part in frames))

    def of(self, targets: Sequence[str]) -> "Read":
        """The same with only these of its targets: the rows stay those that have all of them."""
        if len(targets) == len(self.schema.targets):
            return self
        inputs, spans = len(self.schema.inputs), self.schema.target_spans()
        outputs = [
            at for target in targets for at in range(spans[target].start, spans[target].stop)
        ]
        kept = [target for target in self.schema.targets if target.name in targets]
        columns = [*range(inputs), *(inputs + at for at in outputs)]
        return replace(
            self,
            schema=self.schema.model_copy(update={"targets": tuple(kept)}),
            folds=[fold.take(columns) for fold in self.folds],
        )

    def of_folds(self, folds: Sequence[int]) -> "Read":
        """The same with only the rows of these folds."""
        none = [replace(Moments.none(len(fold.mean)), scale=fold.scale) for fold in self.folds]
        kept = [fold if at in folds else none[at] for at, fold in enumerate(self.folds)]
        share = total(kept).rows / total(self.folds).rows
        examples = round(self.examples * share)
        return replace(self, folds=kept, examples=examples, within=tuple(folds))

    def about(self, centre: Array) -> "Read":
        """The same with inputs that are measured from these values: (p,)."""
        if not centre.any():
            return self
        every = np.concatenate([centre, np.zeros(len(self.schema.outputs))])
        return replace(self, folds=[fold.about(every) for fold in self.folds], centre=centre)

    def some_rows(self) -> Iterator[EncodedRows]:
        """The rows to judge by, encoded, some at a time."""
        # Categories of many levels stay codes.
        width = max(1, min(len(self.schema.inputs), MANY_LEVELS + len(self.schema.columns)))
        at_once = max(1, ENCODED_CELLS // width)
        if len(self.drawn) == 1 and self.drawn[0].height * width <= ENCODED_ONCE:
            return iter([self._encoded])
        return (
            self.encoded(frame[start : start + at_once], start)
            for frame in self.drawn
            for start in range(0, frame.height, at_once)
        )

    @cached_property
    def _encoded(self) -> EncodedRows:
        """The few rows to judge by, which are looked at up to five times."""
        return self.encoded(self.drawn[0], 0)

    def rows(self) -> Iterator[EncodedRows]:
        """All rows again, encoded: those in memory, or by another read."""
        for frame, row, _ in self.parts():
            yield self.encoded(frame, row)
            del frame  # it may keep more rows than its own in memory

    def total(self, question: EncodedQuestion[Answer]) -> Answer:
        """The sum of the answers about all rows, by another read.

        Errors:  LearningError where another engine has them and cannot answer
        """
        if self.engine is not None and OfEncoded.asks_for in self.engine.answers:
            answer: Answer = self.engine.ask(OfEncoded(self.encoder, question))
            return answer
        return reduce(add, map(question.of_rows, self.rows()))

    def parts(self) -> Iterator[tuple[pl.DataFrame, int, bool]]:
        """All rows again, as `encoded` wants them, how many came before, and `in_steps`' mark.

        Errors:  LearningError where another engine has them, and they are too many to be here
        """
        elsewhere = self.engine is not None and self.frames is None
        if elsewhere and self.has_all:
            yield from ((frame, 0, False) for frame in self.drawn)
            return
        if self.engine is not None and elsewhere and not self.readable:
            raise LearningError(
                f"rows must be read, as sums lose too many digits here or these settings need them "
                f"one by one, and {self.engine.name} gives none: give the rows to this machine"
            )
        row = 0
        kept: Iterable[pl.DataFrame] | None = self.kept if self.frames is None else self.frames
        if kept is None:
            self.source.look()  # sums alone refuse it, and of these no column's kind is known
        frames = self.source.batches(self.plan.columns) if kept is None else kept
        for frame, ends in in_steps(frames, len(self.plan.columns)):
            before, row = row, row + frame.height
            yield frame, before, ends
            del frame

    @property
    def wide(self) -> bool:
        """Whether the moments keep the rows in place of the products of their columns."""
        return rows_kept(self.folds[0].cross)

    @property
    def has_all(self) -> bool:
        """Whether the rows to judge by are all rows there are."""
        return sum(frame.height for frame in self.drawn) == self.examples + self.left_out

    @property
    def encoder(self) -> RowEncoder:
        """What makes arrays of rows."""
        own = self.plan, self.source.name, self.schema, self.every, self.within, self.centre
        return RowEncoder(*own)

    def encoded(self, frame: pl.DataFrame, row: int) -> EncodedRows:
        """Rows as arrays."""
        return self.encoder.encoded(frame, row)


def read(
    source: Source,
    request: Request,
    *,
    progress: Progress | None = None,
    keep: Keep | Callable[[Plan], Keep] = AS_USUAL,
    keep_summary: bool = False,
    joining: Joining | None = None,
    engine: Answers | None = None,
) -> Read:
    """Read all rows once, or again with wider types where the first rows misled the look.

    What is kept of the rows may depend on what the look shows. With `keep_summary`, the summary is
    kept too, with a histogram of each number. With `joining`, the result is that of a summary which
    these rows join. With an `engine`, it reads the rows, and `source` gives only the first.

    Errors:  LearningError where the engine cannot answer what is asked
    """
    if joining is not None:
        source, request = joining.source(source), joining.request(request)
    request = replace(request, texts=frozenset())
    later: Later = {}
    counted: dict[str, LevelCounts] = {}
    again = False
    while True:
        try:
            look = source.look()
            blank = [column for column in look.columns if look[column].null_count() == look.height]
            if blank and look.height >= LOOK_ROWS and not source.typed and source.widen():
                again, look = True, source.look()
                later = first_cells(source, [c for c in blank if look[c].dtype == pl.String])
            read_as = formatted(source, request, later)
            look = read_as.look()
            made = plan(look, request, name=source.name, formats=read_as.formats, counted=counted)
            if joining is not None:
                made = joining.plan(made, source.name)
            if engine is not None:
                answered = asked_of(engine, read_as, made, counted, keep_summary=keep_summary)
                if answered is None:
                    continue
                found = _of_engine(answered, read_as, keep_summary=keep_summary)
                if again:
                    found.notes.append(READ_AGAIN)
                found.notes[:0] = [*read_as.notes, *id_notes(made.ids), *made.sentinels]
                return found
            if _count(read_as, made, counted):
                continue
            made = take_order(read_as, made)
            kept = keep if isinstance(keep, Keep) else keep(made)
            sample = (
                Sample.of(source.rows, len(made.columns), made.row_column) if kept.sampled else None
            )
            found = _read(read_as, made, progress, kept.cells, sample, keep_summary, joining)
        except ReadAgainError as error:
            again, later = True, error.later
        except UnparsedError as error:
            again = True
            if not isinstance(error, TooManyOddError) and source.widen():
                if error.column is not None and error.value is not None:
                    later = {error.column: Counter([error.value.strip()]), **later}
                continue
            # Only what was thought to be numbers written as text can be text instead.
            needed = {*request.predict, request.row_weight, request.offset}
            if error.column is None or error.column in {*request.texts, *needed}:
                raise placed(error, source) from error
            request = replace(request, texts=request.texts | {error.column})
        except ReplanError as error:
            again, request = True, replace(request, **error.changes)
        except PairsError:
            # Fewer levels of each category, then.
            again, request = True, replace(request, eliminates=False)
        else:
            if _count(read_as, made, counted):
                again = True
                continue
            if again:
                found.notes.append(READ_AGAIN)
            found.notes.extend([*id_notes(made.ids), *made.sentinels, *order_notes(made)])
            if source.unordered and not (request.id or request.group or request.time):
                found.notes.append(
                    f"nothing orders the rows of {source.name}, so that others may be held out the "
                    "next time: say ORDER BY in a query, or --id COLUMN"
                )
            found.notes[:0] = read_as.notes
            return found


def _count(source: Source, plan: Plan, counted: dict[str, LevelCounts]) -> bool:
    """Count in all rows the levels that the rows so far leave open; whether there were such."""
    unsure = {} if source.once else plan.uncounted(counted)
    if unsure:
        counted |= count_levels(source, unsure)
    return bool(unsure)


def _read(
    source: Source,
    plan: Plan,
    progress: Progress | None,
    keep: int,
    sample: Sample | None,
    keep_summary: bool,
    joining: Joining | None,
) -> Read:
    if not (plan.numbers or plan.categories):
        why = "; ".join(f"{column.name}: {column.why}" for column in plan.left_out)
        raise ColumnError(
            f"{source.name} has no column to use as an input ({why or 'only the target'})"
        )
    asked = plan.request
    # Sums that are kept, or joined with others, are of products.
    kept_rows = not keep_summary and joining is None and wide(plan, source.rows)
    in_flight = workers() if kept_rows else batches_in_flight(plan, source.name)
    few = Sample.to_judge_by(len(plan.columns), plan.row_column)
    reading = Accumulator(folds=asked.folds, histograms=keep_summary, keep_rows=kept_rows)
    frame: Origin | None = None
    frames: list[pl.DataFrame] | None = []
    spill = None if source.repeatable else Spill()
    waiting: deque[tuple[Block, int, Callable[[], Sums]]] = deque()
    rows = unkeyed = 0

    def take() -> Origin:
        chunk, start, sums = waiting.popleft()
        try:
            return reading.add(chunk, sums())
        except InfiniteError as error:
            raise refused(error, plan, name=source.name, row=start) from error

    # One BLAS thread for each worker: two on a block this thin were slower than one.
    with one_blas_thread(), ThreadPoolExecutor(workers()) as pool:
        try:
            for batch, ends in in_steps(source.batches(plan.columns), len(plan.columns)):
                chunk = plan.chunk(batch, name=source.name, row=rows)
                if frame is None:
                    frame = Origin.guess(chunk.numbers)
                few_rows = batch.height < WORTH_A_THREAD
                work = partial(reading.sums, chunk, frame)
                waiting.append((chunk, rows, work if few_rows else pool.submit(work).result))
                before, rows = rows, rows + batch.height
                unkeyed += plan.unkeyed(batch)
                if kept_rows and rows * plan.width * 8 > LARGEST_KEPT:
                    raise too_large(plan, source.name)
                few.add(batch, before)
                if sample is not None:
                    sample.add(batch, before)
                if frames is None:
                    _keep([batch], spill)
                else:
                    frames.append(batch)
                    if max(rows, source.rows or 0) * batch.width > keep:
                        _keep(frames, spill)
                        frames = None
                del batch, chunk, work
                # In step, not as workers happen to be done: the same table gives the same sums.
                while len(waiting) > (0 if ends and frames is None else in_flight):
                    frame = take()
                if progress:
                    progress(rows, source.rows)
            while waiting:
                take()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if spill is not None:
        source.release()  # from here on its rows are those kept
    if rows == 0:
        raise EmptyError(f"{source.name} has no rows: there is nothing to learn from")
    layout = Layout.of(plan)
    summary = joined([Summary.of(plan, sums, layout) for sums in reading.parts])
    if summary.examples == 0:
        raise nothing_left(source.name, asked, summary.causes)
    if joining is not None:
        summary = joining.joined(summary)
        if summary.examples == 0:
            raise EmptyError("no row is left to learn from")
        return of_summary(summary, source, plan)
    found = of_summary(summary, source, plan)
    found.notes.extend(gap_note(asked, unkeyed, rows))
    return replace(
        found,
        frames=frames,
        sample=[] if sample is None else sample.frames(rows),
        drawn=few.whole,
        summary=summary if keep_summary else None,
        kept=spill if frames is None else None,
    )


def of_summary(summary: Summary, source: Source, plan: Plan) -> Read:
    """What a summary says of rows that are not there to be read again."""
    schema, folds, notes = finalize(summary, plan.request, source.name)
    return Read(
        source=source,
        plan=plan,
        schema=schema,
        folds=folds,
        examples=summary.examples,
        causes=dict(summary.causes),
        notes=notes,
        at_first=source.reads,
        every=schema,
        summary=summary,
    )


def _of_engine(found: Answered, source: Source, *, keep_summary: bool) -> Read:
    """What an engine's read finds."""
    summary, made, few = found.summary, found.plan, found.drawn
    if summary.examples == 0:
        raise nothing_left(source.name, made.request, summary.causes)
    read = of_summary(summary, source, made)
    drawn = few.height < summary.examples + sum(summary.causes.values())
    read.notes.extend(gap_note(made.request, made.unkeyed(few), few.height, drawn=drawn))
    read = replace(
        read,
        drawn=[few],
        at_first=1,
        summary=summary if keep_summary else None,
        engine=found.engine,
    )
    # The rows to judge by are a sample to begin at, too: a pass of a database costs more. Of
    # workers that read rows it does where it does here.
    reads_rows = OfEncoded.asks_for in found.engine.answers
    all_read = read.has_all or (reads_rows and read.examples < WORTH * SAMPLE_ROWS)
    return read if all_read else replace(read, sample=read.drawn)


def _keep(frames: Iterable[pl.DataFrame], spill: Spill | None) -> None:
    """Add the frames to those that are kept, where rows have to be."""
    if spill is not None:
        for frame in frames:
            spill.add(frame)
