"""scikit-learn shells: DeltaRegressor and DeltaClassifier, over the same functions as all else.

A shell names the columns, adds target and row weights to the table, and hands it to `learn`; what
comes back is its `model_`, to save, explain and report. Its arguments are the settings' own, and
mean there what they mean here: penalties are for the mean loss of standardised inputs.

Shapes: n rows, m features, p inputs (a category has several), k outputs.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, Self

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.errors import DeltaruleError, LearningError, MissingExtraError, ReadError
from deltarule.fit import learn
from deltarule.fit.setting_values import Names
from deltarule.fit.settings import Settings
from deltarule.losses.glm import Logistic, Squared
from deltarule.losses.registry import loss_named
from deltarule.losses.softmax import Softmax
from deltarule.model.model import Model
from deltarule.rule.predict import Array
from deltarule.tables.cast import class_names
from deltarule.tables.frames import open_table
from deltarule.tables.parts_source import PartsSource
from deltarule.tables.source import BATCH_ROWS

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import Tags, check_array, check_consistent_length, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "deltarule.estimators needs scikit-learn: pip install 'deltarule[sklearn]'"
    ) from error

__all__ = ["DeltaClassifier", "DeltaRegressor"]

WEIGHT = "sample_weight"
# What y and sample_weight say in scikit-learn, and what has no place there.
ELSEWHERE = {"predict", "weight", "progress", "engine"}
# Defaults that are made anew each time, which scikit-learn wants none of: None stands for them.
MADE = {one.name for one in fields(Settings) if one.default_factory is not MISSING}


def _settings() -> inspect.Signature:
    """The settings that are a shell's arguments: there is one list of them, that of Settings."""
    every = inspect.signature(Settings).parameters
    defaults = {one.name: one.default for one in fields(Settings) if one.default is not MISSING}
    defaults |= {"loss": "auto", **dict.fromkeys(MADE)}
    mine = [one for name, one in every.items() if name not in ELSEWHERE]
    return inspect.Signature([one.replace(default=defaults[one.name]) for one in mine])


