"""Nothing of a model file can become code: names, levels and classes stand as literals only."""

import ast
import builtins
import random

import pytest

import deltarule as dr
from deltarule.errors import ExpressionError
from deltarule.model.scorer import tree_of
from deltarule.scorer.compiled import compiled
from deltarule.scorer.python import PYTHON
from deltarule.scorer.source import Source

HOSTILE = [
    "');__import__('os').system('touch /tmp/x');('",
    '"); raise SystemExit #',
    "a\nimport os\n",
    "\\",
    "\\'",
    "'''",
    '"""',
    "\r\n\t\x0b\x0c",
    "{row} %s {0}",
    "\u2028\u2029\u202e",
    "\\u0027\\x27\\N{APOSTROPHE}",
    "😀 日本 é",
    "__builtins__",
    "row['x']",
]
# The statements and expressions that compiled models are made of.
ALLOWED = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.If,
    ast.Expr, ast.Return, ast.Call, ast.Name, ast.Load, ast.Store, ast.Constant, ast.Compare,
    ast.Is, ast.IsNot, ast.NotEq, ast.LtE, ast.BoolOp, ast.Or, ast.And, ast.UnaryOp, ast.USub,
    ast.Not, ast.Subscript, ast.Attribute, ast.Tuple, ast.List, ast.Dict, ast.IfExp, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> dr.Model:
    random.seed(3)
    names = [name for name in HOSTILE if not name.isspace()]
    rows = [
        {
            **{f"{name} n": random.gauss(0, 1) for name in names},
            **{f"{name} t": random.choice(names) for name in names[:4]},
            "'y\n": random.choice(names[:3]),
        }
        for _ in range(300)
    ]
    return dr.learn(rows, predict="'y\n", missing_words=["'); boom(", "-999"])


def test_the_source_has_no_name_and_no_syntax_of_the_model(model):
    source = Source(tree_of(model._scorer), PYTHON)
    tree = ast.parse(source.text)
    nodes = list(ast.walk(tree))
    assert {type(node) for node in nodes} <= set(ALLOWED)
    own = {"row", "drift", "inputs", "float"} | source.used | set(source.constants)
    for node in nodes:
        if isinstance(node, ast.Name):
            short = node.id[0] in "vxspl" and node.id[1:].isdecimal()
            assert short or node.id in own, node.id
        if isinstance(node, ast.Attribute):
            assert node.attr in {"append", "get", "__class__"}
    assert source.text.isascii()
    assert not {"eval", "exec", "open", "__import__"} & source.used
    assert not source.used & set(dir(builtins)) - {"round"}


def test_hostile_names_predict_as_any_others(model):
    functions = compiled(tree_of(model._scorer))
    row = {name: 0.5 if name.endswith("n") else HOSTILE[0] for name in model.record.contract.needs}
    made = functions.predictions(functions.inputs(row, []))
    want = model.predict([row] * 65)[0]
    assert list(made) == list(want)
    assert made.pop("'y\n_prediction") == want.pop("'y\n_prediction")
    assert made == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_read_back_as_it_was(text):
    assert ast.literal_eval(PYTHON.literal(text)) == text
    assert "\n" not in PYTHON.literal(text)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), object(), [1], b"x", {1, 2}])
def test_what_is_no_literal_is_refused(value):
    with pytest.raises(ExpressionError):
        PYTHON.literal(value)


def test_a_subclass_with_a_false_repr_is_refused():
    class Text(str):
        def __repr__(self):
            return "__import__('os')"

    with pytest.raises(ExpressionError):
        PYTHON.literal(Text("x"))
