"""Exports: the check before anything is written, the files' contract, and the command line."""

import csv
import json
import random
import runpy
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import ExportError
from deltarule.export import python
from deltarule.export.check import Check, compare, difference
from deltarule.export.registry import EXPORTS
from deltarule.export.samples import sample_rows
from deltarule.model.scorer import tree_of
from deltarule.views.report import report
from tests.export.test_files import RUNNERS, SUFFIXES

NOTHING = "nothing was written"


def orders(rows: int = 300) -> pl.DataFrame:
    random.seed(6)
    return pl.DataFrame(
        [
            {
                "size": random.choice([None, round(random.gauss(50, 10), 2)]),
                "colour": random.choice(["red", "green", "blue"]),
                "code": random.choice([1, 2, 3]),
                "cost": f"${random.randint(1000, 9999):,}",
                "day": f"2024-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}",
                "price": random.gauss(0, 1),
            }
            for _ in range(rows)
        ]
    )


@pytest.fixture(scope="module")
def model() -> dr.Model:
    return dr.learn(
        orders(), predict="price", using=["size", "colour", "category(code)", "cost", "day"]
    )


@pytest.fixture(scope="module")
def file(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "model.json"
    model.save(path)
    return path


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "deltarule", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_sample_rows_are_the_models_ranges_and_levels_and_no_row_of_the_table(model):
    tree = tree_of(model._scorer)
    rows = sample_rows(tree)
    assert 30 <= len(rows) <= 64
    assert rows == sample_rows(tree)
    column = model.record.contract.columns[0]
    sizes = {row["size"] for row in rows}
    assert {column.low, column.high, None} <= sizes
    assert any(size is not None and size > column.high for size in sizes)
    colours = {row["colour"] for row in rows}
    assert {"red", "green", "blue", None} < colours
    learnt = {tuple(row) for row in orders().select(list(rows[0])).iter_rows()}
    assert not learnt & {tuple(row.values()) for row in rows}


def test_what_differs_is_not_written(model, monkeypatch, tmp_path):
    right = python.write

    def wrong(tree):
        text = right(tree)
        start = f"s0 = {tree.starts[0]!r}"
        assert start in text
        return text.replace(start, f"s0 = {tree.starts[0] * (1 + 1e-7)!r}")

    monkeypatch.setattr(python, "write", wrong)
    with pytest.raises(ExportError, match=f"differs from the model on sample row .*: {NOTHING}"):
        model.export("python", tmp_path / "model.py")
    assert not list(tmp_path.iterdir())


def test_what_does_not_run_is_not_written(model, monkeypatch, tmp_path):
    monkeypatch.setattr(python, "write", lambda tree: "raise RuntimeError('no')")
    with pytest.raises(ExportError, match="does not run: RuntimeError: no"):
        model.export("python", tmp_path / "model.py")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("found", "wanted", "scale", "most"),
    [
        (1.0, 1.0, 0.0, 0.0),
        (1.0 + 1e-8, 1.0, 0.0, 1.1e-8),
        (1e-13, 0.0, 1.0, 1.1e-13),
        (1e-13, 0.0, 0.0, 1e287),
        (None, 1.0, 0.0, float("inf")),
        (None, None, 0.0, 0.0),
        ("a", "b", 0.0, float("inf")),
        (float("inf"), float("inf"), 0.0, 0.0),
        (float("inf"), 1.0, 0.0, float("inf")),
        (float("nan"), float("nan"), 0.0, 0.0),
        (True, 1.0, 0.0, 0.0),
    ],
)
def test_differences_are_relative(found, wanted, scale, most):
    assert difference(found, wanted, scale=scale) == pytest.approx(most, rel=0.2)


def test_the_check_wants_every_row_and_every_column():
    row = {"y_average": 1.0, "y_prediction": 2.0}
    settings = {"what": "it", "names": ["y_prediction"], "outputs": ["y"]}
    assert compare([row], [row], **settings) == Check(1, 0.0)
    with pytest.raises(ExportError, match="gives 0 rows for 1"):
        compare([], [row], **settings)
    with pytest.raises(ExportError, match="gives no 'y_prediction'"):
        compare([{}], [row], **settings)


