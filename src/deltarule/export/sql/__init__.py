"""A model as SQL: one SELECT over a table, or a view, that predicts where the rows are."""

from collections.abc import Sequence

from deltarule.argument_values import listed, told
from deltarule.errors import LearningError
from deltarule.export.contract import contract
from deltarule.export.sql.dialect import DIALECTS, Dialect
from deltarule.export.sql.query import Query, alphabet_of
from deltarule.export.sql.run import run
from deltarule.export.sql.scope import Scope
from deltarule.scorer.tree import Tree
from deltarule.tables.text_formats import DateFormat, PeriodFormat

__all__ = ["DIALECTS", "run", "write"]


def write(
    tree: Tree,
    *,
    table: str = "rows",
    dialect: str = "duckdb",
    view: str | None = None,
    explain: bool = False,
    keep: str | Sequence[str] | None = None,
) -> str:
    """The SQL that predicts the rows of a table, or with `view` makes a view of them.

    `keep` are columns of the table that stand beside the predictions; None for those that the
    model reads. With `explain` each column's contribution stands there too.
    Errors:  LearningError for a dialect that is not known and a name that cannot be one;
             ExpressionError for what the dialect cannot compute
    """
    chosen = _dialect(dialect)
    scope = Scope(chosen, alphabet_of(tree))
    kept = list(tree.reads) if keep is None else _names(keep)
    results = Query(scope, tree).results(explain=explain)
    _check_names([*kept, *(name for name, _ in results)], chosen)
    source = _qualified(table, chosen, "table")
    text = scope.query(source, kept, results)
    if view == table:
        raise LearningError(f"the view and the table are both called {view!r}: rename the view")
    if view is not None:
        text = f"CREATE VIEW {_qualified(view, chosen, 'view')} AS\n{text};"
    if not chosen.runs:
        _check_parses(text, chosen)
    return f"{_header(tree, chosen)}\n{text}\n"


def _names(keep: str | Sequence[str]) -> list[str]:
    """The columns to keep, from a list or a single name."""
    every = (keep,) if isinstance(keep, str) else listed(keep)
    if every is None or not all(isinstance(name, str) for name in every):
        raise LearningError(f"keep is {told(keep)}: give a column's name, or a list of them")
    return list(every)


def _dialect(name: str) -> Dialect:
    if not isinstance(name, str) or name not in DIALECTS:
        raise LearningError(f"there is no dialect {name!r}: choose {', '.join(DIALECTS)}")
    return DIALECTS[name]


def _qualified(name: str, dialect: Dialect, what: str) -> str:
    """A table's name in quotes, perhaps after its schema's."""
    parts = name.split(".") if isinstance(name, str) else [""]
    if not all(parts) or "\x00" in name:
        raise LearningError(f"{name!r} is no name for a {what}: give one such as films")
    return ".".join(dialect.identifier(part) for part in parts)


def _check_names(names: Sequence[str], dialect: Dialect) -> None:
    """Refuse names that are one and the same in this dialect."""
    known: dict[str, str] = {}
    for name in names:
        if not name or "\x00" in name:
            raise LearningError(f"{name!r} cannot be a column of {dialect.name}: rename it")
        folded = dialect.cut(name).casefold()
        if folded in known:
            raise LearningError(
                f"{dialect.name} takes the columns {known[folded]!r} and {name!r} for one: say "
                "with keep which columns stand beside the predictions, or rename one"
            )
        known[folded] = name


def _check_parses(text: str, dialect: Dialect) -> None:
    """Refuse to write what the dialect's grammar does not read.

    Errors:  LearningError
    """
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError

    logger = logging.getLogger("sqlglot")
    level, logger.level = logger.level, logging.ERROR
    try:
        found = sqlglot.parse(text, read=dialect.name)
    except (SqlglotError, RecursionError) as error:
        first = str(error).partition("\n")[0]
        raise LearningError(f"the query is no {dialect.name}: {first}") from None
    finally:
        logger.level = level
    if len(found) != 1:
        raise LearningError(f"the query is not one statement of {dialect.name}")


def _header(tree: Tree, dialect: Dialect) -> str:
    """The contract as a comment."""
    said = (
        "run in it and compared with the model in deltarule's tests"
        if dialect.runs
        else "parsed, not run: compare its first rows with the model's"
    )
    lines = [f"A deltarule model as a query of {dialect.name}; {said}.", "", *contract(tree)]
    lines += [
        "A query cannot refuse a row: here NULL, NaN, and text that is no number, date or yes and",
        "no where one belongs are missing; a row with an infinite number has no prediction.",
    ]
    if any(isinstance(read.format, DateFormat | PeriodFormat) for read in tree.reads.values()):
        lines.append("So are dates in text whose month is a name, such as Apr 26, 2020.")
    if dialect.raises:
        lines.append("Overflow is an error of this database, so numbers beyond 1e150 are infinite.")
    return "\n".join(f"-- {line}".rstrip() for line in lines)
