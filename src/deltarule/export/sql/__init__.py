"""A model as SQL: one SELECT over a table, or a view, that predicts where the rows are."""

from collections.abc import Sequence

from deltarule.errors import ExpressionError, LearningError, printable
from deltarule.export.sql.dialect import DIALECTS, Dialect
from deltarule.export.sql.query import Query, alphabet_of
from deltarule.export.sql.scope import Scope
from deltarule.scorer.tree import Category, Number, Tree

__all__ = ["DIALECTS", "write"]

MOST_SHOWN = 12


def write(
    tree: Tree,
    table: str,
    *,
    dialect: str = "duckdb",
    view: str | None = None,
    explain: bool = False,
    keep: Sequence[str] | None = None,
) -> str:
    """The SQL that predicts the rows of a table, or with `view` makes a view of them.

    `keep` are columns of the table that stand beside the predictions; None for those that the
    model reads. With `explain` each column's contribution stands there too.
    Errors:  LearningError for a dialect that is not known, a name that cannot be one, and what the
             dialect cannot compute
    """
    chosen = _dialect(dialect)
    scope = Scope(chosen, alphabet_of(tree))
    kept = list(tree.reads) if keep is None else list(keep)
    try:
        results = Query(scope, tree).results(explain=explain)
    except ExpressionError as error:
        raise LearningError(f"{error}, or choose another export") from None
    _check_names([*kept, *(name for name, _ in results)], chosen)
    source = _qualified(table, chosen, "table")
    text = scope.query(source, kept, results)
    if view is not None:
        text = f"CREATE VIEW {_qualified(view, chosen, 'view')} AS\n{text};"
    if not chosen.runs:
        _check_parses(text, chosen)
    return f"{_header(tree, chosen)}\n{text}\n"


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise LearningError(f"there is no dialect {name!r}: choose {', '.join(DIALECTS)}")
    return DIALECTS[name]


def _qualified(name: str, dialect: Dialect, what: str) -> str:
    """A table's name in quotes, perhaps after its schema's."""
    parts = name.split(".")
    if not all(parts) or "\x00" in name:
        raise LearningError(f"{name!r} is no name for a {what}: give one such as films")
    return ".".join(dialect.name_of(part) for part in parts)


def _check_names(names: Sequence[str], dialect: Dialect) -> None:
    """Refuse names that are one and the same in this dialect."""
    known: dict[str, str] = {}
    for name in names:
        if not name or "\x00" in name:
            raise LearningError(f"{name!r} cannot be a column of {dialect.name}: rename it")
        cut = name.encode()[: dialect.longest_name or None]
        folded = cut.decode(errors="ignore").casefold()
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


# The contract, as a comment


def _header(tree: Tree, dialect: Dialect) -> str:
    targets = ", ".join(target.name for target in tree.targets)
    lines = [f"Predicts {targets}: a deltarule model as SQL for {dialect.name}."]
    lines.append(
        "Run and compared with the model by deltarule's tests."
        if dialect.runs
        else "Parsed, not run: check its first rows against the model."
    )
    lines += [f"{what}: {of}" for what, of in tree.about]
    words = ", ".join(tree.missing_words)
    lines.append(f"A missing value is NULL or NaN{f', or one of {words}' if words else ''}.")
    lines += [_contract(one) for one in tree.columns]
    if tree.offset is not None:
        lines.append(f"{tree.offset.name}: the offset; without it there is no prediction")
    if dialect.raises:
        lines.append("Numbers beyond 1e150 have no prediction: arithmetic here fails on overflow.")
    return "\n".join(f"-- {printable(line, one_line=True)}" for line in lines)


def _contract(column: Number | Category) -> str:
    if isinstance(column, Number):
        return (
            f"{column.name}: a number, {column.low:g} to {column.high:g} where it was learnt; "
            f"filled with {column.fill:g} where missing"
        )
    shown = list(column.levels)[:MOST_SHOWN]
    more = f" and {len(column.levels) - len(shown):,} more" if len(shown) < len(column.levels) else ""
    unseen = "as (other)" if column.pooled else "as the average level"
    return f"{column.name}: {', '.join(shown)}{more}; others count {unseen}"
