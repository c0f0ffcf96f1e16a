"""The rows that meet a condition, as a query that stands in place of their table."""

from deltarule.engines.sql.rows import LOCAL, NO_CASES, SqlTable, alphabet, has_cases, tree
from deltarule.errors import ExpressionError, LearningError
from deltarule.export.sql.query import Query
from deltarule.export.sql.scope import Scope
from deltarule.scorer.lower import lower
from deltarule.tables.databases.database import DatabaseSource
from deltarule.tables.databases.url import quoted
from deltarule.tables.expressions.expression import Expression, check
from deltarule.tables.filtered import FilteredSource, RowFilter

MET = "deltarule met"


def rows_that_meet(
    source: DatabaseSource, table: SqlTable, condition: Expression, words: tuple[str, ...] = ()
) -> DatabaseSource:
    """The source of the rows of a table that meet a condition; `words` stand for missing.

    Errors:  ColumnError; ExpressionError; LearningError for what SQL cannot compare as this machine
    """
    for name in FilteredSource(source, condition, words=words).formats(source.look()):
        raise LearningError(
            f"{source.name}, where {condition.text}: '{name}' is text that is read as numbers or "
            f"dates: cast it in a --query, or {LOCAL}"
        )
    check(condition, table.kinds, name=source.name)
    marked = _marked(table, condition, words)
    one, names = table.dialect.literal(1.0), ", ".join(map(quoted, table.reader.columns))
    met = f"SELECT {names} FROM ({marked}) AS marked WHERE {quoted(MET)} = {one}"
    made = source.within(f"({met}) AS q", f"where {condition.text}")
    counts = f"count(*), count(CASE WHEN {quoted(MET)} = {one} THEN 1 END)"
    [(every, passed)] = made.reader.ask(f"SELECT {counts} FROM ({marked}) AS marked")
    left_out = int(every) - int(passed)
    made.reader.notes += RowFilter(condition, source.name).notes(left_out, int(every))
    return made


def _marked(table: SqlTable, condition: Expression, words: tuple[str, ...]) -> str:
    """The query of all columns and whether the condition is met: 1, 0 or NULL."""
    nodes = {name: table.read(name) for name in condition.columns}
    try:
        node = lower(condition.tree, nodes)
        if not table.dialect.unicode_case and has_cases(node):
            raise ExpressionError(NO_CASES)
        scope = Scope(table.dialect, alphabet([node]))
        value = Query(scope, tree(words)).value(node)
        met = scope.bind(scope.coded(value))
    except ExpressionError as error:
        raise LearningError(f"{table.name}, where {condition.text}: {error}; or {LOCAL}") from None
    return scope.query(table.reader.relation, table.reader.columns, [(MET, met)])
