"""The text of every setting, as help lists it."""

import ast
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import deltarule as dr
from deltarule.fit import settings
from deltarule.setting_texts import setting_texts


def test_the_texts_are_the_strings_below_the_settings() -> None:
    module = ast.parse(Path(settings.__file__).read_text())
    [body] = [one.body for one in module.body if isinstance(one, ast.ClassDef)]
    told = {}
    for setting, below in pairwise(body):
        if isinstance(setting, ast.AnnAssign) and isinstance(below, ast.Expr):
            assert isinstance(setting.target, ast.Name)
            assert isinstance(below.value, ast.Constant)
            told[setting.target.id] = " ".join(str(below.value.value).split())
    assert setting_texts() == told


def test_help_lists_every_setting_that_has_a_text() -> None:
    assert set(setting_texts()) <= {one.name for one in fields(dr.Settings)}
    for name in setting_texts():
        assert f"\n  {name}: " in (dr.learn.__doc__ or "")
