"""Queries that DuckDB was asked, as text in the SQL of other databases.

sqlglot writes them. Only what has the same meaning in all dialects is let through (`SAME`), or is
rewritten here (`_rewrites`); whatever else a query has is refused by its name. The text is parsed
in its dialect; but for PostgreSQL's it is not run.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from deltarule.engines.sql.recorded import Query
from deltarule.errors import LearningError
from deltarule.export.sql.dialect import DIALECTS, LARGEST

if TYPE_CHECKING:
    from sqlglot import exp

OVERFLOW = "A division by 0 or a number beyond 1.8e308 is an error there."
WRITTEN: Mapping[str, str] = {
    "bigquery": OVERFLOW,
    "snowflake": "A division by 0 is an error there.",
    "redshift": f"{OVERFLOW} Trailing spaces of text do not count.",
    "spark": "A division by 0 is an error there, or NULL outside of ANSI mode.",
    "postgres": OVERFLOW,
}
"""The dialects that queries are rewritten in, each with how it differs from DuckDB."""
OWN = ("duckdb", "sqlite")
"""Those of files, which can be asked anywhere: there queries are shown as they are asked."""
SAME = frozenset(
    (
        *("Select", "Union", "With", "CTE", "Subquery", "Table", "TableAlias", "From", "Join"),
        *("Where", "Group", "Order", "Ordered", "Window", "RowNumber", "Star", "Column"),
        *("Identifier", "Alias", "Literal", "Cast", "DataType", "Null", "Boolean"),
        *("Neg", "Paren", "Add", "Sub", "Mul", "Div", "And", "Or", "Not", "Is"),
        *("EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Between", "In", "Case", "If", "Coalesce"),
        *("Nullif", "Sum", "Count", "Min", "Max", "Abs", "Floor", "Exp", "Ln", "Sqrt"),
        *("Trim", "Chr", "DPipe"),
    )
)
"""The nodes of sqlglot's tree that mean the same everywhere, once `_rewritten` is done."""
TYPES = frozenset({"DOUBLE", "VARCHAR", "TEXT", "INT", "BIGINT", "DATE"})
"""The types of casts that are the same everywhere; to INT and BIGINT those of whole numbers."""
WHOLE = 2.0**52
"""From here on every float64 is whole."""
ASCII = 128
"""Redshift's CHR is of ASCII: other letters are written themselves."""
PLACE = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\$([0-9]+)""")
"""Text or a name in quotes, or the place of a parameter."""


def check_written(dialect: str) -> None:
    """Refuse a dialect that queries are not written in.

    Errors:  LearningError
    """
    if dialect not in (*WRITTEN, *OWN):
        known = ", ".join((*OWN, *WRITTEN))
        raise LearningError(f"queries are not written in {dialect!r}: choose {known}")


def own_text(queries: Sequence[Query], dialect: str) -> str:
    """The text of all queries as a database was asked them, with their parameters as literals.

    Errors:  LearningError for a function that is deltarule's own
    """
    literal = DIALECTS[dialect].literal
    parts = [_heading(dialect, "as it is asked")]
    for at, (query, parameters) in enumerate(queries, 1):
        bound: Sequence[float] = parameters

        def put(place: re.Match[str], bound: Sequence[float] = bound) -> str:
            return place[1] or literal(_finite(bound[int(place[2]) - 1]))

        text = PLACE.sub(put, query)
        if "deltarule_" in PLACE.sub("", text):
            raise LearningError(
                f"query {at} calls a function that deltarule brings to {dialect}: give an id that "
                "is a number"
            )
        parts.append(f"-- {at} of {len(queries)}\n{text};")
    return "\n\n".join(parts) + "\n"


def written(queries: Sequence[Query], dialect: str) -> str:
    """The text of all queries of DuckDB, in order, in a dialect that parses them.

    Errors:  LearningError naming what a query has that it cannot say
    """
    import sqlglot
    from sqlglot.errors import ErrorLevel, SqlglotError

    parts = [f"{_heading(dialect, 'not run')}\n-- {WRITTEN[dialect]}"]
    for at, (query, parameters) in enumerate(queries, 1):
        try:
            tree = _rewritten(sqlglot.parse_one(query, read="duckdb"), parameters, dialect)
            text = tree.sql(dialect, pretty=True, identify=True, unsupported_level=ErrorLevel.RAISE)
            sqlglot.parse_one(text, read=dialect)
        except SqlglotError as error:
            reason = str(error).splitlines()[0]
            raise LearningError(f"query {at} cannot be written in {dialect}: {reason}") from None
        parts.append(f"-- {at} of {len(queries)}\n{text};")
    return "\n\n".join(parts) + "\n"


def _heading(dialect: str, how: str) -> str:
    return (
        f"-- What learning asks, in the SQL of {dialect}: {how}.\n"
        "-- Numbers in later queries come from the answers to earlier ones; the table is named as "
        "it was here."
    )


def _rewritten(tree: "exp.Expr", parameters: Sequence[float], dialect: str) -> "exp.Expr":
    """The tree with what dialects spell in their own way, and nothing that is not known.

    Errors:  LearningError
    """
    from sqlglot import exp

    if dialect == "postgres" and tree.find(exp.RowNumber):
        # There the order of text is a collation's.
        raise LearningError(f"the order of all columns is not written in {dialect}: give an --id")
    for join in list(tree.find_all(exp.Join)):
        if join.this.alias == "fence":
            join.pop()  # it only keeps DuckDB's planner from copying expressions
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(_number(parameters[int(place.name) - 1]))
    for node in tree.walk():
        name = type(node).__name__
        odd_cast = isinstance(node, exp.Cast) and node.to.this.name not in TYPES
        if name not in SAME or odd_cast:
            named = node.sql("duckdb") if odd_cast or name == "Anonymous" else name.upper()
            raise LearningError(
                f"{' '.join(named.split())[:80]} is not written in {dialect}: learn from columns "
                "that need none"
            )
    if dialect == "spark":
        _name_apart(tree)
    if dialect == "postgres":
        for cte in tree.find_all(exp.CTE):
            cte.set("materialized", True)  # else the hash is copied to each of its uses
    for kind, rewrite in _rewrites(dialect).items():
        # The last ones are the innermost.
        for node in reversed(list(tree.find_all(kind))):
            node.replace(rewrite(node.copy()))
    return tree


def _name_apart(tree: "exp.Expr") -> None:
    """Give every WITH names of its own: for Spark sqlglot moves them all to the top."""
    from sqlglot import exp

    # The last ones are the innermost.
    for at, own in reversed(list(enumerate(tree.find_all(exp.With)))):
        if own.parent is tree:
            continue
        assert own.parent is not None, "it is within the query"
        names = {cte.alias: f"{cte.alias}_{at}" for cte in own.expressions}
        for cte in own.expressions:
            cte.args["alias"].set("this", exp.to_identifier(names[cte.alias]))
        for table in own.parent.find_all(exp.Table):
            if table.name in names and not table.db:
                table.set("this", exp.to_identifier(names[table.name]))
        for column in own.parent.find_all(exp.Column):
            if column.table in names:
                column.set("table", exp.to_identifier(names[column.table]))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise LearningError(f"a query has {value}, which is not written: learn by other settings")
    return float(value)


def _number(value: float) -> "exp.Expr":
    """A finite number as a literal."""
    from sqlglot import exp

    made = exp.Literal.number(repr(abs(_finite(value))))
    return exp.Paren(this=exp.Neg(this=made)) if value < 0 else made


def _rewrites(
    dialect: str,
) -> "Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]":
    """How nodes of a kind are said in a dialect."""
    from sqlglot import exp

    made: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {}
    if DIALECTS[dialect].raises:
        made[exp.Exp] = _held_exponent
    if dialect == "bigquery":
        made[exp.Nullif] = _without_nan
    if dialect == "redshift":
        made[exp.Nullif] = _ordered_without_nan
    if dialect == "spark":
        made[exp.Floor] = _floor_of_double
    if dialect in ("snowflake", "redshift", "postgres"):
        made[exp.Literal] = _double
    made[exp.Chr] = _letter
    return made


def _held_exponent(node: "exp.Expr") -> "exp.Expr":
    """EXP of an exponent within 700 of 0, as beyond that it is an error."""
    from sqlglot import parse_one

    x = f"({node.this.sql('duckdb')})"
    return parse_one(
        f"EXP(CASE WHEN {x} > 700E0 THEN 700E0 WHEN {x} < -700E0 THEN -700E0 ELSE {x} END)",
        read="duckdb",
    )


def _without_nan(node: "exp.Expr") -> "exp.Expr":
    """NULLIF by NaN, which equals nothing in BigQuery."""
    from sqlglot import exp

    if not any(one.name == "NaN" for one in node.expression.find_all(exp.Literal)):
        return node
    return exp.If(this=exp.IsNan(this=node.this), true=exp.null(), false=node.this.copy())


def _ordered_without_nan(node: "exp.Expr") -> "exp.Expr":
    """NULLIF by NaN, where it is not told whether NaN equals NaN: no order has it below a number.

    Infinity stays, to be refused.
    """
    from sqlglot import exp, parse_one

    if not any(one.name == "NaN" for one in node.expression.find_all(exp.Literal)):
        return node
    x = node.this.sql("duckdb")
    largest, infinite = f"{LARGEST!r}".replace("e+", "E"), "CAST('Infinity' AS DOUBLE)"
    return parse_one(f"CASE WHEN {x} <= {largest} OR {x} = {infinite} THEN {x} END", read="duckdb")


def _floor_of_double(node: "exp.Expr") -> "exp.Expr":
    """FLOOR, which is a BIGINT in Spark and cut off at the largest one."""
    from sqlglot import parse_one

    x = f"({node.this.sql('duckdb')})"
    return parse_one(
        f"CASE WHEN ABS({x}) < {WHOLE:.0f}E0 THEN CAST(FLOOR({x}) AS DOUBLE) ELSE {x} END",
        read="duckdb",
    )


def _double(node: "exp.Expr") -> "exp.Expr":
    """A number with a point or an exponent, which alone is a decimal of limited digits."""
    from sqlglot import exp

    if node.is_string or node.name.isdigit():
        return node
    return exp.cast(exp.Literal.string(node.name), exp.DataType.Type.DOUBLE)


def _letter(node: "exp.Expr") -> "exp.Expr":
    """CHR of a letter beyond ASCII: the letter."""
    from sqlglot import exp

    [code] = node.expressions
    plain = code.is_int and int(code.name) < ASCII
    return node if plain or not code.is_int else exp.Literal.string(chr(int(code.name)))
