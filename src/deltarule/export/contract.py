"""The header of an export: its inputs, its outputs, and which cells are refused."""

from deltarule.errors import printable
from deltarule.scorer.tree import Apply, Category, Number, Offset, Read, Tree
from deltarule.tables.text_formats import BooleanFormat, DateFormat, NumberFormat, PeriodFormat

LEVELS_SHOWN = 8
LONGEST = 100
FIRST = {"ymd": "year", "mdy": "month", "dmy": "day"}


def contract(tree: Tree) -> list[str]:
    """The contract in lines without what would end a comment or move a cursor."""
    targets = ", ".join(target.name for target in tree.targets)
    lines = [
        f"Predicts {targets}.",
        "; ".join(f"{what} {of}" for what, of in tree.about if of) + ".",
        "",
        "Columns of a row, by name; others are ignored, a missing one is refused:",
        *(f"  {name}: {_cell(read)}" for name, read in tree.reads.items()),
    ]
    if tree.missing_words:
        lines.append(f"  missing in every column: {', '.join(tree.missing_words)}")
    lines += ["", "What they are for the model, and what is made of gaps and of what is new:"]
    lines += [f"  {term.name}: {_term(term)}" for term in tree.terms]
    lines += ["", "Predictions:", *(f"  {line}" for line in predictions(tree))]
    lines += [
        "",
        "A number out of range is predicted like any other. Infinite numbers are refused, and text",
        "where numbers, dates, or yes and no belong. Nothing is guessed.",
    ]
    return [_safe(line) for line in lines]


def rare(tree: Tree) -> tuple[str, ...]:
    """The columns with levels that were too rare: one that is unseen may be one of those."""
    return tuple(term.name for term in tree.terms if isinstance(term, Category) and term.rare)


def _safe(line: str) -> str:
    """A line for a comment of any language, also within a web page."""
    shown = printable(line, one_line=True)
    for ending in ("*/", "</", "<!--", "-->"):
        shown = shown.replace(ending, f"{ending[0]} {ending[1:]}")
    return shown


def _cell(read: Read) -> str:
    """What a cell may be."""
    how = read.format
    if read.kind == "date" or read.kind == "datetime":
        order = how.order if isinstance(how, DateFormat) else None
        first = f", or text with the {FIRST[order]} first" if order else ""
        if isinstance(how, PeriodFormat):
            return f"a {how.noun}, or a date such as 2024-01-31"
        clock = " 14:05" if read.kind == "datetime" else ""
        if clock and isinstance(how, DateFormat) and how.zone:
            clock += f", on the clocks of {how.zone}"
        return f"a {read.kind}, such as 2024-01-31{clock}{first}"
    if (
        read.kind == "number"
        and isinstance(how, NumberFormat)
        and (how.unit or how.suffix or how.decimal == ",")
    ):
        unit = f" and the unit {how.unit}{how.suffix}" if how.unit or how.suffix else ""
        return f"a number, or text with the decimal mark {how.decimal}{unit}"
    if read.kind == "boolean" or isinstance(how, BooleanFormat):
        return "yes or no: true, false, yes, no, 1, 0"
    return {"time": "a time of day, such as 14:05", "number": "a number"}.get(read.kind, "text")


def _term(term: Number | Category | Offset) -> str:
    made = "" if isinstance(term.value, Read) or _is_label(term) else "computed, "
    if isinstance(term, Offset):
        return f"{made}added to every score, {_range(term)}; where missing there is no prediction"
    if isinstance(term, Number):
        own = " and marked" if term.missing else ""
        return f"{made}{_range(term)}; where missing filled with {_short(term.fill)}{own}"
    levels = [level for level in term.levels if level not in ("(missing)", "(other)")]
    shown = ", ".join(levels[:LEVELS_SHOWN])
    more = f" and {len(levels) - LEVELS_SHOWN:,} more" if len(levels) > LEVELS_SHOWN else ""
    unseen = "the rare ones" if term.pooled else "the average row"
    gap = "a level of its own" if term.missing_is_level else f"like {unseen}"
    return f"{made}one of {shown[:LONGEST]}{more}; others count like {unseen}, missing {gap}"


def _is_label(term: Number | Category | Offset) -> bool:
    value = term.value
    if not isinstance(value, Apply) or value.name != "label":
        return False
    return isinstance(value.arguments[0], Read)


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def _range(term: Number | Offset) -> str:
    return f"{_short(term.low)} to {_short(term.high)} where it was learnt"


def predictions(tree: Tree) -> list[str]:
    """The columns of predictions, and their units."""
    lines = []
    for target in tree.targets:
        name = f"{target.name}_prediction"
        if target.classes:
            shown = ", ".join(target.classes[:LEVELS_SHOWN])
            lines.append(f"{name}: the likeliest of {shown[:LONGEST]}")
            lines.append(f"{target.name}_probability_CLASS: from 0 to 1, together 1")
        elif target.link == "logit":
            lines.append(f"{name}: a probability or share, from 0 to 1")
        else:
            units = f"the units of {target.name}"
            lines.append(
                f"{name}: in {units}, {_short(target.low)} to {_short(target.high)} where learnt"
            )
        if target.inverse is not None:
            own = target.inverse.column
            lines.append(f"{own}_prediction: the same in the units of {own}")
    return lines
