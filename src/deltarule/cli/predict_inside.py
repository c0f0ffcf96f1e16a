"""Predictions made inside a database, as a view or a table: no row travels."""

from typing import Any

from deltarule.errors import OutputError


def predict_inside(model: Any, database: str, source: Any, name: str, *, view: bool) -> None:
    """Make a view, or a table, of all columns and their predictions, and say so.

    Errors:  OutputError for a query, and where something of that name is there already
    """
    from deltarule.engines.sql.rows import dialect_of
    from deltarule.tables.column_names import check_there
    from deltarule.tables.databases.database import create

    reader = source.reader
    what, _, table = reader.where.partition(" ")
    if not table:
        raise OutputError(
            f"{source.name}: predictions inside the database are of a table or view: name it with "
            f"--table, or make a view of the {what} first"
        )
    check_there(reader.columns, model.record.contract.needs, name=source.name)
    dialect = dialect_of(source.kind).name
    content = model.to_sql(table, dialect=dialect, keep=reader.columns)
    # An open read holds a file, or a snapshot that others wait for.
    source.release()
    rows = create(database, name, content.rstrip(), view=view)
    if view:
        print(f"the view {name} predicts the rows of {table} where they are")
    else:
        print(f"{rows:,} rows predicted where they are, into the new table {name}")
