"""Payload of a table: columns not learnt from, gaps, the held-out error."""

import math
from typing import TYPE_CHECKING, Any

from deltarule.tables.schema_columns import MISSING, OTHER, Category, Number
from deltarule.views.format import number as told
from deltarule.views.format import rows_told
from deltarule.web.held_out import FEWEST_ROWS
from deltarule.web.row_view import level_name
from deltarule.web.session import Session
from deltarule.web.status import error_word

if TYPE_CHECKING:
    from deltarule.web.app.payload import Open


def unused_told(session: Session) -> list[dict[str, str]]:
    """The columns that are not learnt from, each with its reason."""
    choices, schema = session.choices, session.read.schema
    chosen = [*choices.predict, *(choices.using or ())]
    unused = {one.name: one.why for one in session.table.unused(chosen)}
    unused |= {one.name: one.why for one in schema.left_out}
    return [{"name": name, "why": why} for name, why in unused.items()]


def gaps_told(session: Session) -> list[str]:
    """The gaps of the inputs, and what stands in for them, a sentence for each column."""
    told_ = []
    for column in session.read.schema.columns:
        if not column.missing:
            continue
        count = f"{column.name} is missing in {rows_told(column.missing)}"
        if isinstance(column, Number):
            told_.append(f"{count}, filled in by its mean, {told(column.mean)}")
        elif MISSING in column.known:
            told_.append(f"{count}, a level of its own")
        elif OTHER in column.known:
            told_.append(f"{count}, counted with the rare levels as {OTHER}")
        else:
            told_.append(f"{count}, with no weight of its own")
    return told_


def held_out_told(page: "Open") -> dict[str, Any]:
    """The error on rows that were not learnt from, and which rows those are."""
    session = page.session
    squared = session.choices.squared
    name = "RMSE" if squared else error_word(session)
    nothing = {"error": None, "typical": None, "name": name}
    error: float | None
    if page.unseen is not None:
        error, how = page.unseen.error(session, session.at.weights), "on the hollow points"
    elif session.read.examples < FEWEST_ROWS:
        return nothing | {"how": "too few rows to hold any out"}
    else:
        held_out = page.held_out.at(session.at.number)
        if held_out is None:
            return nothing | {"how": "beyond all numbers"}
        error = held_out.error
        folds = f"{held_out.of}-fold cross-validation"
        how = folds if held_out.folds == held_out.of else f"on one row in {held_out.of}, held out"
    typical = math.sqrt(error) if squared else None
    return {"error": error, "typical": typical, "name": name, "how": how}


def levels_told(session: Session) -> list[str]:
    """The reference level of each category, which its weights are measured from."""
    told_ = []
    for column in session.read.schema.columns:
        if isinstance(column, Category) and column.reference is not None:
            first = next((level for level in column.levels if level is not None), None)
            if first is None:
                continue
            base = "missing" if column.reference == MISSING else column.reference
            told_.append(
                f"{column.name}: {base} is the baseline, with weight 0; the weight of "
                f"“{level_name(column.name, first)}” is the difference from it"
            )
    return told_