SETTINGS = _settings()
SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Shell(BaseEstimator):
    """What both shells share: settings, tables in, and the learnt weights as arrays."""

    loss: str
    using: Names | None
    intercept: bool

    def __init__(self, **settings: Any) -> None:
        given = SETTINGS.bind(**settings)
        given.apply_defaults()
        for name, value in given.arguments.items():
            setattr(self, name, value)

    __init__.__signature__ = SETTINGS.replace(  # type: ignore[attr-defined]  # scikit-learn reads it
        parameters=[SELF, *SETTINGS.parameters.values()]
    )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        # Text is taken too, but that tag would promise to take any object there is.
        tags.input_tags.string = False
        return tags

    @property
    def _features(self) -> list[str]:
        """The features' names; those of an array are x0, x1, ..."""
        given = getattr(self, "feature_names_in_", None)
        return [f"x{at}" for at in range(self.n_features_in_)] if given is None else list(given)

    def _learn(
        self, X: Any, targets: dict[str, Array], sample_weight: Array | None, loss: str
    ) -> Model:
        more = dict(targets)
        given = {name: getattr(self, name) for name in SETTINGS.parameters}
        settings = {n: value for n, value in given.items() if value is not None or n not in MADE}
        settings["loss"] = loss
        if sample_weight is not None:
            settings["weight"] = _fresh(WEIGHT, [*self._features, *more])
            more[settings["weight"]] = sample_weight
        with _told():
            return learn(_table(X, self._features, more), predict=list(targets), **settings)

    def _checked(self, X: Any, *, reset: bool = False) -> Any:
        """The features as a frame or array, whose names and number scikit-learn has checked."""
        # Of one row an intercept alone would tell all there is.
        least = 2 if reset and self.intercept else 1
        if nw.dependencies.is_into_dataframe(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        checks = {"dtype": None, "ensure_all_finite": "allow-nan", "ensure_min_samples": least}
        checked = validate_data(self, X, reset=reset, **checks)
        if checked.dtype.kind in "US" and not isinstance(X, np.ndarray):
            # numpy makes a list all text as soon as one of its values is.
            return np.array(X, dtype=object)
        return checked

    def _frame(self, X: Any, *, explain: bool = False) -> pl.DataFrame:
        """What the model makes of these rows."""
        check_is_fitted(self)
        checked = self._checked(X)
        with _told():
            source, _ = open_table(_table(checked, self._features, {}))
            # Without a warning of what is new: there, rows are parted and drawn at random.
            made: pl.DataFrame = self.model_.predict_noticing(source, explain=explain)[0]
            return made

    def _keep(self, model: Model) -> None:
        """The model, and its weights in scikit-learn's form."""
        record = model.record
        self.model_ = model
        self.n_iter_ = max(one.steps for one in record.learnt)
        inputs = list(record.contract.inputs)
        if self.using is None:
            # A feature that was left out, such as a constant, has a weight all the same: 0.
            terms = {column.name: column.term.columns for column in record.contract.columns}
            own = {
                name: [one for one in inputs if terms[one[0]] == (name,)] for name in self._features
            }
            inputs = [one for name, found in own.items() for one in found or [(name, None)]]
        self.input_names_ = np.array(
            [name if level is None else f"{name}={level}" for name, level in inputs], dtype=object
        )
        found = {(one.output, one.input, one.level): one.weight for one in record.weights}
        self._weights = np.array(
            [[found.get((output, *one), 0.0) for one in inputs] for output in model.outputs]
        )
        self._intercepts = np.array([one.weight for one in record.intercept])
        if not record.intercept:
            self._intercepts = np.zeros(len(model.outputs))


class DeltaRegressor(RegressorMixin, _Shell):
    """Predicts numbers, with squared loss unless `loss` names another; several columns at once.

    Fitted, it has `model_`, a deltarule Model; `coef_` (p,) or (k, p) and `intercept_` in the
    features' own units, with `input_names_` (p,) for whose they are; `n_iter_`.

    Errors:  ValueError for data or settings that cannot be used, in deltarule's words

    >>> DeltaRegressor().fit([[1.0], [2.0], [3.0], [4.0]], [2.0, 4.1, 5.9, 8.0]).predict([[5.0]])
    array([9.95])
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        try:
            accepts = loss_named(self._loss).accepts
            tags.target_tags.positive_only = not accepts(np.array([[-1.0]])).all()
        except LearningError:  # refused when it is fitted
            tags.target_tags.positive_only = False
        return tags

    @property
    def _loss(self) -> str:
        # Two different numbers are numbers all the same: a regressor takes them for no classes.
        return Squared.name if self.loss == "auto" else self.loss

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from these rows; each counts as often as its weight says."""
        checked = self._checked(X, reset=True)
        values = _given(self, y, dtype=np.float64)
        check_consistent_length(checked, values)
        each = _weights(sample_weight, len(values))
        names = _names(y, 1 if values.ndim == 1 else values.shape[1], self._features)
        columns = [values] if values.ndim == 1 else list(values.T)
        targets = dict(zip(names, columns, strict=True))
        self._keep(self._learn(checked, targets, each, self._loss))
        self._single = values.ndim == 1
        self.coef_ = self._weights[0] if self._single else self._weights
        self.intercept_ = float(self._intercepts[0]) if self._single else self._intercepts
        return self

    def predict(self, X: Any) -> Array:
        """The predictions, in the target's units.

        Shapes:  -> (n,), or (n, k) where y had columns
        """
        found = self._frame(X).to_numpy()
        return found[:, 0] if self._single else found


class DeltaClassifier(ClassifierMixin, _Shell):
    """Tells classes apart: two by logistic loss, more by softmax.

    Fitted, it has `model_`, a deltarule Model; `classes_`; `coef_` (1, p) of two classes, else
    (k, p), and `intercept_` (1,) or (k,) in the features' own units, with `input_names_` (p,) for
    whose they are; `n_iter_`.

    Errors:  ValueError for data or settings that cannot be used, in deltarule's words

    >>> heights = [[1.0], [2.0], [3.0], [4.0]]
    >>> DeltaClassifier().fit(heights, ["low", "high", "low", "high"]).predict([[9.0]])
    array(['high'], dtype='<U4')
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from these rows; each counts as often as its weight says."""
        checked = self._checked(X, reset=True)
        labels = column_or_1d(_given(self, y, dtype=None), warn=True)
        check_consistent_length(checked, labels)
        check_classification_targets(labels)
        each = _weights(sample_weight, len(labels))
        # Rows without weight are no rows: a class that only they have is none.
        there = np.ones(len(labels), dtype=bool) if each is None else each > 0
        self.classes_, members = np.unique(labels[there], return_counts=True)
        self._check_classes()
        if each is None and members.min() == 1:
            # learn refuses a class with a single row, but not one whose rows were given weights;
            # scikit-learn asks for it, as its splits leave such classes often enough.
            each = np.ones(len(labels))
        target = np.where(there, labels, self.classes_[0])
        target = _class_names(target)
        [name] = _names(y, 1, self._features)
        model = self._learn(checked, {name: target}, each, Softmax.name)
        [known] = model.record.contract.targets
        # As deltarule names them, in the order of scikit-learn's.
        called = class_names(pl.Series(_class_names(self.classes_))).to_list()
        if sorted(called) != sorted(known.classes):
            raise ValueError(f"some classes of {called[:5]} are gaps or numbers in text: name them")
        self._called = called
        self._keep(model)
        self.coef_, self.intercept_ = (
            self._in_order(self._weights),
            self._in_order(self._intercepts),
        )
        return self

    def _check_classes(self) -> None:
        if self.loss not in ("auto", Logistic.name, Softmax.name):
            raise ValueError(f"loss is {self.loss!r}: classes take auto, logistic or softmax")
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}: it takes two to tell apart")
        if self.loss == Logistic.name and len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported by logistic loss. The type of the target "
                "is multiclass: use softmax"
            )

    def _in_order(self, outputs: Array) -> Array:
        """What there is an output for, in the order of `classes_`: of two, for the second."""
        [target] = self.model_.record.contract.targets
        if len(self._called) == 2:
            return outputs if target.levels == (self._called[1],) else -outputs
        return outputs[[target.levels.index(one) for one in self._called]]

    def decision_function(self, X: Any) -> Array:
        """The scores: log odds of the second of two classes, or a score for each class.

        Shapes:  -> (n,) or (n, k)
        """
        made = self._frame(X, explain=True)
        scores = made.select(f"{output}_score" for output in self.model_.outputs).to_numpy()
        found = self._in_order(scores.T).T
        return found[:, 0] if len(self._called) == 2 else found

    def predict_proba(self, X: Any) -> Array:
        """How likely each class is.

        Shapes:  -> (n, k), in the order of `classes_`
        """
        made = self._frame(X)
        [target] = self.model_.record.contract.targets
        return made.select(f"{target.name}_probability_{one}" for one in self._called).to_numpy()

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row."""
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


def _class_names(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as they are learnt: in a table blank text is a gap, here it is a class."""
    if labels.dtype == object:
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "U":
        labels = np.where(np.char.strip(labels) == "", "(blank)", labels)
    return labels


