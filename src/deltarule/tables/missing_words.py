"""The words that stand for a missing value."""

# What people write where a number is missing; in a text file these are no value among numbers.
# fmt: off
GAP_WORDS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "null", "NULL", "None", "none", "-", ".", "?",
)
# Codes for missing in a column of numbers or dates, in any case; elsewhere they may be values.
MISSING_CODES = (
    "n.a.", "n.a", "n.d.", "#n/a n/a", "#na", "#div/0!", "#value!", "#ref!", "#num!", "#name?",
    "#null!", "<na>", "nat", "nil", "--", "---", "\u2013", "\u2014", "*", "**", "..", "...",
    "missing", "(missing)", "unknown", "not available", "not applicable", "undefined", "no data",
    "tbd", "tba", "tbc", "pending", "error", "err",
    "\\n", "0000-00-00", "0000-00-00 00:00:00",  # MySQL's
)
# fmt: on
