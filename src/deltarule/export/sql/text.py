"""Text that says something else, in SQL: missing, yes and no, numbers with units.

Written with the few functions of text that all databases have, as not all have regular
expressions. What spells no number is NULL.
"""

from collections.abc import Mapping, Sequence

from deltarule.export.sql.scope import Scope, Sql
from deltarule.tables.expressions.number_text import NO, POWERS, YES

# Units that an expression's number(...) reads beside the numbers; a column's own unit may be any.
SIGNS = tuple("$€£¥₹₽₩₺₴₪₫฿₦₱¢₿")
NAMES = (
    "US$ AU$ CA$ HK$ NZ$ A$ C$ R$ S$ kr zł Kč Ft lei лв AED ARS AUD BGN BRL CAD CHF CLP CNY COP "
    "CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PHP PLN RON RUB SAR SEK SGD THB "
    "TRY TWD UAH USD VND ZAR"
)
CODES = tuple(NAMES.split(" "))
SIZED = ("", "$", "€", "£", "¥")
SIZES: Mapping[str, str] = {"": "", "e": "", "E": "", **POWERS}
MINUS, SPACES, APOSTROPHES = "\u2212", "\u00a0\u202f\u2009", "\u2019"
GROUPS = 5


def stripped(scope: Scope, text: Sql) -> Sql:
    """Text without the white space around it."""
    return scope.bind(scope.call("text", "strip", text))


def among(scope: Scope, text: Sql, words: Sequence[str]) -> str:
    """The condition that a text is one of these words, exactly."""
    listed = ", ".join(scope.dialect.exact_string(word) for word in words)
    return f"{scope.dialect.exact.format(text.text)} IN ({listed})"


def without(scope: Scope, text: Sql, words: Sequence[str]) -> Sql:
    """Text as it stands; NULL where it is one of these words."""
    if not words:
        return text
    text = scope.bind(text)
    bare = stripped(scope, text)
    gap = among(scope, bare, words)
    return scope.joined("text", f"CASE WHEN {gap} THEN NULL ELSE {text.text} END", [text, bare])


def boolean_of(scope: Scope, text: Sql) -> Sql:
    """1 for a text that means yes, 0 for no, else NULL."""
    return _word(scope, stripped(scope, text))


def _word(scope: Scope, bare: Sql) -> Sql:
    d = scope.dialect
    word = scope.atom(scope.call("text", "lower", bare))
    yes, no = among(scope, word, YES), among(scope, word, NO)
    made = f"CASE WHEN {yes} THEN {d.literal(1.0)} WHEN {no} THEN {d.literal(0.0)} END"
    return scope.joined("number", made, [word])


def flag_of(scope: Scope, text: Sql) -> Sql:
    """The number that a text is, or 1 and 0 for yes and no."""
    bare = stripped(scope, text)
    number = scope.call("number", "try number", bare)
    return scope.make("number", "COALESCE({0}, {1})", number, _word(scope, bare))


def number_of(scope: Scope, text: Sql, mark: str, unit: str | None, *, codes: bool = True) -> Sql:
    """The number that a text spells with this unit, or with any known one; else NULL.

    Without `codes` a text that begins with zeros, such as 007, is none.
    """
    return _NumberText(scope, mark).read(stripped(scope, text), unit, codes=codes)


