"""learn() and steps(): from a table to a model. The only place that chooses solver and units."""

from collections.abc import Iterator
from typing import Any

from deltarule.fit.keyword_settings import taking_settings
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.rule.train import Step


@taking_settings(Settings)
def learn(table: Any, settings: Settings) -> Model:
    """The model that predicts some columns of a table from others.

    `table` is a path to a file, a database's address, a dataframe, a dict of columns or a list of
    dicts. Settings are given by name, as `predict="gross"`; `Settings` says what each means.
    Squared loss is solved exactly unless a learner or an alpha is given.

    Errors:  TableError and its kinds for a table that cannot be used; LearningError for settings
    """
    return Run.of(table, settings).model()


@taking_settings(Settings)
def steps(table: Any, settings: Settings) -> Iterator[Step]:
    """The steps of learning, one after the other: prediction, comparison and update.

    With `alpha` (the learning rate), gradient descent on the inputs as they stand from `start`;
    without, on standardised inputs with the fastest alpha. Weights are in own units either way.

    Errors:  as `learn`
    """
    return iter(Run.of(table, settings, watched=True))
