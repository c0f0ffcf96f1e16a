"""Results beyond all numbers: refused in words, without warnings of numpy."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pydantic import ValidationError

from deltarule.errors import ValueRefusedError


@contextmanager
def finite_results(name: str) -> Iterator[None]:
    """Work on a table of this name, refused where its result is not finite.

    Errors:  ValueRefusedError
    """
    with np.errstate(all="ignore"):
        try:
            yield
        except ValueError as error:
            # pydantic refuses such a figure, numpy and scipy such a matrix; any other is a bug.
            ours = isinstance(error, ValidationError | np.linalg.LinAlgError)
            if not ours and "infs or NaNs" not in str(error):
                raise
            raise ValueRefusedError(
                f"{name}: its numbers or a penalty are so large or so small that the result is not "
                "finite: give its columns in other units"
            ) from error
