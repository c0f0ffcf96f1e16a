"""Constants of expressions that stand as text: dates."""

import re
from datetime import date


def iso_date(text: str) -> date | None:
    """The date that a text such as 2020-01-31 is; None where it is none.

    >>> iso_date("2020-01-31"), iso_date("31/01/2020"), iso_date("2020-02-31")
    (datetime.date(2020, 1, 31), None, None)
    """
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None
