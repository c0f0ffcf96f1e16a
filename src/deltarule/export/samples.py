"""Sample rows for the check of an export, made from a model's own ranges and levels.

None is a row that was learnt from: each column takes its turn at the ends of its range, beyond
them, its levels, a level never seen, and a gap, in another rhythm than the others.
"""

from datetime import date, timedelta
from typing import Any

from deltarule.scorer.tree import Apply, Category, Literal, Node, Number, Read, Tree, walk
from deltarule.tables.periods import Period
from deltarule.tables.text_formats import BooleanFormat, NumberFormat, PeriodFormat

MOST_ROWS = 64
LEVELS_SHOWN = 12
EPOCH = date(1970, 1, 1)
FIRST_DAY, LAST_DAY = -354_285, 2_932_896
"""The years 1000 to 9999, of which text is read."""
NUMBERS = (0.0, 1.0, 2.5, -1.0, 10.0, 37.0, 100.0)
DAYS = (date(2024, 2, 29), date(2019, 12, 31), date(2000, 1, 1), date(1985, 7, 15))
CLOCKS = ("00:00", "07:45", "14:05:30", "23:59:59")
UNSEEN = "never seen before"


def sample_rows(tree: Tree) -> list[dict[str, Any]]:
    """Up to 64 rows of the columns that the model reads, the same each time."""
    cells = {name: _cells(name, tree) for name in tree.reads}
    rows = []
    for at in range(MOST_ROWS):
        row = {}
        for place, (name, own) in enumerate(cells.items()):
            # Each column in another rhythm, so that pairs of cells differ from row to row.
            turn = at * (1 + place % 7) + place + at // len(own)
            row[name] = own[turn % len(own)]
        rows.append(row)
    return rows


def _cells(name: str, tree: Tree) -> list[Any]:
    """The cells that a column takes in turn, the last of them a gap."""
    read = tree.reads[name]
    if read.kind == "number":
        cells = _numbers(name, tree, read)
    elif read.kind == "boolean":
        cells = [True, False, True]
    elif read.kind == "text":
        cells = _texts(name, tree)
    elif read.kind in ("date", "datetime"):
        cells = _dates(name, tree, read)
    else:
        cells = list(CLOCKS)
    return [*cells, None]


def _terms(name: str, tree: Tree) -> list[Number | Category]:
    """The columns whose value reads this one."""
    return [
        term
        for term in tree.columns
        if any(isinstance(node, Read) and node.column == name for node in walk(term.value))
    ]


def _numbers(name: str, tree: Tree, read: Read) -> list[Any]:
    own = [term for term in tree.terms if not isinstance(term, Category) and term.value == read]
    found: list[float] = []
    for term in own:
        fill = term.fill if isinstance(term, Number) else term.mean
        low, high = term.low, term.high
        found += [fill, low, high, (low + high) / 2, low + (high - low) / 3]
        if isinstance(term, Number) and (low, high) != (0, 1):
            found += [high + (high - low) / 4, low - (high - low) / 4]
    levels = [term for term in _terms(name, tree) if isinstance(term, Category)]
    labels = [level for term in levels for level in list(term.levels)[:LEVELS_SHOWN]]
    found += [float(one) for one in labels if one.lstrip("-").replace(".", "", 1).isdecimal()]
    found += [float(one.value) for one in _literals(name, tree) if type(one.value) is float]
    found = list(dict.fromkeys(found or NUMBERS))
    how = read.format
    if isinstance(how, NumberFormat) and (how.unit or how.suffix or how.decimal == ","):
        return [_dressed(value, how) for value in found]
    return [bool(value) for value in (1, 0)] if isinstance(how, BooleanFormat) else list(found)


def _dressed(value: float, how: NumberFormat) -> str:
    """A number as text with thousands marks, in a format's decimal mark and with its unit."""
    text = f"{abs(value):,.6f}"
    if how.decimal == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    currency, per_cent = how.unit.removesuffix("%"), "%" if how.unit.endswith("%") else ""
    return f"{'-' if value < 0 else ''}{currency}{text}{per_cent}{how.suffix}"


def _literals(name: str, tree: Tree) -> list[Literal]:
    """The constants of the functions that a column stands in."""
    found = []
    for term in _terms(name, tree):
        for node in walk(term.value):
            if isinstance(node, Apply) and _reads(node, name):
                found += [one for one in node.arguments if isinstance(one, Literal)]
    return found


def _reads(node: Apply, name: str) -> bool:
    return any(isinstance(one, Read) and one.column == name for one in node.arguments)


def _texts(name: str, tree: Tree) -> list[Any]:
    found: dict[str, None] = {}
    numbers = False
    for term in _terms(name, tree):
        numbers = numbers or any(_spells(node) for node in walk(term.value))
        if isinstance(term, Category) and isinstance(term.value, Apply):
            found |= dict.fromkeys(list(term.levels)[:LEVELS_SHOWN])
    found |= dict.fromkeys(one.value for one in _literals(name, tree) if isinstance(one.value, str))
    if numbers:
        return ["1", "2.5", "-3", "1,234.5", "yes"]
    return [*(one for one in found if one not in ("(missing)", "(other)")), UNSEEN, ""]


def _spells(node: Node) -> bool:
    return isinstance(node, Apply) and node.name in ("number", "boolean", "cast double")


def _period(day: date, every: Period) -> str:
    """The period that a day is in, as text."""
    if every == "month":
        return f"{day.year:04d}-{day.month:02d}"
    if every == "quarter":
        return f"{day.year:04d}Q{(day.month + 2) // 3}"
    return f"{day.isocalendar().year:04d}-W{day.isocalendar().week:02d}"


def _dates(name: str, tree: Tree, read: Read) -> list[str]:
    days = list(DAYS)
    for term in _terms(name, tree):
        if isinstance(term, Number) and term.value == Apply("days", (read,), "number"):
            span = term.high - term.low
            for share in (0.0, 1.0, 0.3, 0.7, 1.1):
                day = min(max(term.low + share * span, FIRST_DAY), LAST_DAY)
                days.append(EPOCH + timedelta(days=int(day)))
    if isinstance(read.format, PeriodFormat):
        every = read.format.every
        last = [f"{day.month}/{day.year:04d}" for day in days if every == "month"]
        return [*map(date.isoformat, days[:1]), *(_period(day, every) for day in days), *last]
    clocks = CLOCKS if read.kind == "datetime" else ("",)
    return [f"{day.isoformat()} {clocks[at % len(clocks)]}".strip() for at, day in enumerate(days)]
