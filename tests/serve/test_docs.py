"""What README and docs/serve.md say of where a model goes works, and so does the container."""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest

import deltarule as dr
from deltarule.export.node import node
from tests.serve.conftest import serving

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"## Where a model goes\n\n(.*?)\n\n", re.DOTALL)
LINES = re.findall(
    r"(?m)^\| ([^|]+) \| `(.+)` \|$", TABLE.findall((ROOT / "README.md").read_text())[0]
)
ROW = {"budget": 3e7, "genre": "Comedy"}


@pytest.fixture(scope="module")
def folder(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.json, and today.csv as rows to predict."""
    found = tmp_path_factory.mktemp("films")
    table = pl.read_csv(films).select("title", "budget", "genre", "gross")
    dr.learn(table, predict="gross", using=["budget", "genre"]).save(found / "model.json")
    table.head(5).write_csv(found / "today.csv")
    return found


@pytest.fixture(scope="module")
def expected(folder: Path) -> float:
    return float(dr.load(folder / "model.json").predict(ROW)["gross_prediction"])


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(folder / "model.json", folder=tmp_path_factory.mktemp("served")) as server:
        yield server.address


def shell(line: str, folder: Path) -> str:
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", f'export PATH="{scripts}:$PATH"; {line}'],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("where", "line"), LINES)
def test_each_line_of_the_table_takes_a_model_there(
    where: str, line: str, folder: Path, address: str, expected: float
):
    if line.startswith("deltarule serve"):
        assert httpx.get(address).status_code == 200  # the same words, at a free port
        return
    printed = shell(line.replace("http://127.0.0.1:8000", address), folder)
    check = CHECKS[where.split(",")[0]]
    check(printed, folder, expected)


def printed_is_right(printed: str, folder: Path, expected: float) -> None:
    found = re.search(r"gross_prediction['\"]: ?([\d.]+)", printed)
    assert found is not None
    assert float(found[1]) == pytest.approx(expected, rel=1e-12)


def rows_are_written(printed: str, folder: Path, expected: float) -> None:
    assert pl.read_csv(folder / "predictions.csv")["gross_prediction"].is_finite().all()


def view_predicts(printed: str, folder: Path, expected: float) -> None:
    import sqlite3

    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table films (budget real, genre text)")
        database.execute("insert into films values (?, ?)", tuple(ROW.values()))
        database.executescript((folder / "view.sql").read_text(encoding="utf-8"))
        [[value]] = database.execute("select gross_prediction from predicted").fetchall()
    assert value == pytest.approx(expected, rel=1e-12)


def file_predicts(printed: str, folder: Path, expected: float) -> None:
    code = (
        f"import model; print({{'gross_prediction': model.predict({ROW!r})['gross_prediction']}})"
    )
    printed_is_right(shell(f'python -c "{code}"', folder), folder, expected)


def module_predicts(printed: str, folder: Path, expected: float) -> None:
    program, row = node(), json.dumps(ROW)
    assert program is not None
    code = f"import {{predict}} from './model.mjs'; console.log(JSON.stringify(predict({row})))"
    done = subprocess.run(
        [program, "--input-type=module", "-e", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    printed_is_right(done.stdout, folder, expected)


def onnx_predicts(printed: str, folder: Path, expected: float) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    inputs = {
        one.name: np.array([[ROW[one.name]]], dtype=object if "string" in one.type else None)
        for one in session.get_inputs()
    }
    shapes = {one.name: one.shape for one in session.get_inputs()}
    fed = {name: value if len(shapes[name]) == 2 else value[0] for name, value in inputs.items()}
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, fed), strict=True))
    assert float(np.ravel(found["gross_prediction"])[0]) == pytest.approx(expected, rel=1e-12)


def mlflow_predicts(printed: str, folder: Path, expected: float) -> None:
    with warnings.catch_warnings():  # mlflow warns of its own use of Python
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        found = mlflow.pyfunc.load_model(str(folder / "films")).predict(pd.DataFrame([ROW]))
    assert float(np.ravel(found)[0]) == pytest.approx(expected, rel=1e-12)


def card_tells(printed: str, folder: Path, expected: float) -> None:
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8").startswith("# Model card: gross")


CHECKS = {
    "Python": printed_is_right,
    "a cron job": rows_are_written,
    "anything that asks by HTTP": printed_is_right,
    "a database view": view_predicts,
    "a Python file without deltarule": file_predicts,
    "Node or a browser": module_predicts,
    "onnxruntime": onnx_predicts,
    "MLflow": mlflow_predicts,
    "people": card_tells,
}


def test_the_table_has_every_line(folder: Path):
    assert len(LINES) == 10


def test_the_cron_job_predicts(folder: Path):
    text = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    [line] = re.findall(r"(?s)```crontab\n(.*?)\n```", text)
    fields, command = line.split(maxsplit=5)[:5], line.split(maxsplit=5)[5]
    assert all(re.fullmatch(r"[\d*/,-]+", one) for one in fields)
    (folder / "predictions.csv").unlink(missing_ok=True)
    shell(command.replace("/srv/films", str(folder)), folder)
    assert pl.read_csv(folder / "predictions.csv").height == 5


def test_the_container_runs_what_its_file_says(folder: Path, tmp_path: Path):
    text = (ROOT / "examples" / "Dockerfile").read_text(encoding="utf-8")
    words = json.loads(re.findall(r"(?m)^CMD (.*)$", text)[0])
    assert words[:2] == ["deltarule", "serve"]
    told = [word.replace("/models", str(folder)) for word in words[2:]]
    healthy = json.loads(re.findall(r"(?m)^HEALTHCHECK CMD (.*)$", text)[0])
    with serving(*told, folder=tmp_path) as server:
        code = healthy[2].replace("8000", str(server.port))
        subprocess.run([sys.executable, *healthy[1:2], code], check=True, timeout=30)
        address = f"http://127.0.0.1:{server.port}/models/model/predict"
        mapped = {"host": "localhost:49153"}  # as when Docker maps the port
        assert httpx.post(address, json=ROW, headers=mapped).status_code == 200
