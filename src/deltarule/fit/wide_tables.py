"""Tables whose rows are kept in place of the products of their columns: what learns from them.

Squared loss is solved in the space of the rows, all others by L-BFGS, which needs gradients alone.
"""

from deltarule.errors import LearningError
from deltarule.fit.setting_values import closed_form
from deltarule.fit.settings import Settings
from deltarule.losses.registry import loss_named
from deltarule.solvers.lbfgs import Lbfgs
from deltarule.tables.one_read import Read


def learner_of_wide(read: Read, settings: Settings) -> str | None:
    """The learner of such a table where none is named; None for the exact solution.

    Errors:  LearningError for settings that need the products of all columns
    """
    from deltarule.losses.loss import SmoothedLoss  # an exact solution needs none of it

    loss = settings.losses[0]
    needs = {
        "where weights stay as they are": bool(settings.frozen),
        "for a lasso, and for strengths or ranges by column": settings.held,
        f"for {settings.kind_of_errors} standard errors": settings.kind_of_errors != "classical",
        f"for {loss} loss": isinstance(loss_named(loss), SmoothedLoss),
    }
    why = next((why for why, needed in needs.items() if needed), None)
    if why is None and not settings.exact:
        free = settings.learner in (None, Lbfgs.name) and not closed_form(loss)
        if free and settings.alpha is None and settings.batch == "all":
            return Lbfgs.name
        why = f"by {settings.chosen}"
    if why is None:
        return None
    raise LearningError(
        f"{read.source.name} has {len(read.schema.inputs):,} inputs, whose products are not kept, "
        f"but needed {why}: name fewer inputs, or leave that out"
    )
