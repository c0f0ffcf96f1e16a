"""Limits: the ranges of the numbers in a model file, which is hostile until it is checked.

Every number of a record has one of these types; `Signed` says that it may be anything finite.
"""

from typing import Annotated

from pydantic import Field, FiniteFloat

Signed = FiniteFloat
"""A weight, a value of a column, a likelihood, or a difference that rounding may take below 0."""
Amount = Annotated[FiniteFloat, Field(ge=0)]
"""A size that cannot be negative: rows, a spread, an error, a penalty, a learning rate."""
Positive = Annotated[FiniteFloat, Field(gt=0)]
"""The same, of what divides."""
Share = Annotated[FiniteFloat, Field(ge=0, le=1 + 1e-9)]
"""A share or probability, up to 1 but for rounding."""
Explained = Annotated[FiniteFloat, Field(le=1 + 1e-9)]
"""A share explained, below 0 where guessing does better; up to 1, but for rounding."""
Count = Annotated[int, Field(ge=0)]
"""A number of things."""
Size = Annotated[int, Field(ge=1)]
"""A number of things of which there must be one."""
