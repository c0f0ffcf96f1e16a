"""The benchmarks run, and what they judge is right. No time is asserted: that is for make bench."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import check, figures, growth, jobs, run, tables
from benchmarks.job import Contestant
from benchmarks.tables import numbers

ROOT = Path(__file__).resolve().parents[1]
ROWS = 3000
SIZES = ("5m_x_20", "1m_x_50", "250k_x_200")


def bench(module: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """All jobs on small tables, decoding and deltarule alone, each run once."""
    folder = tmp_path_factory.mktemp("benchmarks")
    results = folder / "results.jsonl"
    printed = bench(
        *("run", "--all", "--rows", ROWS, "--thrown", 0, "--counted", 1),
        *("--contestants", "decode,deltarule", "--cache", folder, "--results", results),
    )
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {(one["job"], one["contestant"]): one for one in records}, printed, results


def test_each_job_has_its_contestants(small):
    records, _, _ = small
    jobs = ["parquet_5m_x_20", "descent_1000_steps", "ridge_path_cv", "csv_1m_x_20", "mixed_3m"]
    jobs += ["flights_1m", "page_1m_x_20", "page_logistic_1m_x_20", "parquet_500k_x_200"]
    jobs += [f"predict_1m_{what}" for what in ("parquet", "csv", "explain", "interval")]
    linked = [f"{loss}_{size}" for loss in ("logistic", "poisson") for size in SIZES]
    classes = [f"classes_{what}" for what in ("digits", "images", "letters")]
    held = [*linked, *classes, "lasso_path_cv"]
    quick = [f"start_{what}" for what in ("help", "learn", "predict", "row")]
    quick += [f"small_{what}" for what in ("films", "iris", "estimator", "row", "category")]
    assert {job for job, _ in records} == {*jobs, *held, *quick}
    assert all((job, "decode") in records for job in jobs)
    assert all((job, "deltarule") in records for job in (*held, *quick))
    assert all((job, "deltarule, defaults") in records for job in linked)
    assert len(records) == 52
    assert not [one for one in records.values() if "failed" in one]


def test_each_result_says_how_long_how_much_where_and_with_what(small):
    records, _, _ = small
    for one in records.values():
        assert one["rows"] == ROWS
        assert one["counted"] == len(one["runs"]) == 1
        for name in ("seconds", "warm_seconds", "process_seconds", "import_seconds"):
            assert 0 < one[name]["low"] <= one[name]["median"] <= one[name]["high"]
        assert one["process_seconds"]["low"] > one["seconds"]["low"]
        assert 0 < one["peak_mb"] <= one["warm_peak_mb"]
        assert one["machine"]["cores"] >= 1
        assert one["machine"]["processor"]
        assert {"python", "deltarule", "numpy", "polars"} <= set(one["versions"])
        assert {"at", "note", "commit", "figures", "left_out_seconds"} <= set(one)


# The limit of the first job, for all that is compared with an exact answer to the same question.
@pytest.mark.parametrize(
    ("job", "contestant", "error_of"),
    [
        ("parquet_5m_x_20", "deltarule", "weights"),
        ("csv_1m_x_20", "deltarule", "weights"),
        ("descent_1000_steps", "deltarule, each step", "descent 1000"),
        ("descent_1000_steps", "deltarule, closed form", "descent 1000"),
        ("logistic_5m_x_20", "deltarule", "gradient logistic"),
        ("logistic_1m_x_50", "deltarule", "gradient logistic"),
        ("poisson_5m_x_20", "deltarule", "gradient poisson"),
        ("poisson_1m_x_50", "deltarule", "gradient poisson"),
        ("poisson_250k_x_200", "deltarule", "gradient poisson"),
        ("lasso_path_cv", "deltarule", "lasso"),
    ],
)
def test_the_digits_are_right(small, job, contestant, error_of):
    one = small[0][job, contestant]
    assert one["error_of"] == error_of
    assert 0 <= one["error"] < 1e-10


def test_passes_over_the_rows_are_told(small):
    records, printed, _ = small
    figures = records["logistic_5m_x_20", "deltarule"]["figures"]
    assert figures["passes"] >= figures["steps"] > 1
    assert f"passes {figures['passes']:.4g}" in printed


def test_what_is_left_to_learn_is_judged_by_the_rows_alone(tmp_path):
    # Weights from another library, near enough and a little off.
    code = (
        "import json, numpy as np; from pathlib import Path; from benchmarks import tables, exact; "
        "from sklearn.linear_model import LogisticRegression; "
        f"path = tables.make('yes_no.parquet', 3000, Path({str(tmp_path)!r})); "
        "from benchmarks.in_memory import arrays; held = arrays(str(path)); "
        "found = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000, solver='newton-cholesky')"
        ".fit(held.inputs, held.target); "
        "best = held.own(found.coef_[0], found.intercept_[0]); "
        "off = held.own(found.coef_[0] + 0.01, found.intercept_[0]); "
        "none = held.own(0 * held.mean, np.log(held.target.mean() / (1 - held.target.mean()))); "
        "print([exact.left(path, 'gradient logistic', one, {}) for one in (best, off, none)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    best, off, none = json.loads(done.stdout)
    assert best < 1e-10
    assert 1e-4 < off < 0.5
    assert none == pytest.approx(1)


def test_held_out_errors_differ_by_chance_alone(small):
    # Folds are drawn otherwise than in the exact answer: of 3000 rows that moves less than 1%.
    assert 0 < small[0]["ridge_path_cv", "deltarule"]["error"] < 0.01


def test_the_table_says_ratio_memory_and_error_with_their_limits(small):
    _, printed, results = small
    assert "deltarule / decode" in printed
    for limit in ("(limit 2.5)", "(limit 500)", "(limit 1e-10)"):
        assert limit in printed
    # The second stage alone tells the same.
    assert bench("report", results) == printed


def test_a_contestant_that_fails_is_named_with_its_error(tmp_path):
    code = (
        "from pathlib import Path; from benchmarks.jobs import Contestant; "
        "from benchmarks.run import one, summed; "
        "wrong = Contestant('wrong', 'benchmarks.peers:decode', ('no_such_package',)); "
        "print(summed(wrong, [one(wrong, Path('a'), Path('b'))])['failed'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "No module named 'no_such_package'" in done.stdout


def test_a_contestant_whose_package_is_missing_is_skipped_by_name(capsys):
    there = Contestant("here", "benchmarks.peers:decode", ("numpy",))
    missing = Contestant("elsewhere", "benchmarks.peers:decode", ("no_such_package",))
    assert run._is_there(there)
    assert not run._is_there(missing)
    assert "elsewhere: skipped, as no_such_package is not installed" in capsys.readouterr().err


def timed(name: str, seconds: float) -> dict[str, object]:
    return {
        "contestant": name,
        "seconds": {"median": seconds},
        "warm_seconds": {"median": seconds / 2},
        "left_out_seconds": 0.0,
    }


def test_what_got_slower_is_told_by_ratios_to_decoding():
    job = next(one for one in jobs.JOBS if one.name == "parquet_5m_x_20")
    before = [timed("decode", 0.5), timed("deltarule", 1.0)]
    # Twice the time on a machine that takes twice the time to decode is the same.
    slow_machine = [timed("decode", 1.0), timed("deltarule", 2.0)]
    slower = [timed("decode", 0.5), timed("deltarule", 1.5)]
    found = list(check.compared(job, before, slow_machine))
    assert found == [("deltarule", "first", 2.0, 2.0), ("deltarule", "warm", 2.0, 2.0)]
    assert [one[3] for one in check.compared(job, before, slower)] == [3.0, 3.0]
    assert not list(check.compared(job, [{"contestant": "deltarule", "failed": "x"}], slower))


def test_a_check_names_jobs_that_were_never_recorded(tmp_path, capsys):
    nothing = tmp_path / "results.jsonl"
    nothing.write_text("")
    assert check.main(["--only", "csv_1m", "--recorded", str(nothing)]) == 0
    assert "csv_1m_x_20: never recorded" in capsys.readouterr().out


def test_recorded_runs_become_a_page_and_the_tables_of_the_readme(small, tmp_path, monkeypatch):
    _, _, results = small
    points = [
        {"at": "2026", "curve": "rows", "size": size, "seconds": size / 1e5, "warm": size / 2e5}
        | {"peak_mb": 100.0}
        for size in (10**4, 10**6)
    ]
    grown = tmp_path / "growth.jsonl"
    grown.write_text("".join(json.dumps(one) + "\n" for one in points))
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        "before\n<!-- speed -->\nwhat was\n<!-- /speed -->\nafter\n"
    )
    monkeypatch.setattr(figures.machine, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(figures.run, "RESULTS", results)
    monkeypatch.setattr(figures.growth, "RESULTS", grown)
    monkeypatch.setattr(figures.other_peers, "RESULTS", tmp_path / "none.jsonl")
    figures.main()
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n<!-- speed -->\n| job |")
    assert readme.endswith("<!-- /speed -->\nafter\n")
    assert "what was" not in readme
    page = (tmp_path / "docs/benchmarks.md").read_text()
    assert "## Parquet to weights and cross-validated error" in page
    assert "| 1,000,000 | 10 s | 5 s | 100 |" in page
    picture = ET.parse(tmp_path / "docs/growth-rows.svg").getroot()
    assert len(picture.findall("{http://www.w3.org/2000/svg}circle")) == 4


@pytest.mark.parametrize(("curve", "size"), [("classes", 3), ("folds", 3), ("strengths", 4)])
def test_a_point_of_growth_says_its_times(curve, size, monkeypatch):
    monkeypatch.setattr(tables, "numbers", lambda rows, inputs=20: numbers(500, inputs))
    said = growth._point(curve, size)
    assert said["seconds"] > 0
    assert said["warm"] > 0


def test_memory_is_measured_without_the_parents():
    # A parent of 300 MB: ru_maxrss would give the child as much.
    code = (
        "import subprocess, sys; big = b'x' * 300_000_000; "
        "say = 'from benchmarks.machine import peak_mb; print(peak_mb())'; "
        "print(subprocess.run([sys.executable, '-c', say], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 1 < float(done.stdout) < 100


def test_serving_is_measured_without_a_failed_or_lost_request(tmp_path):
    results = tmp_path / "serve.jsonl"
    printed = bench("serve", "--quick", "--results", results)
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    runs = {one["contestant"]: one["runs"][0] for one in records}
    for name in ("deltarule", "FastAPI, joblib, scikit-learn"):
        assert 0 < runs[name]["p50_ms"] <= runs[name]["p99_ms"]
        assert runs[name]["requests_per_second"] > 0
        assert runs[name]["failed"] == 0
    assert runs["reloads under load"]["reloads"] == 20
    assert runs["reloads under load"]["failed"] == 0
    assert runs["SIGTERM under load"]["lost"] == 0
    assert runs["SIGTERM under load"]["exit_code"] == 0
    assert runs["single rows in Python"]["times"] > 1
    assert "requests_per_second" in printed
