"""Terms: the formula of the inputs: columns, or expressions over a table's columns.

    budget                  the column
    log(budget)             an expression, computed for each row
    poly(budget, 3)         budget, budget ** 2, budget ** 3
    budget:year             budget * year
    budget:genre            for each genre, budget on its rows and 0 elsewhere: a slope per genre
    genre:country           a category with a level for each pair
    release_date            days(release_date), category(month(release_date)), ...

Each is resolved to a column or the text of an expression, which the model stores and which is
checked and evaluated in the same way at prediction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache

from deltarule.dataclass import dataclass, field
from deltarule.deferred import polars as pl
from deltarule.errors import ExpressionError, LearningError
from deltarule.tables.cast import levels_by_count
from deltarule.tables.column_names import cells, check_literal, check_there
from deltarule.tables.expressions.expression import Expression, check, parse, quoted
from deltarule.tables.source import LOOK_ROWS

# Parts of a date or time; days are numeric, the others categorical.
DATE_PARTS = ("days", "year", "quarter", "month", "week", "day", "weekday", "hour")
# The default parts of a date.
USUAL_PARTS = ("days", "month", "weekday", "hour")
PERIOD_PARTS = ("days", "month")
# Levels with their own slope in an interaction; the others share one.
MOST_SLOPES = 50
MOST_POWERS = 10
# What follows the condition of an interaction's redundant pairs.
REFERENCE = " then '(reference)' "
# The letters of all expressions of a file: parsing one takes 15 us a letter.
MOST_EXPRESSIONS = 500_000

POLY = re.compile(r"poly\s*\((?P<of>.*),\s*(?P<power>[^,]*)\)", re.IGNORECASE | re.DOTALL)
WORDS = re.compile(r"[\w .-]+")
SUM = re.compile(r"\s[-+]\s")


@dataclass(frozen=True)
class Term:
    """The name of an input, and the expression that computes it; None for a plain column."""

    name: str
    expression: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that it reads."""
        return (self.name,) if self.expression is None else parsed(self.expression).columns

    @property
    def factor(self) -> str:
        """Its name as a factor of a product: a sum in brackets."""
        if self.expression is None:
            summed = SUM.search(self.name) is not None
        else:
            summed = self.name == self.expression and parsed(self.expression).loose
        return f"({self.name})" if summed else self.name

    def check(self, schema: Mapping[str, pl.DataType], *, name: str) -> None:
        """Refuse columns of types that the expression cannot take.

        Errors:  ExpressionError
        """
        if self.expression is not None:
            check(parsed(self.expression), schema, name=name)

    def polars(self, schema: Mapping[str, pl.DataType]) -> pl.Expr:
        """The polars expression, named as the input."""
        if self.expression is None:
            return cells(self.name, schema.get(self.name)).alias(self.name)
        return parsed(self.expression).polars(schema).alias(self.name)


@lru_cache(maxsize=4096)
def parsed(text: str) -> Expression:
    """Parse and check an expression.

    Errors:  ExpressionError
    """
    return parse(text)


@dataclass(frozen=True)
class Terms:
    """Resolved terms, and the terms that each expanded column became."""

    terms: list[Term]
    became: dict[str, list[str]]


@dataclass(frozen=True)
class Look:
    """The context for resolving terms: the first rows, and the columns that were text in them.

    `hidden` are the expressions that parse columns of text as numbers.
    """

    frame: pl.DataFrame
    name: str
    dates: Sequence[str] | None
    hidden: Mapping[str, str]
    reference: Mapping[str, str] = field(default_factory=dict)
    """The level that others are measured from, by column; by default the most frequent."""
    periods: Collection[str] = ()
    """Dates of the first day of a month, quarter or week, which have no weekday of their own."""

    @cached_property
    def kinds(self) -> dict[str, pl.DataType]:
        """Each column's type; cached, as wide tables have thousands."""
        return dict(self.frame.schema)

    def parts(self, column: str) -> list[Term]:
        """The terms of a column of dates or times."""
        kind, name = self.kinds[column], quoted(column)
        if kind == pl.Duration:
            return [_expression(f"days({name})")]
        usual = PERIOD_PARTS if column in self.periods else USUAL_PARTS
        asked = usual if self.dates is None else self.dates
        clock, calendar = kind in (pl.Time, pl.Datetime), kind in (pl.Date, pl.Datetime)
        found = []
        for part in asked:
            if clock if part == "hour" else calendar:
                text = f"{part}({name})"
                found.append(_expression(text if part == "days" else f"category({text})"))
        return found


