"""Models that change while they are served, and a server that is asked to end while it is busy."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

import deltarule as dr
from deltarule.serve.drift import DriftCounts, psi

PREDICT = "/models/line/predict"
ROW = {"x": 3.0}
RELOADS = 30


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the same columns: 2 * x, and 5 * x."""
    folder = tmp_path_factory.mktemp("lines")
    x = [float(at) for at in range(20)]
    files = []
    for slope in (2.0, 5.0):
        table = pl.DataFrame({"x": x, "y": [slope * one for one in x]})
        files.append(folder / f"{slope:g}.json")
        dr.learn(table, predict="y", intercept=False).save(files[-1])
    return files


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, as `save` does."""
    beside = path.with_name("beside")
    beside.write_bytes(content)
    beside.replace(path)


def slope(client: httpx.Client) -> float:
    prediction = client.post(PREDICT, json=ROW).json()["predictions"][0]["y_prediction"]
    return round(float(prediction) / ROW["x"], 6)


@contextmanager
def load(address: str, clients: int, answered: Callable[[httpx.Response], None]) -> Iterator[None]:
    """So many clients, each asking as fast as it is answered, until the end of the block."""
    ending = threading.Event()
    failures: list[Exception] = []

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            while not ending.is_set():
                try:
                    answered(client.post(PREDICT, json=ROW))
                except httpx.ConnectError:
                    return  # it accepts no more
                except Exception as error:  # noqa: BLE001 - told below
                    failures.append(error)
                    return

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        ending.set()
        for one in threads:
            one.join()
    assert failures == []


def test_reloads_under_load_fail_no_request(serve, lines: list[Path], tmp_path: Path):
    """`python -m benchmarks.serve` does the same 1,000 times."""
    path = tmp_path / "line.json"
    shutil.copy(lines[0], path)
    server = serve(path, "--reload", "0.02")
    contents = [line.read_bytes() for line in lines]
    seen: Counter[tuple[int, float]] = Counter()

    def answered(answer: httpx.Response) -> None:
        told = answer.json()["predictions"][0]["y_prediction"] if answer.is_success else 0.0
        seen[answer.status_code, round(told / ROW["x"], 6)] += 1

    with load(server.address, 3, answered):
        for number in range(1, RELOADS + 1):
            replace(path, contents[number % 2])
            server.wait_for_reload(number)
    assert set(seen) == {(200, 2.0), (200, 5.0)}
    assert server.said.count("line: reloaded") == RELOADS


def test_a_broken_file_keeps_the_old_model_and_is_told(serve, lines, tmp_path: Path):
    path, broken = (
        tmp_path / "line.json",
        [b"", b"{", b"[" * 100_000, b'{"format":"deltarule-model"}'],
    )
    shutil.copy(lines[0], path)
    server = serve(path, "--reload", "0.02")
    with server.client() as client:
        version = client.get("/ready").json()["models"][0]["version"]

        def is_kept(saying: str) -> None:
            told = client.get("/ready")
            assert told.status_code == 200
            [model] = told.json()["models"]
            assert model["version"] == version
            assert saying in model["problem"]
            assert str(tmp_path) not in told.text
            assert slope(client) == 2.0

        for number, content in enumerate(broken, 1):
            replace(path, content)
            server.wait_for_reload(number)
            is_kept("line.json")
        path.unlink()
        server.wait_for_reload(len(broken) + 1)
        is_kept("no such model file")
        replace(path, lines[1].read_bytes())
        server.wait_for_reload(len(broken) + 2)
        [model] = client.get("/ready").json()["models"]
        assert model["problem"] is None
        assert model["version"] != version
        assert slope(client) == 5.0
        text = client.get("/metrics").text
    assert 'deltarule_reloads_total{model="line",result="broken"} 5.0' in text
    assert 'deltarule_reloads_total{model="line",result="good"} 1.0' in text


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_accepted_request(serve, lines: list[Path], workers: int):
    server = serve(f"line={lines[0]}", "--workers", workers)
    with server.client() as client:
        until_it_answers(client)
    statuses: Counter[int] = Counter()

    def answered(answer: httpx.Response) -> None:
        statuses[answer.status_code] += 1

    with load(server.address, 4, answered):
        give_up = time.monotonic() + 30
        while statuses.total() < 20 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert server.stop() == 0
    assert set(statuses) == {200}
    assert statuses[200] >= 20
    assert "Traceback" not in server.said


def test_a_slow_request_is_answered_before_it_ends(serve, models: Path, films: Path):
    server = serve(models / "films.json", "--timeout", "100")
    rows = pl.read_csv(films).select("budget", "genre", "release_date", "imdb_rating").head(900)
    found: list[httpx.Response] = []

    def ask() -> None:
        with server.client() as client:
            found.append(client.post("/models/films/explain", json=rows.to_dicts()))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    assert server.stop() == 0
    asking.join()
    assert found[0].status_code == 200
    assert len(found[0].json()["explanations"]) == 900


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no such signal")
def test_a_closed_terminal_ends_it_as_sigterm_does(serve, lines: list[Path]):
    server = serve(f"line={lines[0]}")
    statuses: Counter[int] = Counter()
    with server.client() as client:
        until_it_answers(client)

    def answered(answer: httpx.Response) -> None:
        statuses[answer.status_code] += 1

    with load(server.address, 2, answered):
        time.sleep(0.3)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(timeout=30) == 0
    assert set(statuses) == {200}
    assert server.said == ""


def test_the_second_ctrl_c_ends_it_at_once_without_a_traceback(serve, models: Path, films: Path):
    server = serve(models / "films.json")
    rows = pl.read_csv(films).select("budget", "genre", "release_date", "imdb_rating").head(900)
    with server.client() as client:
        assert client.get("/health").status_code == 200

    def ask() -> None:
        with server.client() as client, suppress(httpx.HTTPError):
            client.post("/models/films/explain", json=rows.to_dicts())

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    for _ in range(2):
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    server.process.wait(timeout=30)
    asking.join()
    assert server.said == ""


def test_workers_end_where_their_supervisor_was_killed(serve, lines: list[Path]):
    import psutil

    server = serve(f"line={lines[0]}", "--workers", "2")
    with server.client() as client:
        until_it_answers(client)
    workers = psutil.Process(server.process.pid).children()
    server.process.kill()
    server.process.wait(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []


def test_it_says_that_it_is_not_ready_once_it_is_to_end(serve, lines: list[Path]):
    server = serve(f"line={lines[0]}")
    with server.client() as client:
        assert client.get("/ready").status_code == 200
        server.process.terminate()
        time.sleep(0.25)
        told = client.get("/ready")
        assert (told.status_code, told.json()["ready"]) == (503, False)
        assert told.headers["connection"] == "close"
    assert server.process.wait(timeout=30) == 0


def test_workers_share_their_metrics_and_one_that_dies_is_replaced(serve, lines: list[Path]):
    import psutil

    server = serve(f"line={lines[0]}", "--workers", "2")
    with server.client() as client:
        until_it_answers(client)
    for _ in range(20):  # each by a connection of its own
        assert httpx.post(f"{server.address}{PREDICT}", json=ROW).status_code == 200
    # Whichever worker is asked tells the rows of both, within a second: 21 of one value.
    end = time.monotonic() + 20
    while (told := metrics_of(server.address))["deltarule_drift_cells_total"] < 21:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert told["deltarule_rows_total"] == told["deltarule_drift_cells_total"] == 21
    drift = DriftCounts(dr.load(lines[0]).record)
    for _ in range(21):
        drift.add(ROW, [3.0], [])
    size = psi(drift.names["x"], drift.taken()["x"], 20.0)
    assert told["deltarule_drift_psi"] == pytest.approx(size, rel=1e-12)
    assert size > 1  # 21 rows of one value are no chance beside 20 of as many
    workers = [
        one
        for one in psutil.Process(server.process.pid).children()
        if any("spawn_main" in word for word in one.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    end = time.monotonic() + 20
    while True:
        left = psutil.Process(server.process.pid).children()
        new = [one for one in left if one not in workers and "spawn_main" in str(one.cmdline())]
        if new:
            break
        assert time.monotonic() < end
        time.sleep(0.05)
    assert server.stop() == 0


def metrics_of(address: str) -> dict[str, float]:
    """The sum of each metric's samples."""
    found: dict[str, float] = Counter()
    for family in text_string_to_metric_families(httpx.get(f"{address}/metrics").text):
        for sample in family.samples:
            found[sample.name] += sample.value
    return found


def until_it_answers(client: httpx.Client) -> None:
    """Workers load their models after the address was told; connections wait for them."""
    end = time.monotonic() + 30
    while client.post(PREDICT, json=ROW).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_nothing_is_left_behind(serve, lines: list[Path], tmp_path: Path, monkeypatch):
    away = tmp_path / "tmp"
    away.mkdir()
    monkeypatch.setitem(os.environ, "TMPDIR", str(away))
    server = serve(f"line={lines[0]}", "--workers", "2")
    with server.client() as client:
        until_it_answers(client)
        body = b"x\n1\n2\n"
        answer = client.post(PREDICT, content=body, headers={"content-type": "text/csv"})
        assert answer.status_code == 200
    assert server.stop() == 0
    assert list(away.iterdir()) == []
