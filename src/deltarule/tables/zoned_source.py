"""Zoned source: columns of instants in the time zones that they have in another table."""

from collections.abc import Mapping

import polars as pl

from deltarule.errors import ValueRefusedError
from deltarule.tables.date_columns import compared_zones
from deltarule.tables.dates import zone_of
from deltarule.tables.expressions.number_text import cells_of, is_code
from deltarule.tables.source import Source
from deltarule.tables.text_formats import DateFormat
from deltarule.tables.wrapped_source import MappedSource


class ZonedSource(MappedSource):
    """A source whose columns have the types of `kinds` where those have a zone.

    Instants are converted, and hours without a zone are taken as those of the zone, with a note.
    """

    def __init__(self, source: Source, kinds: Mapping[str, pl.DataType]) -> None:
        super().__init__(source)
        self.kinds = {name: kind for name, kind in kinds.items() if zone_of(kind)}

    @property
    def notes(self) -> list[str]:
        """The source's notes, with those on zones."""
        look = self.source.look()
        learnt = {
            name: DateFormat(kind="datetime", zone=zone_of(kind))
            for name, kind in self.kinds.items()
            if zone_of(look.schema.get(name)) != zone_of(kind)
        }
        told = compared_zones(look, learnt)
        return [*self.source.notes, *told.warnings, *told.notes]

    def transform(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        """Errors: ValueRefusedError for text that is no date."""
        return frame.with_columns(
            self._column(frame[name], kind)
            for name, kind in self.kinds.items()
            if name in frame.columns
        )

    def _column(self, values: pl.Series, kind: pl.DataType) -> pl.Series:
        zone = zone_of(kind)
        assert zone is not None, "others stay as they are"
        if zone_of(values.dtype):
            return values.dt.convert_time_zone(zone)
        if values.dtype == pl.String:
            values = self._parsed(values, zone)
        elif not isinstance(values.dtype, pl.Datetime):
            return values
        return values.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")

    def _parsed(self, text: pl.Series, zone: str) -> pl.Series:
        """Text as the clocks of the zone show it."""
        cells = cells_of(text)
        found = DateFormat(kind="datetime", zone=zone).read(cells)
        odd = cells.filter(cells.is_not_null() & found.is_null())
        odd = odd.filter(is_code(odd).not_())
        if odd.len():
            raise ValueRefusedError(
                f"{self.name}, column '{text.name}': '{odd[0]}' is no date such as 2024-01-31 "
                "14:05, as it was where the model was learnt"
            )
        return found
