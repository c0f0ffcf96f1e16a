"""Choice of the engine for a table on a database's server, where none is named: the quicker.

Reading costs what the first rows took to come, times as many. Adding up in the database costs what
one process of PostgreSQL took for it, measured on 500,000 rows of 21 numbers, shared by those that
the server plans; the rows do not travel. A file is read by this process either way, so that there
is nothing to choose.

Rows must have an id or a group: then both hold out the same rows, and give the same model.
"""

from collections.abc import Callable

from deltarule.dataclass import dataclass, replace
from deltarule.engines.base import Engine
from deltarule.engines.registry import engine_for
from deltarule.errors import DeltaruleError, LearningError
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.tables.make_plan import plan
from deltarule.tables.one_read import Read
from deltarule.tables.plan import Plan
from deltarule.tables.source import LOOK_ROWS

# Of fewer rows, reading takes a second.
FEWEST_ROWS = 200_000
# The database must take half as long: its estimate is of another machine's processor.
SURE = 0.5
# Microseconds of a row in a scan, with its fold; in the first scan; to draw some rows; of one sum.
SCAN, FIRST, DRAWN, SUM = 0.85, 0.3, 0.1, 0.0135
# Those of a number's count and range.
RANGE = 0.036


@dataclass(frozen=True)
class EngineChoice:
    """The engine, None for this machine, and why, in a sentence."""

    engine: Engine | None
    note: str


def choose(source: object, settings: Settings) -> EngineChoice | None:
    """The quicker engine for a table on a server; None where there is nothing to choose."""
    robust = settings.kind_of_errors != "classical"  # which takes another scan of products
    if settings.engine is not None or robust or not (settings.id or settings.group):
        return None
    from deltarule.fit.engine_checks import check_engine
    from deltarule.tables.databases.database import DatabaseSource

    if not isinstance(source, DatabaseSource):
        return None
    look = source.look()
    if look.height < LOOK_ROWS or source.look_seconds is None:
        return None
    try:
        expected = source.reader.expected()
        if expected is None or expected[0] < FEWEST_ROWS:
            return None
        engine, _ = engine_for("database", source)
        assert engine is not None, "it is in a database"
        check_engine(engine, settings)
        made = plan(look, settings.request, name=source.name)
    except DeltaruleError:
        return None  # which the read will say
    if made.classes or not all(name == "auto" or closed_form(name) for name in settings.losses):
        note = "the rows are read here, as each step of this loss takes a database a scan of them"
        return EngineChoice(None, f"{note}: --engine database has it do so")
    rows, processes = expected
    share = len(source.needed(made.columns)) / len(look.columns)
    reading = source.look_seconds * rows / look.height * share
    adding = rows * row_microseconds(made) / 1e6 / processes
    if adding < SURE * reading:
        note = (
            f"the database adds the rows up, in some {_seconds(adding)} s: to read them here would "
            f"take {_seconds(reading)} s, as the first ones came (--engine local)"
        )
        return EngineChoice(engine, note)
    note = (
        f"the rows are read here, in some {_seconds(reading)} s: the database would add them up in "
        f"{_seconds(adding)} s (--engine database)"
    )
    return EngineChoice(None, note)


def chosen(choice: EngineChoice, read_by: Callable[[Engine | None], Read]) -> Read:
    """What is read by the engine of a choice, or here where that one cannot answer."""
    note = choice.note
    try:
        found = replace(read_by(choice.engine), readable=True)
    except LearningError as error:
        if choice.engine is None:
            raise
        found, note = read_by(None), f"the rows were read here: {error}"
    found.notes.append(note)
    return found


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def row_microseconds(plan: Plan) -> float:
    """What a row costs one process of PostgreSQL, in all scans of the sums of a plan."""
    numbers, categories = plan.width, len(plan.categories)
    products = (numbers + 1) * (numbers + 2) / 2
    sums = SCAN + SUM * products
    by_level = categories * (SCAN + SUM * (numbers + 1))
    pairs = categories * (categories - 1) / 2 * SCAN
    return FIRST + RANGE * numbers + DRAWN + sums + by_level + pairs
