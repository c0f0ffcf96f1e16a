"""SQL dialects: how each spells numbers, text, exact comparisons and functions.

Arithmetic is the same in all: float64, every literal of that type. What databases spell in their
own way is a field here, so that a dialect is one entry of DIALECTS. Dates are numbers inside a
query (days or microseconds since 1970-01-01), so only their reading differs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal as OneOf

LARGEST = 1.7976931348623157e308
DAY = 86_400_000_000.0
"""Microseconds of a day."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A database's SQL.

    Fields that are templates have {0}, {1} where arguments stand; those are names or literals.
    """

    name: str
    runs: bool = False
    """Whether its exports are run by our tests; others are parsed only."""
    double: str = "DOUBLE"
    text: str = "VARCHAR"
    integer: str = "INTEGER"
    number: str = "{0}E0"
    """A literal; {0} is its digits. With an exponent it is a double in most dialects."""
    infinity: str = "CAST('Infinity' AS DOUBLE)"
    nan_to_null: str = "{0}"
    """A number cell without NaN; the cell itself where the database has none."""
    number_cell: str = ""
    """A cell of a number column as a double; a cast unless it says more."""
    raises: bool = False
    """Whether arithmetic beyond all numbers is an error, rather than infinite."""
    exact: str = "{0}"
    """Text that is compared by code points alone: case and trailing spaces count."""
    end_mark: str = ""
    """What `exact` puts at the end of text, where trailing spaces would not count."""
    like: OneOf["like", "glob", "regex"] = "like"
    like_escapes: Mapping[str, str] = field(default_factory=dict)
    """How a pattern of LIKE writes letters that mean something there."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Templates by function, beside FUNCTIONS."""
    values: str = ""
    """A query of constant rows {0}; empty where levels stand in a CASE alone."""
    fence: str = ""
    """What keeps the planner from copying a subquery's expressions to each of their uses."""
    date_parts: Mapping[str, str] = field(default_factory=dict)
    """Parts of {0}, days since 1970-01-01; computed by arithmetic where there is no template."""
    in_zone: str = ""
    """What a zone's clocks show at {0}, microseconds since 1970-01-01 in UTC; {1} is its name.

    Empty where the database is not asked about zones.
    """
    longest_name: int = 0
    """Bytes of a name beyond which it is cut; 0 where none is."""
    unicode_case: bool = True
    """Whether lower and upper know letters beyond ASCII."""
    text_prefix: str = ""

    def call(self, name: str, *arguments: str) -> str:
        """A function's template with these arguments."""
        template = self.functions.get(name, FUNCTIONS[name])
        return template.format(*arguments, double=self.double, text=self.text)

    def literal(self, value: float) -> str:
        """A finite number that reads back as the same double; infinity by its name."""
        if math.isinf(value):
            return self.infinity if value > 0 else f"(-{self.infinity})"
        digits = repr(float(value)).removesuffix(".0")
        if self.number == "{0}E0" and "e" in digits:
            return digits.replace("e", "E")
        return self.number.format(digits)

    def string(self, value: str) -> str:
        """A text literal."""
        from sqlglot import exp

        return self.text_prefix + str(exp.Literal.string(value).sql(dialect=self.name))

    def exact_string(self, value: str) -> str:
        """A text literal to compare with text that is `exact`."""
        return self.string(value + self.end_mark)

    def identifier(self, value: str) -> str:
        """A name in quotes, which keeps its case."""
        from sqlglot import exp

        return str(exp.to_identifier(value, quoted=True).sql(dialect=self.name))

    def cut(self, name: str) -> str:
        """A name of results, no longer than the database keeps."""
        return name.encode()[: self.longest_name or None].decode(errors="ignore")

    def null(self, kind: str) -> str:
        """A missing value."""
        return f"CAST(NULL AS {self.text if kind == 'text' else self.double})"

    @cached_property
    def limit(self) -> str:
        """The largest number that counts as one.

        Where overflow is an error, larger ones cannot be multiplied.
        """
        return self.literal(1e150 if self.raises else LARGEST)


