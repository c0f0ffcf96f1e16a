"""Dependencies: inputs that others tell exactly, by name. No row can say which weight is whose."""

from collections.abc import Sequence

from deltarule.moments.solve import dependent
from deltarule.rule.predict import Array, Mask
from deltarule.tables.reading import Read

GROUPS_SHOWN, NAMES_SHOWN = 5, 5


def dependencies(read: Read, held: Mask, null: Array, meaning: str) -> list[str]:
    """A note for each input that others tell, with what that means for the weights.

    Shapes:  held (p,), null (free inputs, directions) as in `Solution`
    """
    free = [
        column if level is None else f"{column}={level}"
        for (column, level), still in zip(read.schema.inputs, held, strict=True)
        if not still
    ]
    groups = dependent(null)
    notes = [
        f"{free[leader]} depends on {_listed([free[other] for other in others])}: {meaning}"
        for leader, *others in groups[:GROUPS_SHOWN]
        if others
    ]
    if len(groups) > GROUPS_SHOWN:
        notes.append(f"{len(groups) - GROUPS_SHOWN} more inputs depend on others")
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
