"""Settings under other tools' names, without names, or of the wrong kind: ours is named."""

from collections.abc import Callable
from typing import Any

import pytest

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.fit.other_names import OTHER_NAMES
from deltarule.fit.settings import Settings

TABLE = {"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]}


@pytest.mark.parametrize("function", [dr.learn, dr.steps, dr.alpha, dr.path])
@pytest.mark.parametrize(
    ("more", "settings", "told"),
    [
        (("y",), {}, "predict='y'"),
        ((), {"target": "y"}, "did you mean predict"),
        ((), {"y": "y"}, "did you mean predict"),
        ((), {"features": ["x"], "predict": "y"}, "did you mean using"),
        ((), {"X": ["x"], "predict": "y"}, "did you mean using"),
        ((), {"predicts": "y"}, "did you mean predict"),
        ((), {"zzz": 1, "predict": "y"}, "there are predict"),
        ((), {}, "predict="),
        ((), {"predict": None}, "predict is None"),
        ((), {"predict": 3}, "predict is 3"),
        ((), {"predict": ["y", 3]}, "list"),
        ((), {"predict": "y", "using": 3}, "using is 3"),
        ((), {"predict": "y", "weight": ""}, "weight is empty"),
        ((), {"predict": "y", "time": ""}, "time is empty"),
    ],
)
def test_settings_are_given_by_our_names(
    function: Callable[..., Any], more: tuple[str, ...], settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(LearningError, match=told):
        function(TABLE, *more, **settings)


def test_a_table_is_needed() -> None:
    with pytest.raises(LearningError, match="table"):
        dr.learn(data=TABLE, predict="y")  # type: ignore[call-arg]


def test_other_names_are_those_of_settings_and_none_of_ours() -> None:
    ours = set(Settings.__dataclass_fields__)
    assert set(OTHER_NAMES.values()) <= ours
    assert not ours & set(OTHER_NAMES)


@pytest.mark.parametrize(
    "settings",
    [{"ridge": 1e308}, {"lasso": 1e308}, {"ridge": 1e-320}, {"steps": 10**30}, {"alpha": 1e-320}],
)
def test_extreme_numbers_are_no_warnings(settings: dict[str, Any]) -> None:
    """Warnings are errors here."""
    for function in (dr.learn, dr.alpha):
        try:
            function(TABLE, predict="y", **settings)
        except dr.DeltaruleError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either is right