SPACES = " || ".join(f"CHR({code})" for code in (32, 9, 10, 11, 12, 13, 160))
OTHER_STRIP = "TRIM(REPLACE(REPLACE(REPLACE({0}, CHR(9), ' '), CHR(10), ' '), CHR(13), ' '))"
# Powers of the base have whole logarithms, whatever a quotient of logarithms rounds to.
WHOLE_LOG = (
    "CASE WHEN {{0}} < {most} AND POWER({base}, ROUND({log})) = {{0}} THEN ROUND({log}) "
    "ELSE {log} END"
)
# SQLite makes a number of any text; this lets through what is one.
SQLITE_NUMBER = (
    "CASE WHEN {0} GLOB '*[0-9]*' AND {0} NOT GLOB '*[^0-9.eE+-]*' AND {0} NOT GLOB '*.*.*' "
    "AND {0} NOT GLOB '*[^eE][+-]*' AND {0} NOT GLOB '*[eE]*[eE.]*' AND {0} NOT GLOB '*[eE]' "
    "AND {0} NOT GLOB '*[eE][+-]' AND {0} NOT GLOB '[eE]*' AND {0} NOT GLOB '[+-][eE]*' "
    "AND {0} NOT GLOB '[+-][+-]*' THEN CAST({0} AS REAL) END"
)

FUNCTIONS: Mapping[str, str] = {
    "abs": "ABS({0})",
    "sign": "CAST(SIGN({0}) AS {double})",
    "floor": "FLOOR({0})",
    "ceil": "CEIL({0})",
    "sqrt": "SQRT({0})",
    "exp": "EXP({0})",
    "ln": "LN({0})",
    "log10": "LOG10({0})",
    "log2": "LN({0}) / LN(2E0)",
    "power": "POWER({0}, {1})",
    "fmod": "MOD({0}, {1})",
    "sin": "SIN({0})",
    "cos": "COS({0})",
    "tan": "TAN({0})",
    "atan": "ATAN({0})",
    "lower": "LOWER({0})",
    "upper": "UPPER({0})",
    "trim": "TRIM({0})",
    "strip": OTHER_STRIP,
    "length": "CAST(LENGTH({0}) AS {double})",
    "substring": "SUBSTR({0}, {1}, {2})",
    "left": "LEFT({0}, {1})",
    "right": "RIGHT({0}, {1})",
    "replace": "REPLACE({0}, {1}, {2})",
    "find": "STRPOS({0}, {1})",
    "concat": "({0} || {1})",
    "like": "({0} LIKE {1} ESCAPE '')",
    "as text": "CAST({0} AS {text})",
    "whole text": "CAST(CAST({0} AS BIGINT) AS {text})",
    "number text": "REPLACE(CAST({0} AS {text}), 'e-0', 'e-')",
    "to number": "CAST({0} AS {double})",
    "try number": "TRY_CAST({0} AS {double})",
    "moment": "",
}

# A column of a type with a zone is taken in UTC: a cast would take the zone of the session.
POSTGRES_EPOCH = (
    "CASE WHEN pg_typeof({0}) = 'timestamptz'::regtype THEN CASE WHEN isfinite(CAST({0} AS "
    "timestamptz)) THEN CAST(EXTRACT(EPOCH FROM CAST({0} AS timestamptz)) * 1000000 AS {double}) "
    "END WHEN isfinite(CAST({0} AS timestamp)) "
    "THEN CAST(EXTRACT(EPOCH FROM CAST({0} AS timestamp)) * 1000000 AS {double}) END"
)
# Its cast of text takes more for a date: epoch, 99999-01-01, 24:00, 2:05 PM as 2:05.
DUCKDB_TEXT = (
    "[0-9][0-9][0-9][0-9][-/][0-9][0-9]?[-/][0-9][0-9]?"
    "((T| +)([01]?[0-9]|2[0-3]):[0-9][0-9](:[0-9][0-9]([.][0-9]+)?)?"
    " *(Z|UTC|GMT|[-+][0-9][0-9](:?[0-9][0-9])?)?)?"
)
DUCKDB_EPOCH = (
    "CAST(CASE WHEN typeof({0}) = 'TIMESTAMP WITH TIME ZONE' THEN EPOCH_US(TRY_CAST({0} AS "
    "TIMESTAMPTZ)) WHEN typeof({0}) <> 'VARCHAR' THEN EPOCH_US(TRY_CAST({0} AS TIMESTAMP)) "
    f"WHEN REGEXP_FULL_MATCH(TRIM(CAST({{0}} AS VARCHAR)), '{DUCKDB_TEXT}') THEN "
    "EPOCH_US(TRY_CAST(TRIM(CAST({0} AS VARCHAR)) AS TIMESTAMP)) END AS {double})"
)
# It takes 2020-02-30 for 1 March and 24:00 for the next day, and what follows 19 letters is cut.
SQLITE_EPOCH = (
    "CASE WHEN DATE(SUBSTR({0}, 1, 10), '+0 days') = SUBSTR({0}, 1, 10) AND ("
    "LENGTH({0}) = 10 OR "
    "SUBSTR({0}, 11, 3) GLOB '[ T][0-2][0-9]' AND SUBSTR({0}, 12, 2) < '24' AND "
    "SUBSTR({0}, 20) NOT GLOB '*[^0-9.:ZUTCGM +-]*') THEN "
    "CAST(STRFTIME('%s', SUBSTR({0}, 1, 19)) AS REAL) * 1000000E0 + CASE WHEN "
    "SUBSTR({0}, 20, 1) = '.' THEN ROUND(CAST('0' || SUBSTR({0}, 20) AS REAL) "
    "* 1000000E0) ELSE 0E0 END END"
)
# An exponent of 300 and more may be beyond all numbers, which is an error there.
PLAIN_REGEX = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[12]?[0-9]?[0-9])?$"


