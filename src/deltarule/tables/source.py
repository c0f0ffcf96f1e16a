"""Source: what every table looks like from inside: batches of rows, in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

# Rows a batch has, the last excepted, whatever the source: so that every source gives the same
# sums to the last bit. Small enough for two batches in flight, large enough for few of them.
BATCH_ROWS = 131_072

# Rows that the look before the read may see: enough to tell kinds apart, quick in any format.
LOOK_ROWS = 10_000


class Source(Protocol):
    """A table that can be looked at and read, as often as needed."""

    name: str
    """What messages call it."""
    rows: int | None
    """How many rows, where that is known without reading."""
    reads: int
    """How often all of it was read."""
    typed: bool
    """Whether text in it was meant as text, or may be numbers that were written down."""

    def expect(self, kinds: "Mapping[str, type[pl.DataType]]") -> None:
        """Read these columns as these kinds, whatever their first rows look like."""
        ...

    def look(self) -> "pl.DataFrame":
        """The first rows, with the types the batches will have."""
        ...

    def batches(self, columns: "Sequence[pl.Expr]") -> "Iterator[pl.DataFrame]":
        """All rows once, in order, `BATCH_ROWS` at a time; counts as a read."""
        ...

    def widen(self) -> bool:
        """Look at every row to find types that fit them all; False where that cannot help."""
        ...
