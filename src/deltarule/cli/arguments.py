"""Options that commands share, and how what is written for them is parsed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

# Rows that may be asked for on the screen.
MOST_SHOWN = 1_000_000_000
ON_SCREEN = "-"
"""What `--trace` is given where it means the screen."""
QUOTED = re.compile(r'"(?:[^"]|"")*"')

Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="A file, a folder or glob of parts, a database's address, or - for standard input.",
    ),
]
How = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="How to read a file, where that should not be found out: separator, quote, header, "
        "encoding, skip, decimal, format, sheet; dates=mdy, dmy or ymd, the order of their parts.",
    ),
]
DatabaseTable = Annotated[
    str | None, typer.Option("--table", metavar="NAME", help="A table of the database.")
]
Query = Annotated[
    str | None, typer.Option("--query", metavar="SQL", help="A query to the database instead.")
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help="Only rows that meet a condition in SQL: \"year > 2000 and genre <> 'Drama'\".",
    ),
]
ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file, as learn --save writes it.")
]
KeepSummary = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the sums of the rows here too, which merge adds to those of other tables.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead, numbers at full precision.")
]


def names(options: list[str] | None) -> list[str]:
    """Comma-separated names, of one option or several.

    Commas within quotes or brackets do not part them. Quotes around a whole name are taken off,
    and keep its outer spaces; a quote inside quotes is doubled.
    """
    pieces = [piece for names in options or [] for piece in parts_of(names)]
    return [
        piece[1:-1].replace('""', '"') if QUOTED.fullmatch(piece) else piece
        for piece in map(str.strip, pieces)
        if piece
    ]


def parts_of(names: str) -> Iterator[str]:
    """The parts between commas that stand outside quotes and brackets."""
    piece, depth, quote = "", 0, ""
    for letter in names:
        if quote:
            quote = "" if letter == quote else quote
        elif letter == '"' or (letter == "'" and (depth or piece.rstrip()[-1:] in "=<>|")):
            quote = letter
        elif letter in "()":
            depth = max(0, depth + (1 if letter == "(" else -1))
        if letter == "," and not quote and not depth:
            yield piece
            piece = ""
        else:
            piece += letter
    if quote or depth:
        # Names with a lone quote or bracket: every comma parts them.
        yield from piece.split(",")
    else:
        yield piece


def pair(text: str, option: str, form: str) -> tuple[str, str]:
    """NAME=VALUE, parted at the last =."""
    name, found, value = text.rpartition("=")
    if not found:
        raise typer.BadParameter(f"'{text}' is not {form}", param_hint=option)
    return name, value


def name_and_value(text: str) -> tuple[str, float | None]:
    """NAME=NUMBER, or NAME alone: what follows the last = must be a number to count as one."""
    name, found, value = text.rpartition("=")
    try:
        return (name, float(value)) if found else (text, None)
    except ValueError:
        return text, None


def start_of(text: str) -> float | dict[str, float]:
    """One number for all weights, or NAME=NUMBER for some."""
    pairs = [name_and_value(one) for one in names([text])]
    if len(pairs) == 1 and pairs[0][1] is None:
        try:
            return float(text)
        except ValueError:
            pass
    named = {name: value for name, value in pairs if value is not None}
    if len(named) != len(pairs):
        raise typer.BadParameter(
            f"'{text}' is neither a number nor NAME=NUMBER", param_hint="--start"
        )
    return named


def batch_of(text: str) -> Any:
    """all, or a number of rows."""
    if text == "all":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is neither all nor a number of rows", param_hint="--batch"
        ) from None


def strength_of(options: list[str] | None, option: str) -> Any:
    """auto or a strength for all columns, NAME=NUMBER for some, or both; None where not given."""
    rest, own = None, {}
    for one in names(options):
        name, found, text = one.rpartition("=")
        try:
            strength: Any = text if text == "auto" and not found else float(text)
        except ValueError:
            raise typer.BadParameter(
                f"'{one}' is neither auto, a number nor NAME=NUMBER", param_hint=option
            ) from None
        if found:
            own[name] = strength
        elif rest is not None:
            raise typer.BadParameter(
                f"'{one}' is a second strength for all columns", param_hint=option
            )
        else:
            rest = strength
    if not own:
        return rest
    return own if rest is None else {**own, None: rest}


def range_of(text: str, option: str) -> tuple[str, tuple[float | None, float | None]]:
    """NAME=LOW:HIGH, of which either may be left out."""
    name, ends = pair(text, option, "NAME=LOW:HIGH")
    low, found, high = ends.partition(":")
    try:
        least, most = (float(end) if end.strip() else None for end in (low, high))
    except ValueError:
        found = ""
    if not found:
        raise typer.BadParameter(
            f"'{text}' is not NAME=LOW:HIGH, as in budget=0:3, budget=0: or budget=:3",
            param_hint=option,
        )
    return name, (least, most)
