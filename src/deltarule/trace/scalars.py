"""A step's finite numbers under names that trackers take: weight/budget, error, alpha."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

NOT_IN_NAMES = re.compile(r"[^\w ./:-]", re.ASCII)
"""What MLflow takes in no name."""


def scalars(step: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The names and numbers of a step; alpha * weight_delta is left to those who see alpha.

    >>> dict(scalars({"step": 1, "error": 2.0, "weight[kind=a]": 0.5, "note": ""}))
    {'error': 2.0, 'weight/kind_a': 0.5}
    """
    for name, value in step.items():
        if (
            name == "step"
            or "*" in name
            or isinstance(value, str | None)
            or not math.isfinite(value)
        ):
            continue
        what, found, of = name.partition("[")
        yield (f"{what}/{NOT_IN_NAMES.sub('_', of[:-1])}" if found else what), float(value)