class _NumberText:
    """Reads numbers in text with a decimal mark, step by step."""

    def __init__(self, scope: Scope, mark: str) -> None:
        self.scope, self.d = scope, scope.dialect
        self.point, self.comma = mark, "," if mark == "." else "."

    def read(self, text: Sql, unit: str | None, *, codes: bool) -> Sql:
        one, zero = self.d.literal(1.0), self.d.literal(0.0)
        ends = self._is(self._first(text), "("), self._is(self._last(text), ")")
        bracketed = self._code(f"{ends[0]} AND {ends[1]}", text)
        core = self._bound(
            f"CASE WHEN {bracketed.text} = {one} THEN {self._without(text.text, '()')} "
            f"ELSE {text.text} END",
            text,
            bracketed,
        )
        letters = self._bound(
            self._without(core.text, f"0123456789.,+-' {MINUS}{SPACES}{APOSTROPHES}"), core
        )
        # Another source may leave the unit out.
        remainders = _remainders(unit) | _remainders("")
        power, own = self._chosen(letters, remainders, 2), self._chosen(letters, remainders, 0)
        size = self._chosen(letters, remainders, 1)
        bare = self._replaced(self._replaced(core, own), Sql(self.d.string("%"), "text"))
        bare = self._stripped(self._spaced(bare))
        sized = self._stripped(self._replaced(bare, size))
        minus = f"('-', '{MINUS}')" if not self.d.text_prefix else f"(N'-', N'{MINUS}')"
        leading = f"{self._first(sized)} IN {minus}"
        trailing = f"{self._last(sized)} IN {minus}"
        negative = self._code(f"{leading} OR {trailing}", sized)
        signed = self._code(f"{self._is(self._first(sized), '+')}", sized)
        rest = self._sub(sized, "2", "1000")
        count = f"CAST({self.d.call('length', sized.text)} AS {self.d.integer})"
        body = self._stripped(
            self._bound(
                f"CASE WHEN {leading} OR {signed.text} = {one} THEN {rest} WHEN {trailing} "
                f"THEN {self._sub(sized, '1', f'{count} - 1')} ELSE {sized.text} END",
                sized,
                signed,
            )
        )
        plain = self._plain(body)
        digits = self._bound(self.d.call("concat", plain.text, power.text), plain, power)
        number = self.scope.bind(self.scope.call("number", "try number", digits))
        conditions = [
            f"{self.d.exact.format(letters.text)} IN "
            f"({', '.join(self.d.exact_string(one) for one in remainders)})",
            f"NOT ({bracketed.text} = {one} AND {one} IN ({negative.text}, {signed.text}))",
            f"NOT ({self._first(plain)} IN ({self._list('+', '-')}))",
        ]
        if not codes:
            second = self._sub(body, "2", "1")
            listed = self._list(*"0123456789")
            first = self._is(self._first(body), "0")
            conditions.append(f"NOT ({first} AND {second} IN ({listed}))")
        negated = f"CASE WHEN {negative.text} = {one} OR {bracketed.text} = {one}"
        made = (
            f"CASE WHEN {' AND '.join(conditions)} THEN {negated} THEN {zero} - {number.text} "
            f"ELSE {number.text} END END"
        )
        return self.scope.joined(
            "number", made, [letters, bracketed, negative, signed, plain, body, number]
        )

    def _plain(self, body: Sql) -> Sql:
        """The digits without thousands marks and with a point; NULL where these group wrongly."""
        at = self.d.call("find", body.text, self.d.string(self.point))
        whole = self._bound(
            f"CASE WHEN {at} > 0 THEN {self._sub(body, '1', f'{at} - 1')} ELSE {body.text} END",
            body,
        )
        fraction = self._bound(
            f"CASE WHEN {at} > 0 THEN {self._sub(body, f'{at} + 1', '1000')} "
            f"ELSE {self.d.string('')} END",
            body,
        )
        made, parts = f"CASE WHEN {self._has_no_mark(whole)} THEN {whole.text}", [whole]
        for mark in (self.comma, " ", "'"):
            bare = self._bound(self._without(whole.text, mark), whole)
            grouped, given = self._grouped(bare, mark), self._aligned(whole, mark)
            made += f" WHEN {grouped.text} = {given.text} THEN {bare.text}"
            parts += [bare, grouped, given]
        digits = self._bound(f"{made} END", *parts)
        pointed = self.d.call("concat", digits.text, self.d.string("."))
        both = self.d.call("concat", pointed, fraction.text)
        text = f"CASE WHEN {at} > 0 THEN {both} ELSE {digits.text} END"
        return self._bound(text, body, digits, fraction)

    def _has_no_mark(self, whole: Sql) -> str:
        finds = [
            f"{self.d.call('find', whole.text, self.d.string(mark))} = 0"
            for mark in (self.comma, " ", "'")
        ]
        return " AND ".join(finds)

    def _grouped(self, bare: Sql, mark: str) -> Sql:
        """Digits with zeros before them, grouped by three."""
        width = 3 * GROUPS
        padded = self._bound(
            self.d.call(
                "right", self.d.call("concat", self.d.string("0" * width), bare.text), str(width)
            ),
            bare,
        )
        made = self._sub(padded, "1", "3")
        for start in range(4, width, 3):
            made = self.d.call("concat", made, self.d.string(mark))
            made = self.d.call("concat", made, self._sub(padded, str(start), "3"))
        return self._bound(made, padded)

    def _aligned(self, whole: Sql, mark: str) -> Sql:
        """Digits as they are grouped, with zeros before them in groups."""
        length = self.d.call("length", whole.text)
        ones = [self.d.literal(float(n)) for n in range(1, 4 * GROUPS, 4)]
        twos = [self.d.literal(float(n)) for n in range(2, 4 * GROUPS, 4)]
        filled = (
            f"CASE WHEN {length} IN ({', '.join(ones)}) THEN "
            f"{self.d.call('concat', self.d.string('00'), whole.text)} "
            f"WHEN {length} IN ({', '.join(twos)}) THEN "
            f"{self.d.call('concat', self.d.string('0'), whole.text)} ELSE {whole.text} END"
        )
        zeros = self.d.string(("000" + mark) * (GROUPS - 1))
        padded = self.d.call("concat", zeros, f"({filled})")
        made = self.d.call("right", padded, str(4 * GROUPS - 1))
        return self._bound(made, whole)

    def _bound(self, text: str, *parts: Sql) -> Sql:
        return self.scope.bind(self.scope.joined("text", text, parts))

    def _code(self, condition: str, *parts: Sql) -> Sql:
        """A condition as 1 or 0."""
        one, zero = self.d.literal(1.0), self.d.literal(0.0)
        text = f"CASE WHEN {condition} THEN {one} ELSE {zero} END"
        return self.scope.bind(self.scope.joined("number", text, parts))

    def _chosen(self, letters: Sql, known: "Mapping[str, tuple[str, str, str]]", at: int) -> Sql:
        """What the letters beside a number say: its unit, its magnitude, or that as exponent."""
        cases = "".join(
            f" WHEN {self.d.exact.format(letters.text)} = {self.d.exact_string(text)} "
            f"THEN {self.d.string(meaning[at])}"
            for text, meaning in known.items()
            if meaning[at]
        )
        empty = self.d.string("")
        return self._bound(f"CASE{cases} ELSE {empty} END" if cases else empty, letters)

    def _replaced(self, text: Sql, part: Sql) -> Sql:
        made = self.d.call("replace", text.text, part.text, self.d.string(""))
        return self._bound(made, text, part)

    def _without(self, text: str, letters: str) -> str:
        for letter in letters:
            text = self.d.call("replace", text, self.d.string(letter), self.d.string(""))
        return text

    def _spaced(self, text: Sql) -> Sql:
        made = text.text
        for letter, plain in {
            **dict.fromkeys(SPACES, " "),
            **dict.fromkeys(APOSTROPHES, "'"),
        }.items():
            made = self.d.call("replace", made, self.d.string(letter), self.d.string(plain))
        return self._bound(made, text)

    def _stripped(self, text: Sql) -> Sql:
        return stripped(self.scope, text)

    def _sub(self, text: Sql, start: str, length: str) -> str:
        return self.d.call("substring", text.text, start, length)

    def _first(self, text: Sql) -> str:
        return self._sub(text, "1", "1")

    def _last(self, text: Sql) -> str:
        return self.d.call("right", text.text, "1")

    def _is(self, text: str, letter: str) -> str:
        return f"{text} = {self.d.string(letter)}"

    def _list(self, *letters: str) -> str:
        return ", ".join(self.d.string(letter) for letter in letters)


def _remainders(unit: str | None) -> dict[str, tuple[str, str, str]]:
    """What may stand beside the digits: its unit, its magnitude, and the exponent of that."""
    percent = "%" if unit is not None and unit.endswith("%") else ""
    units = [*SIGNS, *CODES] if unit is None else [unit.removesuffix("%")]
    sized = SIZED if unit is None else units
    found: dict[str, tuple[str, str, str]] = {}
    for mark in ("", "%") if unit is None else (percent,):
        for one in ["", *units] if unit is None else units:
            for size, power in SIZES.items() if one in sized else [("", "")]:
                kept = "" if size in ("", "e", "E") else size
                for text in (f"{one}{size}{mark}", f"{size}{mark}{one}"):
                    found.setdefault(text, (one, kept, power))
    return found
