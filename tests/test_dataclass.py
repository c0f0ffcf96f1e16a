"""The quick dataclass does what the standard one does."""

import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from deltarule.dataclass import dataclass, field, replace


def make(decorator: Callable[..., Any], **how: bool) -> Any:
    @decorator(**how)
    class Point:
        """A point."""

        x: int
        y: float = 2.0
        names: list[str] = field(default_factory=list, compare=False)
        hidden: int = field(default=0, repr=False)

        def __post_init__(self) -> None:
            assert self.x >= 0

    Point.__qualname__ = "Point"
    return Point


@dataclass(frozen=True)
class Pair:
    """At the top of a module, to be pickled."""

    a: int
    b: str = "b"


@pytest.mark.parametrize("how", [{"frozen": True}, {}, {"eq": False}, {"kw_only": True}])
def test_it_does_what_the_standard_one_does(how):
    ours, theirs = make(dataclass, **how), make(dataclasses.dataclass, **how)
    for kind in (ours, theirs):
        one, same, other = kind(x=1), kind(x=1, names=["n"]), kind(x=2)
        assert repr(one) == "Point(x=1, y=2.0, names=[])"
        assert (one == same) is ("eq" not in how)
        assert one != other
        assert one != "another"
        assert dataclasses.asdict(other) == {"x": 2, "y": 2.0, "names": [], "hidden": 0}
        assert replace(one, y=3.0).y == 3.0
        with pytest.raises(AssertionError):
            kind(x=-1)
    assert (ours.__hash__ is None) is (theirs.__hash__ is None)
    assert ours.__match_args__ == theirs.__match_args__


@pytest.mark.parametrize("how", [{"frozen": True}, {}, {"kw_only": True}])
def test_its_constructor_is_the_standard_one_s(how):
    """Before it is first called, and after; errors included."""
    ours, theirs = make(dataclass, **how), make(dataclasses.dataclass, **how)
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    for _ in range(2):
        errors = []
        for kind in (make(dataclass, **how), theirs):
            with pytest.raises(TypeError) as wrong:
                kind(z=1)
            errors.append(str(wrong.value).rpartition(".")[2])
        assert errors[0] == errors[1]
    assert ours(x=1, hidden=3).hidden == theirs(x=1, hidden=3).hidden == 3
    assert ours(x=1).names is not ours(x=1).names
    assert ours.__init__.__annotations__.keys() == theirs.__init__.__annotations__.keys()


def test_fields_named_like_its_own_words_and_fields_without_a_parameter():
    @dataclass(frozen=True)
    class Odd:
        values: int
        kind: str = "k"
        made: list[int] = field(default_factory=list, init=False)
        left: int = field(init=False)

    class Child(Odd):
        def __init__(self) -> None:
            super().__init__(1)

    assert (Odd(2).values, Odd(2).kind, Odd(2).made) == (2, "k", [])
    assert not hasattr(Odd(2), "left")
    assert Child().values == 1
    assert list(inspect.signature(Child).parameters) == []


def test_a_frozen_one_stays_as_it_is():
    one = Pair(1)
    for change in (lambda: setattr(one, "a", 2), lambda: setattr(one, "c", 2)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.a
    assert one == Pair(1)
    assert hash(one) == hash(Pair(1))
    assert len({one, Pair(1), Pair(2)}) == 2
    assert pickle.loads(pickle.dumps(one)) == one


def test_it_extends_a_frozen_class_of_the_standard_kind():
    base = dataclasses.make_dataclass("Base", [("a", int)], frozen=True)

    @dataclass(frozen=True)
    class Child(base):  # type: ignore[misc,valid-type]
        b: int = 1

    assert Child(2) == Child(2, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Child(2).b = 3
