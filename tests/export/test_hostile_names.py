"""Exports of hostile names: nothing of them is code, a comment's end or an encoding."""

import ast
import json
import random
import subprocess

import pytest

import deltarule as dr
from deltarule.export.contract import contract
from deltarule.export.javascript import JAVASCRIPT
from deltarule.export.node import node
from deltarule.model.scorer import tree_of

NAMES = [
    "coding: latin-1",
    "*/ process.exit(7); /*",
    "</script><script>process.exit(7)</script>",
    "a\nraise SystemExit(7)\n",
    "a\u2028process.exit(7)",
    "${process.exit(7)} `",
    "\\\"'`",
    "__proto__",
    "constructor",
    "--> <!--",
]


@pytest.fixture(scope="module")
def model() -> dr.Model:
    random.seed(5)
    rows = [
        {
            **{name: random.gauss(0, 1) for name in NAMES},
            "# level": random.choice(NAMES),
            "*/ class": random.choice(NAMES[:4]),
        }
        for _ in range(300)
    ]
    return dr.learn(rows, predict="*/ class", missing_words=["*/", "\n"])


@pytest.mark.parametrize("form", ["python", "javascript"])
def test_it_runs_and_predicts_as_the_model(model, form):
    made = model.exported(form)
    assert made.check.ran
    assert made.check.rows > 30
    assert made.check.largest < 1e-9


def test_the_python_file_has_no_statement_of_a_name(model):
    text = model.export("python")
    tree = ast.parse(text)
    kinds = {type(node) for node in tree.body}
    own = {ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign}
    assert kinds <= own | {ast.Expr, ast.If}
    assert [type(one.value) for one in tree.body if isinstance(one, ast.Expr)] == [ast.Constant]
    assert "coding" not in "".join(text.splitlines()[:2])
    called = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    assert not {"SystemExit", "process", "exec", "eval", "open"} & called


def test_the_module_stands_in_a_page_and_in_comments(model):
    text = model.export("javascript")
    assert "</script" not in text
    assert "<!--" not in text
    for line in contract(tree_of(model._scorer)):
        assert len(line.splitlines()) <= 1
    code = [line for line in text.splitlines() if not line.lstrip().startswith(("//", "*", "/*"))]
    # Outside of literals the names are nowhere: each literal is read back as it was.
    assert not any("process.exit" in json_free(line) for line in code)


def json_free(line: str) -> str:
    """A line without its literals of text."""
    found, at = "", 0
    decoder = json.JSONDecoder()
    while at < len(line):
        if line[at] == '"':
            _, at = decoder.raw_decode(line, at)
        else:
            found += line[at]
            at += 1
    return found


@pytest.mark.parametrize("text", NAMES)
def test_a_text_is_read_back_by_node(text):
    done = subprocess.run(
        [node(), "-e", f"process.stdout.write(JSON.stringify({JAVASCRIPT.literal(text)}))"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert json.loads(done.stdout) == text
