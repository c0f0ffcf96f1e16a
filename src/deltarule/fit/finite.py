"""Finite results: overflow is refused with an error, without numpy's warnings."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import numpy as np
from pydantic import ValidationError

from deltarule.errors import ValueRefusedError


@contextmanager
def finite_results(name: str) -> Iterator[None]:
    """Context in which a result that is not finite is refused, naming the table.

    Errors:  ValueRefusedError
    """
    with np.errstate(all="ignore"):
        try:
            yield
        except ValueError as error:
            # pydantic refuses such a metric, numpy and scipy such a matrix; any other is a bug.
            refused = isinstance(error, ValidationError) and any(
                one["type"] == "finite_number" for one in error.errors()
            )
            singular = isinstance(error, np.linalg.LinAlgError)
            if not (refused or singular or _found_infinite(error)):
                raise
            raise ValueRefusedError(
                f"{name}: its numbers or a penalty are so large or so small that the result is not "
                "finite: give its columns in other units"
            ) from error


def _found_infinite(error: ValueError) -> bool:
    """Whether it comes of numpy's check for finite numbers, which scipy has its matrices pass."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return frames[-1].f_code is np.asarray_chkfinite.__code__
