"""Names of settings that other tools use, and the error that says which of ours is meant."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from deltarule.errors import LearningError

OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("target", "targets", "label", "response", "y"), "predict"),
    **dict.fromkeys(("features", "inputs", "columns", "x", "predictors"), "using"),
    **dict.fromkeys(("exclude", "drop", "ignore"), "without"),
    **dict.fromkeys(("learning_rate", "lr", "eta", "step_size"), "alpha"),
    **dict.fromkeys(("l2", "regularization", "lambda", "penalty"), "ridge"),
    **dict.fromkeys(("l1",), "lasso"),
    **dict.fromkeys(("cv", "kfold", "n_folds", "splits"), "folds"),
    **dict.fromkeys(("iterations", "max_iter", "iters"), "steps"),
    **dict.fromkeys(("batch_size",), "batch"),
    **dict.fromkeys(("optimizer", "solver"), "learner"),
    **dict.fromkeys(("family", "objective", "distribution"), "loss"),
    **dict.fromkeys(("weights", "sample_weight"), "weight"),
    **dict.fromkeys(("groups",), "group"),
    **dict.fromkeys(("standard_errors", "se", "cov_type", "vcov"), "errors"),
    **dict.fromkeys(("test", "validation", "holdout"), "hold_out"),
    **dict.fromkeys(("filter",), "where"),
    **dict.fromkeys(("random_state", "random_seed"), "seed"),
}


def misnamed(
    more: Collection[object], given: Collection[str], known: Collection[str]
) -> LearningError:
    """The error for settings that are unnamed, unknown, or required and missing."""
    if more:
        first = next(iter(more))
        said = f"{first!r} has no name: did you mean predict={first!r}?"
        return LearningError(f"settings are given by name, and {said}")
    for name in given:
        if name not in known:
            near = [OTHER_NAMES.get(name.lower(), ""), *get_close_matches(name, known, n=1)]
            ours = next(filter(None, near), None)
            hint = f"did you mean {ours}?" if ours else f"there are {', '.join(known)}"
            return LearningError(f"there is no setting '{name}': {hint}")
    return LearningError("name at least one column to predict, as predict='price'")