def date_parts(asked: str | Sequence[str] | None) -> Sequence[str] | None:
    """The requested parts of dates; None for the default.

    Errors:  LearningError for an unknown part
    """
    parts = [asked] if isinstance(asked, str) else asked
    for part in parts or ():
        if part not in DATE_PARTS:
            raise LearningError(f"dates have no part '{part}': choose {', '.join(DATE_PARTS)}")
    return parts


def terms_of(using: Sequence[str], look: Look) -> Terms:
    """Resolve columns and expressions to terms.

    Errors:  ColumnError for a column that is not there; ExpressionError, LearningError
    """
    terms: dict[str, Term] = {}
    became: dict[str, list[str]] = {}
    for one in using:
        for term in _terms(one, using, look, became):
            if term.name in terms:
                raise LearningError(f"'{term.name}' is given twice")
            terms[term.name] = term
    return Terms(list(terms.values()), became)


def target_term(one: str, look: Look) -> Term:
    """The term of a target: a column of numbers or numeric text, or an expression.

    Errors:  ColumnError for a column that is not there; ExpressionError
    """
    if one in look.kinds:
        check_literal(one)
        return Term(one, look.hidden.get(one))
    return Term(one, one_term(one, look).expression)


def one_term(one: str, look: Look) -> Term:
    """The term of a column, or of an expression over columns.

    Errors:  ColumnError for a column that is not there; ExpressionError
    """
    if one in look.kinds:
        check_literal(one)
        return Term(one)
    try:
        return _expression(one, look)
    except ExpressionError:
        parts = [part.strip() for part in one.split(",")]
        if len(parts) > 1 and set(parts) <= set(look.kinds):
            raise LearningError(f"'{one}' is {len(parts)} columns: give a list, {parts}") from None
        # Words alone, or a column's name with punctuation, were meant as a column.
        if WORDS.fullmatch(one) or re.sub(r"\W", "", one) in look.kinds:
            check_there(list(look.kinds), [one], name=look.name)
        raise


def _terms(one: str, using: Sequence[str], look: Look, became: dict[str, list[str]]) -> list[Term]:
    if one not in look.kinds and (bare := _name(one, look)) in look.kinds:
        one = bare
    if one in look.kinds:
        check_literal(one)
        if look.kinds[one] in (pl.Date, pl.Datetime, pl.Time, pl.Duration):
            parts = look.parts(one)
            became[one] = [part.name for part in parts]
            return parts
        return [Term(one, look.hidden.get(one))]
    power = POLY.fullmatch(one.strip())
    if power:
        return _powers(power["of"].strip(), power["power"].strip(), one, look)
    sides = _sides(one, look)
    if sides:
        return _crossed(*sides, using, look)
    try:
        return [one_term(one, look)]
    except ExpressionError:
        _check_sides(one, look)
        raise


def _expression(text: str, look: Look | None = None) -> Term:
    found = parsed(text)
    if look is not None:
        check_there(list(look.kinds), found.columns, name=look.name)
        check(found, look.kinds, name=look.name)
    return Term(found.text, found.text)


def _powers(of: str, power: str, whole: str, look: Look) -> list[Term]:
    if not power.isdigit() or not 1 <= int(power) <= MOST_POWERS:
        raise LearningError(
            f"'{whole}': the power must be a whole number from 1 to {MOST_POWERS}, not '{power}'"
        )
    first = Term(of) if of in look.kinds else _expression(of, look)
    inner = quoted(of) if first.expression is None else f"({first.expression})"
    others = [_expression(f"{inner} ** {n}", look) for n in range(2, int(power) + 1)]
    return [first, *others]


def _sides(one: str, look: Look) -> tuple[str, str] | None:
    """The two columns of an interaction, which may have colons in their names."""
    for at in [at for at, letter in enumerate(one) if letter == ":"]:
        a, b = (_name(side, look) for side in (one[:at], one[at + 1 :]))
        if a in look.kinds and b in look.kinds:
            return a, b
    return None


def _check_sides(one: str, look: Look) -> None:
    """Say which side of what can only be an interaction is no column.

    Errors:  ColumnError, LearningError
    """
    parts = re.split(r""":(?=(?:[^"']|"[^"]*"|'[^']*')*$)""", one)
    if len(parts) != 2:
        return
    sides = [_name(part, look) for part in parts]
    wrong = next(side for side in sides if side not in look.kinds)
    said = f"'{one}' is an interaction, which is of two columns"
    name = wrong[1:-1] if wrong.startswith('"') and wrong.endswith('"') else wrong
    if WORDS.fullmatch(name):
        check_there(list(look.kinds), [name], name=look.name)
    whole = wrong if wrong.endswith(")") else f"({wrong})"
    raise LearningError(
        f"{said}, and '{wrong}' is an expression: multiply numbers with *, as in "
        f"{whole} * {quoted(next((side for side in sides if side in look.kinds), 'x'))}"
    )