def test_a_form_or_setting_that_is_not_known_is_named(model):
    with pytest.raises(ExportError, match="no export 'cobol': choose python"):
        model.export("cobol")
    with pytest.raises(ExportError, match="python has no setting 'dialect'"):
        model.export("python", dialect="mysql")


def test_the_command_writes_the_file_and_says_how_the_check_went(file, model, tmp_path):
    out = tmp_path / "made.py"
    done = run("export", str(file), "--to", "python", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out} written, checked on 64 rows made from the model's ranges")
    made, row = runpy.run_path(str(out)), orders().to_dicts()[0]
    assert made["predict"](row) == pytest.approx(model.predict(row), rel=1e-12)
    piped = run("export", str(file), "--to", "python")
    assert piped.stdout.splitlines()[12:] == out.read_text(encoding="utf-8").splitlines()[12:]
    assert "checked on 64 rows" in piped.stderr


def test_the_command_names_the_forms(file):
    done = run("export", str(file), "--to", "cobol")
    assert done.returncode == 2
    assert "choose python" in done.stderr
    shown = run("export", "--help").stdout
    assert all(name in shown for name in EXPORTS)


def test_the_card_goes_to_the_screen_or_a_file(file, model, tmp_path):
    assert run("card", str(file)).stdout == dr.load(file).card()
    out = tmp_path / "CARD.md"
    done = run("card", str(file), "-o", str(out))
    assert done.stdout == f"{out} written\n"
    assert out.read_text(encoding="utf-8").startswith("# Model card: price")


