"""Tables of a model's weights: confidence intervals and covariances."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from deltarule.errors import LearningError
from deltarule.model.record import Record, unpack_covariance
from deltarule.moments.inference import certainty


def confidence_intervals(record: Record, table: pl.DataFrame, level: float) -> pl.DataFrame:
    """The confidence intervals of a table of weights, of this coverage.

    Errors:  LearningError for a level that is not between 0 and 1
    """
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise LearningError(f"level is {level!r}: it must be between 0 and 1, such as 0.95")
    freedom = {
        target: np.inf if learnt.freedom is None else learnt.freedom
        for learnt in record.learnt
        for target in learnt.targets
    }
    outputs, spans = record.contract.outputs, record.contract.target_spans().items()
    by_output = {output: freedom[target] for target, span in spans for output in outputs[span]}
    intervals = certainty(
        table["weight"].to_numpy(),
        table["standard_error"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        freedom=np.array([by_output[output] for output in table["output"]]),
        level=level,
    )
    ends = pl.DataFrame({"low": intervals.low, "high": intervals.high}).fill_nan(None)
    return table.select("output", "input", "level", "weight").hstack(ends)


def covariances(record: Record, names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The covariance of each output's weights, where it is known; the first name is a label."""
    label, *weights = names
    tables = {}
    for output, text in zip(record.contract.outputs, record.covariances, strict=False):
        if text is not None:
            whole = unpack_covariance(text, len(weights))
            frame = pl.DataFrame(whole, schema=weights).fill_nan(None)
            tables[output] = frame.insert_column(0, pl.Series(label, weights))
    return tables


def unlike(names: Sequence[str]) -> list[str]:
    """The names made unique: a column may have the name of a level or of the intercept."""
    unique: dict[str, None] = {}
    for name in names:
        candidate, number = name, 2
        while candidate in unique:
            candidate, number = f"{name} ({number})", number + 1
        unique[candidate] = None
    return list(unique)
