"""Regression table of a model: goodness of fit, and every weight with its standard error.

As text in the manner of R and statsmodels, and as HTML in a notebook.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deltarule.losses.loss import MEAN
from deltarule.model.record import HeldOutRecord, InterceptRecord, Record, WeightRecord
from deltarule.model.summary import before_updates, error_told, score_names
from deltarule.trace.sentences import weight_names
from deltarule.views import html, text
from deltarule.views.format import number, share

Row = tuple[str | float | None, ...]
HEAD = ("", "weight", "standard error", "t", "p", "2.5%", "97.5%")


@dataclass(frozen=True)
class RegressionSummary:
    """Goodness of fit and weights of each output; prints as text, shows as HTML in a notebook."""

    record: Record

    def __str__(self) -> str:
        return "\n\n".join(
            "\n".join([head, *facts, "", text.table(HEAD, rows)])
            for head, facts, rows in self._outputs()
        )

    def _repr_html_(self) -> str:
        return html.cell(
            "".join(
                html.section(head, html.sentences(facts) + html.table(HEAD, rows))
                for head, facts, rows in self._outputs()
            )
        )

    def _outputs(self) -> Iterator[tuple[str, list[str], list[Row]]]:
        """For each output its heading, its metrics as lines, and a row for each weight."""
        record, inputs = self.record, len(self.record.contract.inputs)
        targets = [
            (at, target.name)
            for at, (target, span) in enumerate(
                zip(
                    record.contract.targets,
                    record.contract.target_spans().values(),
                    strict=True,
                )
            )
            for _ in range(span.start, span.stop)
        ]
        says = score_names(record)
        for output, (at, target) in enumerate(targets):
            own = record.weights[output * inputs : (output + 1) * inputs]
            intercept = record.intercept[output : output + 1]
            rows = [_row("(intercept)", one) for one in intercept]
            rows += [
                _row(name, one)
                for name, one in zip(weight_names(record.contract.inputs), own, strict=True)
            ]
            yield says[record.contract.outputs[output]], self._facts(at, target), rows

    def _facts(self, at: int, target: str) -> list[str]:
        record, fit = self.record, self.record.fit[at]
        learnt = next(one for one in record.learnt if target in one.targets)
        left_out = f", {record.rows_left_out:,} left out" if record.rows_left_out else ""
        lines = [f"{learnt.loss} loss; {record.rows:,.0f} rows{left_out}; {learnt.stopped}"]
        figures = [("RMSE", number(fit.rmse)), ("R2", fit.r2 and share(fit.r2))]
        for name in ("residual_sd", "dispersion", "deviance", "log_likelihood", "aic"):
            value = getattr(fit, name)
            figures.append((name.replace("_", " "), None if value is None else number(value)))
        listed = ", ".join(f"{name} {value}" for name, value in figures if value)
        lines.append(f"on the rows it learnt from: {listed}")
        if record.held_out:
            since = before_updates(record)
            lines.append(f"on held-out rows{since}: {_held_out(record.held_out[at])}")
        if learnt.errors:
            by = "" if learnt.clusters is None else f", {learnt.clusters:,} of {learnt.cluster_by}"
            lines.append(f"standard errors: {learnt.errors}{by}")
        return lines


def _held_out(seen: HeldOutRecord) -> str:
    name, error, guess = error_told(seen)
    name = "RMSE" if seen.guess == MEAN else name
    figures = [f"{name} {number(error)} (always predicting {seen.guess}: {number(guess)})"]
    if seen.r2 is not None and seen.guess == MEAN:
        figures.append(f"R2 {share(seen.r2)}")
    if seen.loss is not None and seen.classes is not None:
        figures.append(f"log loss {share(seen.loss)}")
    if seen.classes is not None and seen.classes.auc is not None:
        figures.append(f"AUC {share(seen.classes.auc)}")
    return f"{', '.join(figures)}; {seen.folds} folds"


def _row(name: str, one: WeightRecord | InterceptRecord) -> Row:
    return (name, one.weight, one.standard_error, one.t, one.p, one.low, one.high)