def test_the_python_file_is_a_filter_for_csv(model, tmp_path):
    rows = orders(50).drop("price").with_columns(colour=pl.lit("violet"), own=pl.lit("kept"))
    rows[3, "cost"], rows[4, "cost"] = "no number", "TBD"
    source, script = tmp_path / "rows.csv", tmp_path / "model.py"
    rows.write_csv(source)
    model.export("python", script)
    for more in ((), ("--explain",)):
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(script), *more],
            input=source.read_text(encoding="utf-8"),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == "cost: 1 cells that cannot be read counted as missing\n"
        found = list(csv.DictReader(StringIO(done.stdout)))
        wanted = model.explain(str(source)) if more else model.predict(str(source))
        assert list(found[0]) == [*rows.columns, *wanted.columns]
        assert {one["own"] for one in found} == {"kept"}
        for name in wanted.columns:
            own = [float(one[name]) for one in found]
            assert own == pytest.approx(wanted[name].to_list(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("size\n1\n", "row 1: the row has no column"),
        ("size\n\udcff\n", "standard input is not UTF-8"),
    ],
)
def test_the_filter_says_in_a_line_what_it_cannot_read(model, tmp_path, text, says):
    model.export("python", tmp_path / "model.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "model.py")],
        input=text.encode(errors="surrogateescape"),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(says)
    assert done.stderr.count(b"\n") == 1


def test_the_filter_reads_a_header_of_several_lines_and_ends_with_its_reader(tmp_path):
    table = orders(300).rename({"size": "size\nin cm"}).select("size\nin cm", "colour", "price")
    model = dr.learn(table, predict="price")
    model.export("python", tmp_path / "model.py")
    rows = table.drop("price")
    command = [sys.executable, "-I", "-S", str(tmp_path / "model.py")]
    done = subprocess.run(command, input=rows.write_csv().encode(), capture_output=True, check=True)
    found = list(csv.DictReader(StringIO(done.stdout.decode(), newline="")))
    wanted = model.predict(rows)["price_prediction"].to_list()
    assert [float(one["price_prediction"]) for one in found] == pytest.approx(wanted, rel=1e-9)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.write(rows.write_csv().encode() * 2_000)
            process.stdin.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("form", RUNNERS)
@pytest.mark.parametrize("loss", ["squared", "softmax"])
def test_what_infinite_parts_leave_undefined_is_missing(form, loss, tmp_path):
    rng = np.random.default_rng(8)
    tiny = rng.normal(0, 1e-200, (300, 2))
    y = (tiny * 1e200).sum(axis=1)
    table = pl.DataFrame({"a": tiny[:, 0], "b": tiny[:, 1], "y": y})
    if loss == "softmax":
        classes = np.array(["Infinity", "NaN", "no"])[np.digitize(y, [-0.5, 0.5])]
        table = table.with_columns(y=pl.Series(classes.tolist()))
    model = dr.learn(table, predict="y", loss=loss)
    file = tmp_path / f"model{SUFFIXES[form]}"
    model.export(form, file)
    rows = [{"a": 1e300, "b": -1e300}, {"a": 1e-201, "b": 0.0}]
    wanted = model.predict(pl.DataFrame(rows))["y_prediction"].to_list()
    assert wanted[0] is None or np.isnan(wanted[0])
    beyond, near = (predicted["y_prediction"] for _, predicted, _ in RUNNERS[form](file, rows))
    assert beyond is None
    assert near == (wanted[1] if loss == "softmax" else pytest.approx(wanted[1], rel=1e-9))


def test_nothing_that_leaves_the_machine_names_a_folder(tmp_path):
    source = tmp_path / "ann's, and so on" / "orders.csv"
    source.parent.mkdir()
    orders(150).write_csv(source)
    test = source.with_name("test.csv")
    orders(100).write_csv(test)
    model = dr.learn(str(source), predict="price", using=["size", "colour"], hold_out=str(test))
    assert model.record.learnt_from == "orders.csv"
    assert model.record.held_out_by.table == "test.csv"
    made = [model.exported(form).content for form in EXPORTS]
    texts = [str(one) for one in made] + [model.card(), model.record.model_dump_json()]
    texts.append(report(model, str(source)))
    for text in texts:
        assert "orders.csv" in text
        assert "ann's" not in text
        assert str(tmp_path) not in text
    # Files of earlier versions have the whole path.
    early = json.loads(model.record.model_dump_json())
    early["learnt_from"] = f"{source} and C:\\ann\\more.csv, table films"
    (tmp_path / "early.json").write_text(json.dumps(early))
    assert dr.load(tmp_path / "early.json").record.learnt_from.endswith("more.csv, table films")
    assert "ann\\" not in dr.load(tmp_path / "early.json").record.learnt_from


def test_the_python_file_refuses_what_the_model_refuses(model, tmp_path):
    model.export("python", tmp_path / "model.py")
    made = runpy.run_path(str(tmp_path / "model.py"))
    row = orders().to_dicts()[0]
    for change, words in (
        ({"size": "many"}, "column 'size': 'many' is not a number"),
        ({"size": float("inf")}, "column 'size' is infinite"),
        ({"cost": "12 €"}, "column 'cost': '12 €' is not a number"),
        ({"day": "31/01/2024"}, "column 'day': '31/01/2024' is not a date"),
    ):
        with pytest.raises(ValueError, match="column") as told:
            made["predict"]({**row, **change})
        assert str(told.value) == words
    with pytest.raises(ValueError, match="the row has no column 'day'"):
        made["predict"]({name: cell for name, cell in row.items() if name != "day"})
    assert made["drift"]({**row, "colour": "violet", "size": 1e6, "cost": None}) == [
        "size: out of range",
        "colour: never seen",
        "cost: missing",
    ]


def test_json_goes_in_and_out(model, tmp_path):
    model.export("python", tmp_path / "model.py")
    made = runpy.run_path(str(tmp_path / "model.py"))
    row = json.loads(json.dumps(orders().to_dicts()[0]))
    assert json.loads(json.dumps(made["explain"](row))) == made["explain"](row)


def test_an_early_model_without_kinds_of_columns_says_to_learn_again(model):
    contract = model.record.contract.model_copy(update={"read_through": {}})
    early = dr.Model(model.record.model_copy(update={"contract": contract}))
    with pytest.raises(ExportError, match="learn it again"):
        early.export("python")
    row = orders().to_dicts()[0]
    assert early.predict(row) == pytest.approx(model.predict(row), rel=1e-12)


IN_PAGE = """async ([text, rows]) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { predict } = await import(url);
  return rows.map(predict);
}"""


def test_the_module_runs_in_a_browser(model, browser):
    rows = [
        {**row, "colour": colour} for row, colour in zip(orders(3).to_dicts(), "abc", strict=True)
    ]
    rows = [*orders(20).to_dicts(), *rows]
    page = browser.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    found = page.evaluate(IN_PAGE, [model.export("javascript"), rows])
    page.close()
    assert not errors
    wanted = model.predict(pl.DataFrame(rows)).to_dicts()
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