def _datediff(unit: str, kind: str, name: str = "DATEDIFF") -> str:
    since = f"CAST('1970-01-01' AS {kind}), CAST({{0}} AS {kind})"
    return f"CAST({name}({unit}, {since}) AS {{double}})"


_ALL = (
    Dialect(
        name="duckdb",
        runs=True,
        nan_to_null="NULLIF({0}, CAST('NaN' AS DOUBLE))",
        functions={
            "fmod": "({0} % {1})",
            "log2": "LOG2({0})",
            "trim": "TRIM({0}, ' ')",
            "strip": f"TRIM({{0}}, {SPACES})",
            "like": "({0} LIKE {1})",
            "moment": DUCKDB_EPOCH,
        },
        values="VALUES {0}",
        in_zone="CAST(EPOCH_US(timezone({1}, make_timestamptz(CAST({0} AS BIGINT)))) AS DOUBLE)",
        date_parts={
            name: f"CAST(EXTRACT({name} FROM DATE '1970-01-01' + CAST({{0}} AS INTEGER)) AS DOUBLE)"
            for name in ("year", "month", "day", "doy")
        },
    ),
    Dialect(
        name="postgres",
        runs=True,
        double="double precision",
        text="text",
        number="'{0}'::float8",
        infinity="'Infinity'::float8",
        nan_to_null="NULLIF({0}, 'NaN'::float8)",
        raises=True,
        exact='({0} COLLATE "C")',
        functions={
            "log2": WHOLE_LOG.format(
                log="LN({0}) / LN('2'::float8)", base="'2'::float8", most="'1E300'::float8"
            ),
            "strip": f"BTRIM({{0}}, {SPACES})",
            "fmod": "",
            "try number": f"CASE WHEN {{0}} ~ '{PLAIN_REGEX}' THEN CAST({{0}} AS {{double}}) END",
            "moment": POSTGRES_EPOCH,
        },
        values="VALUES {0}",
        in_zone=(
            "CAST(EXTRACT(EPOCH FROM timezone({1}, '1970-01-01 UTC'::timestamptz + {0} * "
            "'1 microsecond'::interval)) * 1000000 AS double precision)"
        ),
        fence="OFFSET '0'",
        date_parts={
            name: f"CAST(EXTRACT({name} FROM DATE '1970-01-01' + CAST({{0}} AS integer)) "
            "AS double precision)"
            for name in ("year", "month", "day", "doy")
        },
        longest_name=63,
    ),
    Dialect(
        name="sqlite",
        like="glob",
        runs=True,
        double="REAL",
        text="TEXT",
        infinity="9E999",
        # A column may hold text whatever its type; CAST would make 0 of it.
        number_cell="CASE WHEN TYPEOF({0}) IN ('integer', 'real') THEN CAST({0} AS REAL) END",
        exact="({0} COLLATE BINARY)",
        functions={
            # Its own are below 3 for 1000.
            "log10": WHOLE_LOG.format(log="LN({0}) / LN(10E0)", base="10E0", most="1E300"),
            "log2": WHOLE_LOG.format(log="LOG2({0})", base="2E0", most="1E300"),
            "left": "SUBSTR({0}, 1, {1})",
            "right": "SUBSTR({0}, -{1}, {1})",
            "strip": "TRIM({0}, CHAR(32, 9, 10, 11, 12, 13, 160))",
            "find": "INSTR({0}, {1})",
            "like": "({0} GLOB {1})",
            "number text": (
                "CASE WHEN CAST(PRINTF('%.15g', {0}) AS REAL) = {0} THEN PRINTF('%.15g', {0}) "
                "WHEN CAST(PRINTF('%.16g', {0}) AS REAL) = {0} THEN PRINTF('%.16g', {0}) "
                "ELSE PRINTF('%.17g', {0}) END"
            ),
            "try number": SQLITE_NUMBER,
            "moment": SQLITE_EPOCH,
        },
        values="VALUES {0}",
        fence="LIMIT -1 OFFSET 0",
        date_parts={
            name: f"CAST(STRFTIME('{code}', {{0}} * 86400E0, 'unixepoch') AS REAL)"
            for name, code in (("year", "%Y"), ("month", "%m"), ("day", "%d"), ("doy", "%j"))
        },
        unicode_case=False,
    ),
    Dialect(
        name="mysql",
        integer="SIGNED",
        text="CHAR",
        infinity="1.7976931348623157E308",
        raises=True,
        exact="(CONVERT({0} USING utf8mb4) COLLATE utf8mb4_0900_bin)",
        functions={
            "log2": "LOG2({0})",
            "length": "CAST(CHAR_LENGTH({0}) AS DOUBLE)",
            "find": "LOCATE({1}, {0})",
            "concat": "CONCAT({0}, {1})",
            "whole text": "CAST(CAST({0} AS SIGNED) AS CHAR)",
            "strip": OTHER_STRIP.replace("CHR(", "CHAR("),
            "try number": f"CASE WHEN {{0}} REGEXP '{PLAIN_REGEX}' THEN CAST({{0}} AS DOUBLE) END",
            "moment": "CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {0}) AS DOUBLE)",
        },
        longest_name=64,
    ),
    Dialect(
        name="bigquery",
        integer="INT64",
        like="regex",
        double="FLOAT64",
        text="STRING",
        infinity="CAST('inf' AS FLOAT64)",
        nan_to_null="IF(IS_NAN({0}), NULL, {0})",
        raises=True,
        exact="COLLATE({0}, '')",
        functions={
            "log2": "LOG({0}, 2E0)",
            "length": "CAST(CHAR_LENGTH({0}) AS FLOAT64)",
            "fmod": "",
            "like": "REGEXP_CONTAINS({0}, {1})",
            "whole text": "CAST(CAST({0} AS INT64) AS STRING)",
            "try number": "SAFE_CAST({0} AS FLOAT64)",
            "moment": (
                "CAST(DATETIME_DIFF(CAST({0} AS DATETIME), DATETIME '1970-01-01 00:00:00', "
                "MICROSECOND) AS FLOAT64)"
            ),
        },
    ),
    Dialect(
        name="snowflake",
        number="'{0}'::DOUBLE",
        infinity="'inf'::DOUBLE",
        nan_to_null="NULLIF({0}, 'NaN'::DOUBLE)",
        exact="COLLATE({0}, '')",
        functions={
            "log10": "LOG(10, {0})",
            "log2": "LOG(2, {0})",
            "find": "CHARINDEX({1}, {0})",
            "like": "({0} LIKE {1})",
            "try number": "TRY_TO_DOUBLE({0})",
            "moment": _datediff("microsecond", "TIMESTAMP_NTZ"),
        },
        values="SELECT * FROM VALUES {0}",
    ),
    Dialect(
        name="spark",
        like="regex",
        text="STRING",
        infinity="CAST('Infinity' AS DOUBLE)",
        nan_to_null="NULLIF({0}, CAST('NaN' AS DOUBLE))",
        functions={
            "strip": OTHER_STRIP.replace("CHR(", "CHAR("),
            "log2": "LOG2({0})",
            "find": "INSTR({0}, {1})",
            "like": "({0} RLIKE {1})",
            "number text": "REPLACE(CAST({0} AS STRING), 'E', 'e')",
            "moment": (
                "CAST(TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01' AS TIMESTAMP_NTZ), "
                "CAST({0} AS TIMESTAMP_NTZ)) AS DOUBLE)"
            ),
        },
        values="VALUES {0}",
    ),
    Dialect(
        name="tsql",
        double="FLOAT",
        text="NVARCHAR(4000)",
        infinity="1.7976931348623157E308",
        raises=True,
        # Trailing spaces do not count in comparisons, so that all text ends with a mark.
        exact="({0} + N'|' COLLATE Latin1_General_100_BIN2)",
        end_mark="|",
        like_escapes={"[": "[[]"},
        functions={
            "strip": OTHER_STRIP.replace("CHR(", "NCHAR("),
            "ceil": "CEILING({0})",
            "ln": "LOG({0})",
            "log2": "LOG({0}, 2E0)",
            "atan": "ATAN({0})",
            "fmod": "",
            "length": "CAST(LEN(CONCAT({0}, N'|')) - 1 AS FLOAT)",
            "substring": "SUBSTRING({0}, {1}, {2})",
            "find": "CHARINDEX({1}, {0})",
            "concat": "({0} + {1})",
            "like": "({0} LIKE {1})",
            "number text": "CONVERT(NVARCHAR(4000), {0}, 3)",
            "moment": _datediff("MICROSECOND", "DATETIME2", "DATEDIFF_BIG"),
        },
        values="SELECT * FROM (VALUES {0}) AS v({1})",
        longest_name=128,
        text_prefix="N",
    ),
    Dialect(
        name="redshift",
        double="DOUBLE PRECISION",
        text="VARCHAR(65535)",
        number="'{0}'::FLOAT8",
        infinity="'Infinity'::FLOAT8",
        nan_to_null="NULLIF({0}, 'NaN'::FLOAT8)",
        raises=True,
        # Trailing spaces do not count in comparisons.
        exact="({0} || '|')",
        end_mark="|",
        like_escapes={"\\": "\\\\"},
        functions={
            "log10": "LOG({0})",
            "log2": "LN({0}) / LN('2'::FLOAT8)",
            "fmod": "",
            "length": "CAST(LEN({0} || '|') - 1 AS DOUBLE PRECISION)",
            "like": "({0} LIKE {1})",
            "try number": (
                f"CASE WHEN {{0}} ~ '{PLAIN_REGEX}' THEN CAST({{0}} AS DOUBLE PRECISION) END"
            ),
            "moment": _datediff("microsecond", "TIMESTAMP"),
        },
        longest_name=127,
    ),
    Dialect(
        name="clickhouse",
        integer="Nullable(Int64)",
        like="regex",
        double="Nullable(Float64)",
        text="Nullable(String)",
        infinity="inf",
        nan_to_null="CASE WHEN isNaN({0}) THEN NULL ELSE {0} END",
        functions={
            "strip": OTHER_STRIP.replace("CHR(", "char("),
            "ceil": "ceil({0})",
            "ln": "log({0})",
            "log2": "log2({0})",
            "length": "CAST(lengthUTF8({0}) AS Nullable(Float64))",
            "substring": "substringUTF8({0}, {1}, {2})",
            "left": "substringUTF8({0}, 1, {1})",
            "right": "rightUTF8({0}, {1})",
            "lower": "lowerUTF8({0})",
            "upper": "upperUTF8({0})",
            "find": "positionUTF8({0}, {1})",
            "fmod": "({0} % {1})",
            "like": "match({0}, {1})",
            "whole text": "CAST(toInt64({0}) AS Nullable(String))",
            "try number": "toFloat64OrNull({0})",
            "moment": (
                "CAST(dateDiff('microsecond', toDateTime64('1970-01-01 00:00:00', 6, 'UTC'), "
                "toDateTime64({0}, 6, 'UTC')) AS Nullable(Float64))"
            ),
        },
    ),
)
DIALECTS: Mapping[str, Dialect] = {one.name: one for one in _ALL}
