"""Finite results: overflow is refused with an error, without numpy's warnings."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pydantic import ValidationError

from deltarule.errors import NotFiniteError, ValueRefusedError


@contextmanager
def finite_results(name: str) -> Iterator[None]:
    """Context in which a result that is not finite is refused, naming the table.

    Errors:  ValueRefusedError
    """
    with np.errstate(all="ignore"):
        try:
            yield
        except ValueError as error:
            # pydantic refuses such a metric, solvers such a matrix; any other is a bug.
            refused = isinstance(error, ValidationError) and any(
                one["type"] == "finite_number" for one in error.errors()
            )
            if not (refused or isinstance(error, np.linalg.LinAlgError | NotFiniteError)):
                raise
            raise ValueRefusedError(
                f"{name}: its numbers or a penalty are so large or so small that the result is not "
                "finite: give its columns in other units"
            ) from error
