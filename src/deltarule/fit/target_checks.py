"""Target checks: values that do not suit the loss, as counts, class labels, counts of 0 and 1.

Shapes: n rows
"""

from collections.abc import Sequence

import numpy as np

from deltarule.moments.moments import Moments
from deltarule.tables.one_read import Read
from deltarule.tables.schema_columns import Target
from deltarule.views.format import number

# No notes on fewer rows.
SHOWS = 20
# Significance level: a count must show a 2 among so many rows but for this probability.
CHANCE = 0.01


def notes_on_amounts(read: Read, targets: Sequence[Target], whole: Moments) -> list[str]:
    """Targets of squared loss that look like counts, or like class labels."""
    if read.schema.offset is not None or read.examples < SHOWS:
        return []
    counts, labels = [], []
    for target in targets:
        known = read.plan.whole_numbers.get(target.name)
        if known is None:
            continue
        spread = f"whole numbers from {number(target.low)} to {number(target.high)}"
        if known.counts:
            mean = f"{number(_mean(read, target, whole))} on average"
            counts.append((f"{target.name} looks like counts ({spread}, {mean})", known.labels))
        elif known.labels:
            labels.append(f"{target.name} has {known.different} different values ({spread})")
    notes = []
    if counts:
        more = ", and softmax for labels of classes" if any(few for _, few in counts) else ""
        looks = "; ".join(words for words, _ in counts)
        notes.append(f"{looks}: --loss poisson is made for counts{more}")
    if labels:
        notes.append(f"{'; '.join(labels)}: if they are classes, --loss softmax tells them apart")
    return notes


def notes_on_yes_no(read: Read, targets: Sequence[Target]) -> list[str]:
    """Numbers that are 0 or 1 in all rows, and 1 so rarely that they may be counts."""
    whole = read.whole
    found = []
    for target in targets:
        mean = _mean(read, target, whole)
        never_two = whole.rows * (np.log1p(mean) - mean)
        if not target.classes and never_two >= np.log(CHANCE):
            found.append(target.name)
    if not found:
        return []
    names, are = ", ".join(found), "is" if len(found) == 1 else "are"
    return [
        f"{names} {are} 0 or 1 in every row, so learnt as yes/no: what counts something, and may "
        "be 2, is learnt with --loss poisson"
    ]


def _mean(read: Read, target: Target, whole: Moments) -> float:
    at = len(read.schema.inputs) + read.schema.target_spans()[target.name].start
    return float(whole.mean[at] * whole.scale[at])
