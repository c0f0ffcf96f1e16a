"""What a model's record says: its weights, its figures, and all of it in words or as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from deltarule.deferred import polars as pl
from deltarule.model import record as saved

if TYPE_CHECKING:
    from deltarule.model.record import FitRecord, HeldOutRecord, Record
    from deltarule.model.regression_table import RegressionSummary
    from deltarule.moments.moments import Moments

Figure = TypeVar("Figure")


class RecordView:
    """The part of a model that its record alone answers."""

    @property
    def record(self) -> Record:
        """Everything the model is, as checked data."""
        raise NotImplementedError

    @property
    def targets(self) -> list[str]:
        """The targets' names."""
        return [target.name for target in self.record.contract.targets]

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs: each target, or target=class for each class."""
        return self.record.contract.outputs

    @property
    def weights(self) -> pl.DataFrame:
        """The weights as a table, with standard errors and intervals; intercepts first."""
        schema: dict[str, type[pl.DataType]] = {
            "output": pl.String,
            "input": pl.String,
            "level": pl.String,
        }
        schema |= dict.fromkeys(["weight", "standard_error", "t", "p", "low", "high"], pl.Float64)
        rows = [
            {"input": "(intercept)", "level": None, **one.model_dump()}
            for one in self.record.intercept
        ]
        return pl.DataFrame(
            [*rows, *(one.model_dump() for one in self.record.weights)], schema=schema
        )

    @property
    def coef(self) -> dict[str, Any]:
        """The weights by name, the intercept among them as (intercept); a level is column=level.

        Of several outputs, such a dict for each.
        """
        from deltarule.model.weight_tables import unlike

        names, p = unlike(self._names), len(self.record.contract.inputs)
        coefficients: dict[str, Any] = {}
        for at, output in enumerate(self.outputs):
            starts = [one.weight for one in self.record.intercept[at : at + 1]]
            own = [one.weight for one in self.record.weights[at * p : (at + 1) * p]]
            coefficients[output] = dict(zip(names, [*starts, *own], strict=True))
        return coefficients if len(coefficients) > 1 else next(iter(coefficients.values()))

    @property
    def _names(self) -> list[str]:
        """The names of an output's weights, the intercept first if there is one."""
        from deltarule.trace.sentences import weight_names

        inputs = weight_names(self.record.contract.inputs)
        return ["(intercept)", *inputs] if self.record.intercept else inputs

    @property
    def fit(self) -> FitRecord | dict[str, FitRecord]:
        """Goodness of fit on the training rows: rmse, r2, residual_sd, deviance, aic and so on.

        Of several targets, by target.
        """
        return self._by_target(self.record.fit)

    @property
    def held_out(self) -> HeldOutRecord | dict[str, HeldOutRecord] | None:
        """Metrics on held-out rows: rmse, r2 and others; baseline_rmse is that of guessing.

        Of several targets, by target; None where no rows were held out.
        """
        return None if self.record.held_out is None else self._by_target(self.record.held_out)

    @property
    def r2(self) -> float | dict[str, float | None] | None:
        """R2 on held-out rows, None without any; that of the training rows is `fit.r2`."""
        return self._held_out_figure("r2")

    @property
    def rmse(self) -> float | dict[str, float | None] | None:
        """The typical error (RMSE) on held-out rows, in the target's units; None without any."""
        return self._held_out_figure("rmse")

    def _held_out_figure(self, name: str) -> float | dict[str, float | None] | None:
        if self.record.held_out is None:
            return None
        figures: list[float | None] = [getattr(one, name) for one in self.record.held_out]
        return self._by_target(figures)

    def _by_target(self, figures: Sequence[Figure]) -> Figure | dict[str, Figure]:
        if len(self.targets) == 1:
            return figures[0]
        return dict(zip(self.targets, figures, strict=True))

    def summary(self) -> RegressionSummary:
        """The regression table: figures of the fit, and every weight with its standard error."""
        from deltarule.model.regression_table import RegressionSummary

        return RegressionSummary(self.record)

    def confidence_intervals(self, level: float = 0.95) -> pl.DataFrame:
        """Confidence intervals of the weights; intercepts first.

        Null where a standard error is not known, as beside a penalty.
        Errors:  LearningError for a level that is not between 0 and 1
        """
        from deltarule.model.weight_tables import confidence_intervals

        return confidence_intervals(self.record, self.weights, level)

    @property
    def covariance(self) -> pl.DataFrame | dict[str, pl.DataFrame] | None:
        """The variance-covariance matrix of the weights, by name, the intercept first.

        Of the kind of the standard errors, and null where these are. Of several outputs, such a
        frame for each. None beside a penalty, and of more than 200 weights.
        """
        from deltarule.model.weight_tables import covariances, unlike

        by_output = covariances(self.record, unlike(["weight", *self._names]))
        if len(self.outputs) == 1:
            return by_output.get(self.outputs[0])
        return by_output or None

    def moments(self) -> list[Moments]:
        """Each fold's moments of the inputs and targets, if the model has them."""
        columns = len(self.record.contract.inputs) + len(self.outputs)
        return [saved.unpack(one, columns) for one in self.record.moments]

    def card(self) -> str:
        """The model card in Markdown: what it predicts, from what, how well, and its limits."""
        from deltarule.model.card import card

        return card(self.record)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, as `--json` prints it."""
        record = self.record
        fit = [one.model_dump() for one in record.fit]
        held_out = (
            None if record.held_out is None else [one.model_dump() for one in record.held_out]
        )
        learnt = [one.model_dump(exclude={"course"}) for one in record.learnt]
        one = len(self.targets) == 1
        return {
            "rows": record.rows,
            "examples": record.examples,
            "rows_left_out": record.rows_left_out,
            "rows_left_out_by_cause": record.rows_left_out_by_cause,
            "loss": record.loss,
            "targets": self.targets,
            "outputs": self.outputs,
            "weights": [weight.model_dump() for weight in record.weights],
            "intercept": [intercept.model_dump() for intercept in record.intercept],
            "fit": fit[0] if one else fit,
            "held_out": held_out[0] if one and held_out else held_out,
            "held_out_by": record.held_out_by and record.held_out_by.model_dump(),
            "learn": learnt[0] if len(learnt) == 1 else learnt,
            "columns": [column.model_dump() for column in record.columns],
            **(
                {}
                if record.streamed is None
                else {"streamed": record.streamed.model_dump(exclude={"last"})}
            ),
            "notes": list(record.notes),
        }

    def __str__(self) -> str:
        from deltarule.model.summary import paragraphs

        return paragraphs(self.record)

    def _repr_html_(self) -> str:
        from deltarule.model import overview

        return overview.cell(self.record)

    def __repr__(self) -> str:
        inputs = ", ".join(column.name for column in self.record.contract.columns)
        return f"<deltarule model: {', '.join(self.targets)} from {inputs}>"
