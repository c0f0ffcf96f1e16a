"""A fitted model: schema, weights and metrics; it predicts, explains and compares.

score      = intercept + sum over inputs of weight * input
prediction = inverse link(score)
average    = the score of the average row;  contribution = weight * (input - its average)
score      = average + the contributions of all columns
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, overload

from deltarule.deferred import polars as pl
from deltarule.errors import (
    EmptyError,
    LearningError,
    ModelError,
    OutputError,
    PredictionWarning,
)
from deltarule.losses.loss import Loss
from deltarule.model import record_file as saved
from deltarule.model.predictor import Predictor
from deltarule.model.record_view import RecordView
from deltarule.output import check_outputs
from deltarule.tables.saved_file import path_of
from deltarule.tables.schema_source import batches, read_as_learnt, rows_where, widening
from deltarule.tables.source import Source

# What one method needs is loaded by that method: a command that learns and saves, or loads and
# predicts, is done in half a second.
if TYPE_CHECKING:
    from deltarule.model.compare_models import ModelComparison
    from deltarule.model.diagnostics import Diagnostics
    from deltarule.model.drift import DriftReport
    from deltarule.model.evaluate import Evaluation
    from deltarule.model.explain import Explanation
    from deltarule.model.export import Exported
    from deltarule.model.few_rows import FewRows, Scored
    from deltarule.model.online import Stream, Update
    from deltarule.model.prediction_stream import Columns, Predictions
    from deltarule.model.record import Record


class KeptSums(Protocol):
    """The sums of a model's rows, and the models that more rows or fewer give."""

    def to_bytes(self) -> bytes: ...
    def check_rare(self, least: int) -> None: ...
    def joined(self, table: Any) -> Self: ...
    def learn_more(self, model: Model, table: Any, *, again: bool, old: Any) -> Model: ...
    def forget(self, model: Model, table: Any, *, where: str | None, old: Any) -> Model: ...
    @property
    def takes_rows(self) -> bool: ...