def _name(text: str, look: Look) -> str:
    """A column's name as it stands, or in the quotes of SQL: "a b" is a b."""
    text = text.strip()
    bare = text[1:-1].replace('""', '"')
    in_quotes = len(text) > 2 and text == '"' + bare.replace('"', '""') + '"'
    return bare if in_quotes and text not in look.kinds else text


def _crossed(a: str, b: str, using: Sequence[str], look: Look) -> list[Term]:
    """The interaction of two columns."""
    numbers = [one for one in (a, b) if _is_number(one, look)]
    if len(numbers) == 2:
        product = f"{_number(a, look)} * {_number(b, look)}"
        return [Term(f"{a}:{b}", _expression(product, look).expression)]
    if len(numbers) == 1:
        return _slopes(numbers[0], b if numbers[0] == a else a, using, look)
    # With a main effect, its pairs with the other's reference level are redundant.
    sides = [one for one, other in ((a, b), (b, a)) if other in using]
    shared = " or ".join(f"{_level(one, look)} = {_text(_reference(one, look))}" for one in sides)
    pair = f"{_level(a, look)} || ':' || {_level(b, look)}"
    if shared:
        pair = f"case when {shared}{REFERENCE}else {pair} end"
    return [Term(f"{a}:{b}", _expression(pair, look).expression)]


def _slopes(number: str, category: str, using: Sequence[str], look: Look) -> list[Term]:
    """A slope for each level; with the number's main effect, each level's difference from it."""
    own = levels_by_count(look.frame[category])[:MOST_SLOPES]
    # With the number's main effect, its slope on the reference level is redundant.
    shared = [_reference(category, look)] if number in using else []
    # By name, as tables of the same levels in other numbers have the same terms, which add up.
    shown = sorted(set(own) - set(shared))
    value, name = _number(number, look), _level(category, look)
    terms = [
        Term(
            f"{number}:{category}={level}",
            _expression(f"case when {name} = {_text(level)} then {value} else 0 end").expression,
        )
        for level in shown
    ]
    known = ", ".join(_text(level) for level in sorted([*shown, *shared]))
    rest = f"case when {name} in ({known}) then 0 else {value} end"
    return [*terms, Term(f"{number}:{category}=(other)", _expression(rest).expression)]


def _is_number(column: str, look: Look) -> bool:
    kind = look.kinds[column]
    return kind.is_numeric() or kind == pl.Boolean


def _number(column: str, look: Look) -> str:
    if look.kinds[column] == pl.Boolean:
        return f"cast({quoted(column)} as double)"
    return look.hidden.get(column) or quoted(column)


def _level(column: str, look: Look) -> str:
    plain = look.kinds[column] == pl.String
    return quoted(column) if plain else f"category({quoted(column)})"


def _reference(column: str, look: Look) -> str:
    """The level that an interaction's others are measured from."""
    levels = levels_by_count(look.frame[column])
    if not levels:
        raise LearningError(f"'{column}' has no value in the first rows: it crosses with nothing")
    asked = look.reference.get(column, levels[0])
    if asked not in levels and look.frame.height < LOOK_ROWS:
        raise LearningError(f"'{column}' has no level '{asked}': it has {', '.join(levels[:8])}")
    return asked


def measured(terms: Mapping[str, str | None]) -> dict[str, tuple[str, ...]]:
    """The interactions beside a main effect, each with the columns of its reference levels."""
    found: dict[str, tuple[str, ...]] = {}
    for name, expression in terms.items():
        condition, then, _ = (expression or "").partition(REFERENCE)
        if then:
            found[name] = parsed(condition.removeprefix("case when ")).columns
        elif name.endswith("=(other)"):
            slopes = name.removesuffix("=(other)")
            number = next((one for one in terms if slopes.startswith(f"{one}:")), None)
            if number is not None:
                found[slopes] = (slopes.removeprefix(f"{number}:"),)
    return found


def _text(value: str) -> str:
    """A text quoted as a literal of an expression."""
    return "'" + value.replace("'", "''") + "'"
