"""Collinearity: notes naming exactly collinear inputs, whose weights are not identified."""

from deltarule.model.summary import first_of
from deltarule.rule.predict import Array, Mask
from deltarule.solvers.least_squares import dependent
from deltarule.tables.one_read import Read

GROUPS_SHOWN = 5
# Of so many operations their groups are not looked for, only counted.
MOST_WORK = 500_000_000


def collinear_columns(
    read: Read, held: Mask, null: Array, meaning: str, *, nulls: int | None = None
) -> list[str]:
    """A note on the collinear inputs, with what that means for the weights.

    `nulls` is the dimension of the null space, of which `null` may have only a part.

    Shapes:  held (p,), null (free inputs, directions) as in `Solution`
    """
    count = null.shape[1] if nulls is None else nulls
    if count > null.shape[1] or null.size * count > MOST_WORK:
        levels = sum(level is not None for _, level in read.schema.inputs)
        mostly = ", most of them levels of categories," if 2 * levels > len(held) else ""
        return [f"{count:,} inputs{mostly} depend on others: {meaning}"]
    free = [
        column if level is None else f"{column}={level}"
        for (column, level), still in zip(read.schema.inputs, held, strict=True)
        if not still
    ]
    groups = [group for group in dependent(null) if len(group) > 1]
    if not groups:
        return []
    told = "; ".join(
        f"{free[leader]} depends on {first_of([free[other] for other in others])}"
        for leader, *others in groups[:GROUPS_SHOWN]
    )
    more = len(groups) - GROUPS_SHOWN
    told += f"; {more} more inputs depend on others" if more > 0 else ""
    return [f"{told}: {meaning}"]