class Model(RecordView):
    """A fitted model, made by `learn` or `load`."""

    def __init__(
        self, record: Record, *, read: Sequence[Path] = (), kept: KeptSums | None = None
    ) -> None:
        """`read` are its training files, not to be saved over; `kept` the sums of their rows."""
        self._kept = kept
        self._read = tuple(read)
        self._stream: Stream | None = None
        self._current = Predictor(record)

    @property
    def _scorer(self) -> Predictor:
        """The predictor of the weights as they are now: rows may have been learnt one by one."""
        if self._stream is not None and self._stream.ahead:
            self._current = Predictor(self._stream.record())
        return self._current

    @property
    def kept(self) -> KeptSums | None:
        """The sums of its rows, those that were learnt one by one among them; None without."""
        waiting = None if self._stream is None else self._stream.sums
        return self._kept if waiting is None else cast("KeptSums", waiting.sums)

    @kept.setter
    def kept(self, kept: KeptSums | None) -> None:
        self._kept = kept

    @property
    def _record(self) -> Record:
        return self._scorer.record

    @property
    def _few(self) -> FewRows:
        return self._scorer.few

    @property
    def record(self) -> Record:
        """Everything the model is, as checked data."""
        return self._record

    @property
    def loss(self) -> Loss:
        """The loss, with its link."""
        return self._scorer.loss

    def predict(
        self,
        table: Any,
        *,
        flags: bool = False,
        interval: float | None = None,
        where: str | None = None,
    ) -> Any:
        """The predictions, a row for each of the table's, in the table's own kind of frame.

        A dict of single values gives a dict; a path gives a polars frame. With `flags`, a column
        describes each row's drift: unseen levels, values out of range, gaps; null where none.
        With an `interval`, such as 0.9, columns give the ends of the conformal prediction interval
        of that coverage. `where` is a condition, such as "year > 2000": only rows that meet it are
        predicted. Without `flags`, a PredictionWarning sums up the drift. A Dask dataframe gives a
        lazy one, a Spark DataFrame itself with more columns; their drift only `flags` tell.
        Errors:  TableError for a table that lacks a column or has values that cannot be computed
                 with; LearningError for an interval that is not known
        """
        few = None
        if interval is None and where is None:
            few = self._few.score(table, flags=flags)
        if few is not None:
            frame = self._as_given(table, few)
            new = few.drift.new_to(self._record.contract.known) if few.drift else []
            others: list[str] = []
        else:
            from deltarule.model.lazy_predictions import is_lazy, lazily_predicted
            from deltarule.model.prediction_stream import Columns

            columns = Columns(flags=flags, interval=interval)
            if is_lazy(table):
                return lazily_predicted(self._scorer, table, columns, where)
            frame, made = self._predicted(table, columns, where)
            new, others = made.new, [*made.source.warnings, *made.narrow]
        if new and not flags:
            others = [*others, f"{'; '.join(new)} (flags=True says of which rows)"]
        if others:
            warnings.warn("; ".join(others), PredictionWarning, stacklevel=2)
        return frame

    @overload
    def explain(self, table: Any) -> Any: ...
    @overload
    def explain(self, table: Any, *, row: int) -> Explanation: ...
    def explain(self, table: Any, *, row: int | None = None) -> Any:
        """For each row and output: the average score, each column's contribution, the prediction.

        With squared loss all are in the target's units and the score is the prediction. With other
        losses contributions add up to the score, in log odds or log counts. With `row`, counted
        from 1 as in messages, it is that row's Explanation, sorted by size.
        Errors:  EmptyError where there is no such row
        """
        if row is not None:
            from deltarule.argument_values import whole

            row = whole("row", row)
            source = self._opened(table)
            return widening(source, lambda: self._explained(source, row))
        few = self._few.score(table, explain=True)
        if few is not None:
            return self._as_given(table, few)
        return self.predict_noticing(table, explain=True)[0]

    def _explained(self, source: Source, row: int) -> Explanation:
        from deltarule.model.explain import explain

        contract, before = self._record.contract, 0
        source = read_as_learnt(source, contract)
        for batch in batches(source, contract.needs, contract.expects):
            at = row - 1 - before
            if 0 <= at < batch.height:
                view = contract.view(batch[at : at + 1], name=source.name, row=row - 1)
                return explain(view, self._scorer, table=source.name, number=row)
            before += batch.height
        raise EmptyError(
            f"{source.name} has no row {row:,}: its {before:,} rows are counted from 1"
        )

    def predict_batches(
        self,
        table: Any,
        *,
        explain: bool = False,
        flags: bool = False,
        interval: float | None = None,
        where: str | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The table's rows in batches, each with its prediction: one read, bounded memory.

        `explain`, `flags` and `interval` add columns, and `where` is a condition on rows, as for
        `explain` and `predict`.
        """
        from deltarule.model.prediction_stream import Columns

        columns = Columns(explain=explain, flags=flags, interval=interval)
        yield from self.predictions(self._opened(table, where), columns).beside_rows()

    def predictions(self, source: Source, columns: Columns) -> Predictions:
        """The stream behind `predict_batches`, with notes on drift."""
        from deltarule.model.prediction_stream import Predictions

        return Predictions(self._scorer, source, columns)

    def predict_noticing(
        self,
        table: Any,
        *,
        explain: bool = False,
        flags: bool = False,
        interval: float | None = None,
        where: str | None = None,
    ) -> tuple[Any, list[str]]:
        """Predictions, and notes on drift."""
        from deltarule.model.prediction_stream import Columns

        columns = Columns(explain=explain, flags=flags, interval=interval)
        frame, made = self._predicted(table, columns, where)
        return frame, made.notes

    @staticmethod
    def _as_given(table: Any, few: Scored) -> Any:
        """A dict for a dict, a list for a list."""
        return few.rows[0] if isinstance(table, dict) else few.rows

    def _opened(self, table: Any, where: str | None = None) -> Source:
        """The source of a table, of the rows that meet a condition."""
        from deltarule.tables.frames import open_table

        return rows_where(open_table(table)[0], where, self.record.contract)

    def _predicted(
        self, table: Any, columns: Columns, where: str | None
    ) -> tuple[Any, Predictions]:
        from deltarule.tables.filtered import FilteredSource
        from deltarule.tables.frames import open_table

        source, back = open_table(table)
        source = rows_where(source, where, self.record.contract)
        predictions = self.predictions(source, columns)
        frame = widening(predictions.source, lambda: pl.concat(predictions.alone()))
        rows = source.numbers if isinstance(source, FilteredSource) else None
        return back(frame, rows), predictions

    @overload
    def compare(self, table: Any, *, where: str | None = None) -> Evaluation: ...
    @overload
    def compare(
        self, table: Any, other: Model, *, where: str | None = None, cluster: str | None = None
    ) -> ModelComparison: ...
    def compare(
        self,
        table: Any,
        other: Model | None = None,
        *,
        where: str | None = None,
        cluster: str | None = None,
    ) -> Evaluation | ModelComparison:
        """Evaluate the model on a table that has its targets, or compare it with another model.

        With an `other` model, a paired test of which predicts the same rows better: A is this
        model, B the other. `where` is a condition on the rows, such as "year > 2000". `cluster`
        is the column that says which rows belong together, so that the test is of its groups'
        sums; by default the models' own group or id.
        Errors:  EmptyError when no row has all targets; LearningError for a model of other targets
        """
        source = self._opened(table, where)
        if other is None:
            if cluster is not None:
                raise LearningError("clusters are for the comparison of two models: give another")
            from deltarule.model.evaluate import evaluate

            return widening(source, lambda: evaluate(self._scorer, source))
        from deltarule.argument_values import told
        from deltarule.model.compare_models import compare_models

        if not isinstance(other, Model):
            raise LearningError(f"{told(other)} is no model to compare with: load it first")
        if not isinstance(cluster, str | None):
            raise LearningError(f"cluster is {told(cluster)}: give a column's name")
        theirs = other._scorer
        return widening(
            source, lambda: compare_models(self._scorer, theirs, source, cluster=cluster)
        )

    def diagnose(self, table: Any, *, rows: int = 10, where: str | None = None) -> Diagnostics:
        """Influential rows, outliers and collinear columns.

        The table is the training table; it is read once, or twice for losses other than squared.
        `rows` is how many rows of each sort are listed, `where` a condition on the table's rows.
        Errors:  EmptyError when no row has all targets
        """
        from deltarule.argument_values import whole
        from deltarule.model.diagnostics import diagnose

        rows = whole("rows", rows, least=0)
        source = self._opened(table, where)
        return widening(source, lambda: diagnose(self._scorer, source, rows=rows))

    def drift(self, table: Any, *, where: str | None = None) -> DriftReport:
        """What has changed in a table since the model was learnt, the worst first.

        Its columns, the error where it has the targets, and how far its rows are from those learnt
        from. It is read once; `where` is a condition on its rows.
        Errors:  EmptyError for a table without rows
        """
        from deltarule.model.drift import drift

        source = self._opened(table, where)
        return widening(source, lambda: drift(self._scorer, source))

    def save(
        self,
        path: str | Path,
        *,
        moments: bool = True,
        summary: str | Path | None = None,
        min_level_rows: int = 1,
    ) -> None:
        """Write the model file atomically; without `moments` it is smallest.

        With `summary`, also the sums of its rows: both files are replaced, or neither. Before they
        are handed on, `min_level_rows`, such as 5, refuses levels that fewer rows hold.
        Weights are finite here: a record refuses others.

        Errors:  OutputError, also where no sums were kept; LearningError for such levels
        """
        path = path_of(path, OutputError)
        sums = None if summary is None else path_of(summary, OutputError)
        check_outputs({"the model's file": path, "the summary's file": sums}, self._read)
        if sums is not None and self.kept is None:
            raise OutputError(
                f"cannot write {sums}: the model keeps no sums of its rows: learn it with "
                "keep_summary=True"
            )
        if sums is not None and self.kept is not None:
            self.kept.check_rare(min_level_rows)
        changed: dict[str, Any] = {"summary": None} if moments else {"summary": None, "moments": ()}
        record = self._record.model_copy(update=changed)
        if self._stream is not None:
            from deltarule.model.online_record import with_window

            record = with_window(record, self._stream)
        if sums is None or self.kept is None:
            saved.save(record, path)
        else:
            from deltarule.model.model_and_sums import save_both

            save_both(record, self.kept.to_bytes(), path, sums)

    def learn_more(self, table: Any, *, again: bool = False, old: Any = None) -> Model:
        """The model that learning from its rows and those of this table together gives, exactly.

        It takes the sums that `learn(..., keep_summary=True)` keeps, or `load(..., summary=...)`.
        With a sample of rows (`keep_sample`), for any loss, it is exact where the `old` rows are
        given; else the sample stands in for them.
        Errors:  LearningError for a table that was learnt from before, unless `again`; ColumnError
                 for a column of another kind
        """
        return self._sums().learn_more(self, table, again=again, old=old)

    def forget(self, table: Any, *, where: str | None = None, old: Any = None) -> Model:
        """The model as if these rows of its tables had never been there, exactly.

        `where` is a condition on the rows of the table, such as "customer = 7". Sums as above; with
        a sample the table is all that was learnt from, or the `old` rows are, which an id tells
        apart.
        Errors:  LearningError for rows that were not all learnt from
        """
        return self._sums().forget(self, table, where=where, old=old)

    def update(
        self,
        rows: Any,
        *,
        half_life: float | None = None,
        window: int | None = None,
        alpha: float | None = None,
    ) -> Update:
        """Predict, compare and learn a row (a dict), or a table's rows one after the other.

        Gives the prediction before, delta and what changed; the model is changed. Under squared
        loss its weights are exact after each row, of all rows, or of those that a `half_life` or a
        `window` (in rows) leaves. With other losses, or an `alpha` (the learning rate), each row is
        one step of the rule. The schema stays: a level never seen joins (other), and is told.
        Errors:  LearningError where the model has no moments to go on from; TableError and its
                 kinds
        """
        stream = self._stream
        if stream is None or (half_life, window, alpha) != (None, None, None):
            stream = self.stream(half_life=half_life, window=window, alpha=alpha)
        return stream.update(rows)

    def stream(
        self,
        *,
        half_life: float | None = None,
        window: int | None = None,
        alpha: float | None = None,
    ) -> Stream:
        """The stream behind `update`: its progressive error, and tables learnt in batches.

        Errors:  LearningError, also for other settings than those it began with
        """
        from deltarule.model.online import Stream
        from deltarule.model.online_steps import StreamSettings

        settings = StreamSettings(half_life, window, alpha)
        if self._stream is None:
            sums = self._kept if self._kept is not None and self._kept.takes_rows else None
            self._stream = Stream(self._scorer, settings, sums=sums)
            self._kept = None
        elif settings not in (StreamSettings(), self._stream.settings):
            raise LearningError(
                f"rows were learnt with {self._stream.settings} before: go on with it, or load the "
                "model anew"
            )
        return self._stream

    def _sums(self) -> KeptSums:
        if self.kept is None:
            from deltarule.model.model_and_sums import check_loss

            check_loss(self._record)
            raise LearningError(
                "the sums of its rows are not there: learn with --keep-summary FILE "
                "(keep_summary=True), or load the model with its summary"
            )
        return self.kept

    def export(self, to: str, path: str | Path | None = None, **settings: Any) -> str | bytes:
        """The model in another form, "python" or one of the others that `deltarule export` lists.

        It is run on rows made from the model's ranges and levels, where its engine is installed,
        and must predict them as the model does. With a `path` it is written there too. `settings`
        are those of the form, such as a dialect of SQL.
        Errors:  ExportError, OutputError
        """
        file = None if path is None else path_of(path, OutputError)
        if file is not None:
            check_outputs({"the export's file": file}, self._read)
        content = self.exported(to, **settings).content
        if file is not None:
            from deltarule.model.export import write_export

            write_export(file, content)
        return content

    def to_sql(self, table: str, **settings: Any) -> str:
        """The model as a query that predicts a table's rows in their database.

        Settings: `dialect`, such as postgres; `view`, the name of a view to make; `explain`, for
        contributions; `keep`, columns of the table to show beside the predictions, rather than
        those that the model reads; `check_in`, the address of a PostgreSQL database to run the
        check in.
        Errors:  LearningError for an unknown dialect; ExportError as for `export`
        """
        return str(self.export("sql", table=table, **settings))

    def to_onnx(self, *, explain: bool = False) -> bytes:
        """The model as an ONNX file's content; with `explain` it gives contributions too.

        Errors:  ExportError, as for `export`; MissingExtraError without onnx
        """
        content = self.export("onnx", explain=explain)
        assert isinstance(content, bytes)
        return content

    def exported(self, to: str, **settings: Any) -> Exported:
        """The same, with how its check went."""
        from deltarule.model.export import export

        return export(self._scorer, to, **settings)


def load(path: str | Path) -> Model:
    """Read a model file.

    Errors:  ModelError and its kinds
    """
    return Model(saved.load(path_of(path, ModelError)))
