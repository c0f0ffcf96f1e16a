"""Text cells parsed in SQL: words for missing, yes and no, numbers with units.

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
GROUPS, PAIRS = 5, 6


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


def without_suffix(scope: Scope, text: Sql, suffix: str) -> Sql:
    """A number without what follows it, such as kg; text that ends otherwise as it is."""
    d, count = scope.dialect, len(suffix)
    ends = among(
        scope, scope.joined("text", d.call("right", text.text, str(count)), [text]), [suffix]
    )
    length = f"CAST({d.call('length', text.text)} AS {d.integer}) - {count}"
    cut = f"CASE WHEN {ends} THEN {d.call('substring', text.text, '1', length)} ELSE '' END"
    bare = stripped(scope, scope.bind(scope.joined("text", cut, [text])))
    last = scope.joined("text", d.call("right", bare.text, "1"), [bare])
    kept = among(scope, last, tuple("0123456789.)"))
    return scope.bind(
        scope.joined(
            "text", f"CASE WHEN {kept} THEN {bare.text} ELSE {text.text} END", [bare, text]
        )
    )


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
        """The number; NULL where the text has another unit, or is none."""
        d, one = self.d, self.d.literal(1.0)
        brackets = f"{self._is(self._first(text), '(')} AND {self._is(self._last(text), ')')}"
        bracketed = self._code(brackets, text)
        inner = f"CASE WHEN {bracketed.text} = {one} THEN {self._without(text.text, '()')} "
        core = self._spaced(self._bound(f"{inner}ELSE {text.text} END", text, bracketed))
        letters = self._bound(self._without(core.text, f"0123456789.,+-' {MINUS}"), core)
        # Another source may leave the unit out.
        remainders = _remainders(unit) | _remainders("")
        own, size, power = (self._chosen(letters, remainders, at) for at in range(3))
        bare = self._replaced(self._replaced(core, own), Sql(d.string("%"), "text"))
        signed, negative, body = self._unsigned(self._stripped(bare))
        sized = self._replaced(body, size)
        mantissa, exponent = self._split(self._stripped(sized), power)
        digits = self._plain(mantissa)
        spelled = self._bound(d.call("concat", digits.text, exponent.text), digits, exponent)
        number = self.scope.bind(self.scope.call("number", "try number", spelled))
        conditions = [
            f"{d.exact.format(letters.text)} IN "
            f"({', '.join(d.exact_string(one) for one in remainders)})",
            # Units stand at the ends, never between digits.
            f"{d.call('find', core.text, body.text)} > 0",
            f"{d.call('concat', sized.text, size.text)} = {body.text}",
            f"NOT ({bracketed.text} = {one} AND {signed.text} = {one})",
            f"NOT ({self._first(digits)} IN ({self._list('+', '-')}))",
        ]
        if self.point == ",":
            # "(1,2)" is a pair: in brackets a decimal comma needs thousands marks before it.
            pair = f"{self._finds(mantissa, ',')} > 0 AND {self._has_no_mark(mantissa)}"
            conditions.append(
                f"NOT ({bracketed.text} = {one} AND ({pair} OR {exponent.text} <> {d.string('')}))"
            )
        if not codes:
            first, second = self._is(self._first(body), "0"), self._sub(body, "2", "1")
            conditions.append(f"NOT ({first} AND {second} IN ({self._list(*'0123456789')}))")
        negated = f"CASE WHEN {one} IN ({negative.text}, {bracketed.text})"
        made = (
            f"CASE WHEN {' AND '.join(conditions)} THEN {negated} "
            f"THEN {d.literal(0.0)} - {number.text} ELSE {number.text} END END"
        )
        parts = [letters, core, bracketed, signed, negative, body, sized, size, mantissa]
        return self.scope.joined("number", made, [*parts, digits, exponent, number])

    def _unsigned(self, text: Sql) -> tuple[Sql, Sql, Sql]:
        """Whether a text has a sign, whether that is minus, and the text without it."""
        d, minus = self.d, self._list("-", MINUS)
        leading = f"{self._first(text)} IN ({minus})"
        trailing = f"{self._last(text)} IN ({minus})"
        plus = self._is(self._first(text), "+")
        negative = self._code(f"{leading} OR {trailing}", text)
        signed = self._code(f"{leading} OR {trailing} OR {plus}", text)
        count = f"CAST({d.call('length', text.text)} AS {d.integer})"
        body = self._bound(
            f"CASE WHEN {leading} OR {plus} THEN {self._sub(text, '2', '1000')} "
            f"WHEN {trailing} THEN {self._sub(text, '1', f'{count} - 1')} ELSE {text.text} END",
            text,
        )
        return signed, negative, self._stripped(body)

    def _split(self, body: Sql, power: Sql) -> tuple[Sql, Sql]:
        """The digits before an exponent, and the exponent: its own, or that of a magnitude."""
        d = self.d
        lower = self._bound(d.call("replace", body.text, d.string("E"), d.string("e")), body)
        at = self._finds(lower, "e")
        mantissa = (
            f"CASE WHEN {at} > 0 THEN {self._sub(lower, '1', f'{at} - 1')} ELSE {lower.text} END"
        )
        exponent = f"CASE WHEN {at} > 0 THEN {self._sub(lower, at, '10')} ELSE {power.text} END"
        return self._bound(mantissa, lower), self._bound(exponent, lower, power)

    def _plain(self, body: Sql) -> Sql:
        """The digits without thousands marks and with a point; NULL where these group wrongly."""
        d, at = self.d, self._finds(body, self.point)
        whole = self._bound(
            f"CASE WHEN {at} > 0 THEN {self._sub(body, '1', f'{at} - 1')} ELSE {body.text} END",
            body,
        )
        fraction = self._bound(
            f"CASE WHEN {at} > 0 THEN {self._sub(body, f'{at} + 1', '1000')} "
            f"ELSE {d.string('')} END",
            body,
        )
        made, parts = f"CASE WHEN {self._has_no_mark(whole)} THEN {whole.text}", [whole]
        for mark, sizes in ((self.comma, 3), (self.comma, 2), (" ", 3), ("'", 3)):
            bare = self._bound(self._without(whole.text, mark), whole)
            given = self._aligned(whole, mark) if sizes == 3 else self._aligned_pairs(whole)
            grouped = self._grouped(bare, mark) if sizes == 3 else self._grouped_pairs(bare)
            zero = self._is(self._first(bare), "0")
            same = f"{self._has_no_mark(bare)} AND NOT {zero} AND {grouped.text} = {given.text}"
            made += f" WHEN {same} THEN {bare.text}"
            parts += [bare, grouped, given]
        digits = self._bound(f"{made} END", *parts)
        pointed = d.call("concat", digits.text, d.string("."))
        both = d.call("concat", pointed, fraction.text)
        text = f"CASE WHEN {at} > 0 THEN {both} ELSE {digits.text} END"
        return self._bound(text, body, digits, fraction)

    def _finds(self, text: Sql, mark: str) -> str:
        return self.d.call("find", text.text, self.d.string(mark))

    def _has_no_mark(self, whole: Sql) -> str:
        return " AND ".join(f"{self._finds(whole, mark)} = 0" for mark in (self.comma, " ", "'"))

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

    def _grouped_pairs(self, bare: Sql) -> Sql:
        """Digits with zeros before them, grouped by two above a thousand, as in India."""
        width = 2 * PAIRS + 3
        zeros = self.d.string("0" * width)
        padded = self._bound(
            self.d.call("right", self.d.call("concat", zeros, bare.text), str(width)), bare
        )
        made = self._sub(padded, "1", "2")
        for start in range(3, width, 2):
            made = self.d.call("concat", made, self.d.string(self.comma))
            made = self.d.call(
                "concat", made, self._sub(padded, str(start), "2" if start < width - 2 else "3")
            )
        return self._bound(made, padded)

    def _aligned_pairs(self, whole: Sql) -> Sql:
        """Digits as they are grouped, with zeros before them in pairs."""
        length = self.d.call("length", whole.text)
        odd = ", ".join(self.d.literal(float(n)) for n in range(5, 3 * PAIRS + 3, 3))
        zero = self.d.call("concat", self.d.string("0"), whole.text)
        filled = f"CASE WHEN {length} IN ({odd}) THEN {zero} ELSE {whole.text} END"
        zeros = self.d.string(("00" + self.comma) * PAIRS)
        padded = self.d.call("concat", zeros, f"({filled})")
        return self._bound(self.d.call("right", padded, str(3 * PAIRS + 3)), whole)

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
