"""A model as one Python file without dependencies: predict(row), explain(row), a filter for CSV."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import ExportError
from deltarule.export.contract import contract, rare
from deltarule.scorer.bundle import bundled, imports_of
from deltarule.scorer.python import PYTHON
from deltarule.scorer.source import Source
from deltarule.scorer.tree import Apply, Kind, Read, Tree, walk

TYPES: Mapping[Kind, str] = {
    "number": "float | str | None",
    "boolean": "bool | float | str | None",
    "text": "str | None",
    "date": "str | None",
    "datetime": "str | None",
    "time": "str | None",
}
# The first two lines are fixed: in one of them a name could say how the file is encoded.
HEAD = '''"""A model that predicts rows, as one file that needs nothing but Python 3.10 or later.

predict(row)    the prediction of a row, a dict of its columns
explain(row)    the same with each column's contribution
drift(row)      what of the row was not like this where the model was learnt

python FILE < rows.csv > predictions.csv       with --explain also the contributions
"""
'''
API = '''
def predict(row: Row) -> dict[str, Any]:
    """The prediction of a row.

    Errors:  RefusedError, a ValueError that names the column, for a cell that cannot be used
    """
    return told(predictions(inputs(complete(row), [])))


def explain(row: Row) -> dict[str, Any]:
    """The prediction with the average row's, and what each column adds to it."""
    return told(explained(inputs(complete(row), [])))


def drift(row: Row) -> list[str]:
    """What is new in a row: levels never seen, numbers out of range, gaps."""
    found: list[tuple[str, str]] = []
    inputs(complete(row), found)
    words = {"unseen": "never seen", "outside": "out of range", "missing": "missing"}
    return [
        f"{name}: {'too rare or ' * (kind == 'unseen' and name in RARE)}{words[kind]}"
        for kind, name in found
    ]


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What a sum of infinite parts leaves undefined is missing."""
    return {name: None if value != value else value for name, value in found.items()}


def complete(row: Any) -> Any:
    """The row, refused if it lacks a column."""
    for name in COLUMNS:
        if name not in row:
            raise RefusedError(f"the row has no column {name!r}")
    return row
'''
MAIN = '''
def main() -> int:
    """Rows of CSV from standard input to standard output, with their predictions."""
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8-sig" if stream is sys.stdin else "utf-8", newline="")
    csv.field_size_limit(2**31 - 1)
    first = sys.stdin.readline()
    mark = max(",;\\t", key=first.count)
    rows = csv.DictReader((line for part in ([first], sys.stdin) for line in part), delimiter=mark)
    names = rows.fieldnames or []
    made = explain if "--explain" in sys.argv[1:] else predict
    writer, gaps = None, {}
    for number, cells in enumerate(rows, 1):
        row = {name: cells[name] or None for name in names}
        for name in NUMBERED:
            cell = row.get(name)
            row[name] = float(cell) if cell and PLAIN.match(cell) else cell
        while True:
            try:
                found = made(row)
                break
            except RefusedError as error:
                if row.get(error.column) is None:
                    print(f"row {number}: {error}", file=sys.stderr)
                    return 1
                # As in any table: a cell that is none of its column's is missing.
                gaps[error.column] = gaps.get(error.column, 0) + 1
                row[error.column] = None
        own = {name + "_in_table" if name in found else name: cells[name] for name in names}
        if writer is None:
            writer = csv.DictWriter(sys.stdout, [*own, *found], lineterminator="\\n")
            writer.writeheader()
        writer.writerow({**own, **found})
    for name, count in gaps.items():
        print(f"{name}: {count} cells that cannot be read counted as missing", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads has seen enough
        sys.stderr.close()
    except UnicodeDecodeError:
        sys.exit("standard input is not UTF-8")
'''
DRIVER = """
import json, runpy, sys
made = runpy.run_path(sys.argv[1])["explain"]
print(json.dumps([made(row) for row in json.load(sys.stdin)]))
"""
SECONDS = 60


def write(tree: Tree) -> str:
    """The file.

    Errors:  ExpressionError for what has no form in Python
    """
    source = Source(tree, PYTHON)
    functions = source.text
    constants = [f"{name} = {PYTHON.literal(value)}" for name, value in source.constants.items()]
    types = {name: TYPES[read.kind] for name, read in tree.reads.items()}
    own = [
        f"COLUMNS = {PYTHON.literal(tuple(tree.reads))}",
        f"RARE = {PYTHON.literal(rare(tree))}",
        f"NUMBERED = {PYTHON.literal(_numbered(tree))}",
        f'Row = TypedDict("Row", {PYTHON.literal(types)})',
    ]
    used = {*source.used, "RefusedError", "PLAIN"}
    model = "\n".join(["# The model", "", *constants, "", "", functions])
    runtime = f"# What its functions use\n\n{bundled(used)}"
    body = "\n".join(["\n".join(own), API, "", model, runtime, MAIN])
    head = "\n".join(f"# {line}".rstrip() for line in contract(tree))
    imports = imports_of(body).replace("import Any", "import Any, TypedDict")
    return f"{HEAD}\n{head}\n\n{imports}\n\n{body}"


def _numbered(tree: Tree) -> tuple[str, ...]:
    """The columns of which numbers are levels: in a CSV file they are text."""
    labels = [
        node.arguments[0]
        for term in tree.terms
        for node in walk(term.value)
        if isinstance(node, Apply) and node.name == "label"
    ]
    return tuple(
        one.column for one in labels if isinstance(one, Read) and one.kind in ("number", "boolean")
    )


def run(
    content: str | bytes, rows: Sequence[Mapping[str, Any]], **settings: Any
) -> Sequence[Mapping[str, Any]]:
    """The rows' predictions by this Python without any package.

    Errors:  ExportError where the file ends in an error
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.py"
        file.write_text(str(content), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", DRIVER, str(file)],
            input=json.dumps(list(rows)),
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise ExportError(f"the Python file does not run: {last}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