@contextmanager
def _told() -> Iterator[None]:
    """Refusals as scikit-learn expects them, in the words they came with."""
    try:
        yield
    except DeltaruleError as error:
        raise ValueError(str(error)) from error


def _table(X: Any, names: list[str], more: Mapping[str, Array]) -> Any:
    """The features under these names, with more columns beside them, as `learn` reads a table."""
    if nw.dependencies.is_pandas_dataframe(X):
        return X.set_axis(names, axis="columns").assign(**more)
    if isinstance(X, np.ndarray):
        return _of_array(X, names, more)
    source, _ = open_table(X)
    frame = pl.concat(source.batches([pl.all()]))
    return frame.rename(dict(zip(frame.columns, names, strict=True))).with_columns(
        pl.Series(name, values) for name, values in more.items()
    )


def _of_array(X: Any, names: list[str], more: Mapping[str, Array]) -> Any:
    """An array's columns, a batch at a time where they are numbers."""
    if X.dtype.kind not in "biuf":
        try:
            source, _ = open_table({**dict(zip(names, X.T, strict=True)), **more})
        except ReadError as error:
            # scikit-learn's words for what is neither; it is no ValueError there.
            raise TypeError(f"{error}; argument must be a string or a number") from error
        return source

    def parts(wanted: Any) -> Iterator[pl.DataFrame]:
        for at in range(0, max(len(X), 1), BATCH_ROWS):
            rows = slice(at, at + BATCH_ROWS)
            columns = dict(zip(names, X[rows].T.astype(np.float64), strict=True))
            yield pl.DataFrame(columns | {name: values[rows] for name, values in more.items()})

    return PartsSource(parts, dialect="numpy array", rows=len(X), in_memory=True)


def _given(shell: _Shell, y: Any, *, dtype: Any) -> Array:
    """The targets as an array without gaps.

    Shapes:  -> (n,) or (n, k)
    """
    if y is None:
        name = type(shell).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    values: Array = check_array(y, dtype=dtype, ensure_2d=False, input_name="y")
    return values


def _names(y: Any, k: int, taken: Sequence[str]) -> list[str]:
    """The targets' names: those they have, or y; y0, y1, ... of several."""
    named = list(getattr(y, "columns", [getattr(y, "name", None)]))
    if len(named) != k or not all(isinstance(name, str) for name in named):
        named = ["y"] if k == 1 else [f"y{at}" for at in range(k)]
    return [_fresh(name, taken) for name in named]


def _fresh(name: str, taken: Sequence[str]) -> str:
    """The name, longer if there is a column of that name."""
    while name in taken:
        name += "_"
    return name


def _weights(sample_weight: Any, n: int) -> Array | None:
    """The row weights, of which one at least is above 0.

    Shapes:  -> (n,)
    """
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        sample_weight = np.full(n, sample_weight)
    each: Array = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if each.shape != (n,):
        raise ValueError(f"sample_weight has shape {each.shape}: it must be ({n},), one each row")
    if not (each > 0).any():
        raise ValueError("sample_weight is zero or below in every row: no weight, no row")
    return each
