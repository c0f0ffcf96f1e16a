"""Serving: one row over loopback, beside a FastAPI app that one writes by hand, in the same run.

    python -m benchmarks.serve [--quick] [--mlflow PYTHON]

Each server is a process of its own with one worker, on a table of 10 numbers and 2 categories of 10
levels. The client is another process that speaks bare HTTP: first one connection (latency), then 16
(requests a second). Contestants take turns. Then the model's file is replaced 1,000 times under
load, the server is asked to end under load, and single rows are predicted in Python.

With --mlflow, the path of a Python that has mlflow and scikit-learn, `mlflow models serve` takes
part. Results go to serve.jsonl beside this file.
"""

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import deltarule as dr
from benchmarks import machine

RESULTS = Path(__file__).with_name("serve.jsonl")
ROWS, NUMBERS, CATEGORIES, LEVELS = 5_000, 10, 2, 10
CONNECTIONS = 16
OURS = [sys.executable, "-c", "from deltarule.cli import main; main()", "serve"]
FASTAPI = [sys.executable, "-m", "uvicorn", "benchmarks.fastapi_pipeline:app", "--log-level=error"]


def table() -> pd.DataFrame:
    """The table: numbers with gaps, categories, and a target."""
    rng = np.random.default_rng(1)
    found = {f"n{at}": rng.normal(50, 10, ROWS) for at in range(NUMBERS)}
    found |= {f"c{at}": rng.choice(list("abcdefghij"), ROWS) for at in range(CATEGORIES)}
    frame = pd.DataFrame(found)
    frame["y"] = frame["n0"] * 2 + (frame["c0"] == "a") * 5 + rng.normal(0, 1, ROWS)
    frame.loc[rng.random(ROWS) < 0.05, "n1"] = np.nan
    return frame


def pipeline(frame: pd.DataFrame) -> Pipeline:
    """The same model in scikit-learn."""
    numbers = [f"n{at}" for at in range(NUMBERS)]
    kinds = [f"c{at}" for at in range(CATEGORIES)]
    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
                numbers,
            ),
            ("kinds", OneHotEncoder(handle_unknown="ignore"), kinds),
        ]
    )
    fitted = make_pipeline(columns, LinearRegression())
    return fitted.fit(frame.drop(columns="y"), frame["y"])


class Wire:
    """A connection that asks the same again and again, in bare HTTP: the client costs little."""

    def __init__(self, port: int, path: str, body: bytes) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        )
        self._request = head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self.began = 0.0

    def send(self) -> None:
        """Begin a request."""
        self.began, self._answer = perf_counter(), b""
        self.socket.sendall(self._request)

    def receive(self) -> tuple[int, bool] | None:
        """The status and whether the connection ends, once the answer is whole."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionResetError
        self._answer += part
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return None
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        return int(head[9:12]), b"connection: close" in lower

    def ask(self) -> tuple[int, bool]:
        """Send, and wait for the answer."""
        self.send()
        while (answer := self.receive()) is None:
            pass
        return answer


def latency(port: int, path: str, body: bytes, requests: int) -> dict[str, float]:
    """One connection, one request after the other: milliseconds."""
    wire, took = Wire(port, path, body), []
    for at in range(requests + requests // 10):
        began = perf_counter()
        status, _ = wire.ask()
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")
        if at >= requests // 10:
            took.append(1000 * (perf_counter() - began))
    took.sort()
    return {"p50_ms": median(took), "p99_ms": took[int(0.99 * len(took))]}


def throughput(port: int, path: str, body: bytes, seconds: float) -> dict[str, float]:
    """Many connections at a time: requests a second, and milliseconds; none may fail."""
    took: list[float] = []
    failed, busy = 0, CONNECTIONS
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        wire = Wire(port, path, body)
        selector.register(wire.socket, selectors.EVENT_READ, wire)
        wire.send()
    end = perf_counter() + seconds
    while busy:
        for key, _ in selector.select():
            answer = key.data.receive()
            if answer is None:
                continue
            took.append(1000 * (perf_counter() - key.data.began))
            failed += answer[0] != 200
            if perf_counter() < end:
                key.data.send()
            else:
                busy -= 1
    took.sort()
    return {
        "requests_per_second": len(took) / seconds,
        "saturated_p50_ms": median(took),
        "saturated_p99_ms": took[int(0.99 * len(took))],
        "failed": failed,
    }


@contextmanager
def server(words: Sequence[object], port: int, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server as a process, once it accepts connections."""
    with subprocess.Popen(
        [*map(str, words)],
        cwd=machine.ROOT,
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until = perf_counter() + 120
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if perf_counter() > until or process.poll() is not None:
                        raise RuntimeError(f"{words[:4]} does not listen") from None
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def measured(
    words: Callable[[int], Sequence[object]],
    path: str,
    body: bytes,
    how: argparse.Namespace,
    **env: str,
) -> dict[str, float]:
    """A contestant's figures, of a client in a process of its own."""
    port = free_port()
    with server(words(port), port, **env):
        asked = [str(port), path, body.decode(), str(how.requests), str(how.seconds)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serve", "--client", *asked],
            cwd=machine.ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, float] = json.loads(done.stdout)
        return found


def reloads(model: Path, other: Path, path: str, body: bytes, times: int) -> dict[str, Any]:
    """The model's file replaced so often while four connections ask: how many requests fail."""
    contents = [model.read_bytes(), other.read_bytes()]
    port, ending = free_port(), threading.Event()
    asked, failed = 0, 0

    def asks() -> None:
        nonlocal asked, failed
        wire = Wire(port, path, body)
        while not ending.is_set():
            failed += wire.ask()[0] != 200
            asked += 1

    with server([*OURS, model, "--port", port, "--reload", "0.005"], port):
        threads = [threading.Thread(target=asks) for _ in range(4)]
        for one in threads:
            one.start()
        for number in range(1, times + 1):
            beside = model.with_suffix(".new")
            beside.write_bytes(contents[number % 2])
            beside.replace(model)
            while reloaded(port) < number:
                time.sleep(0.005)
        ending.set()
        for one in threads:
            one.join()
    return {"reloads": times, "requests": asked, "failed": failed}


def reloaded(port: int) -> int:
    """How often the server says that it has read the file again."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = text.partition('deltarule_reloads_total{model="model",result="good"} ')[2]
    return int(float(found.partition("\n")[0] or 0))


def stop(model: Path, path: str, body: bytes) -> dict[str, Any]:
    """SIGTERM while 16 connections ask: how many requests that were sent have no answer."""
    port = free_port()
    asked, lost = 0, 0

    def asks() -> None:
        nonlocal asked, lost
        ends = True
        while True:
            if ends:
                try:
                    wire = Wire(port, path, body)
                except OSError:
                    return  # it accepts no more
            try:
                status, ends = wire.ask()
            except OSError:
                lost += 1
                return
            asked += 1
            lost += status != 200

    with server([*OURS, model, "--port", port], port) as process:
        threads = [threading.Thread(target=asks) for _ in range(CONNECTIONS)]
        for one in threads:
            one.start()
        time.sleep(1.0)
        process.terminate()
        for one in threads:
            one.join()
        code = process.wait(timeout=30)
    return {"requests": asked, "lost": lost, "exit_code": code}


def single_rows(
    model: dr.Model, fitted: Pipeline, row: dict[str, Any], times: int
) -> dict[str, float]:
    """One row in Python: microseconds each, by turns; a frame of one row for scikit-learn."""
    frame = pd.DataFrame([row])
    ours, theirs = [], []
    model.predict(row)
    fitted.predict(frame)
    for _ in range(times):
        began = perf_counter()
        model.predict(row)
        ours.append(perf_counter() - began)
        began = perf_counter()
        fitted.predict(frame)
        theirs.append(perf_counter() - began)
    return {
        "deltarule_us": 1e6 * median(ours),
        "scikit_learn_us": 1e6 * median(theirs),
        "times": median(theirs) / median(ours),
    }


def contestants(folder: Path, how: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each by its name, and what measures it once."""
    frame = table()
    model, fitted = dr.learn(frame, predict="y"), pipeline(frame)
    model.save(folder / "model.json", moments=False)
    joblib.dump(fitted, folder / "pipeline.joblib")
    row: dict[str, Any] = frame.drop(columns="y").iloc[0].to_dict()
    body = json.dumps(row).encode()
    path = "/models/model/predict"

    def ours(port: int) -> list[object]:
        return [*OURS, folder / "model.json", "--port", port]

    yield "deltarule", lambda: measured(ours, path, body, how)
    env = {"PIPELINE": str(folder / "pipeline.joblib")}
    yield (
        "FastAPI, joblib, scikit-learn",
        lambda: measured(lambda port: [*FASTAPI, "--port", port], "/predict", body, how, **env),
    )
    if how.mlflow:
        script = (
            "import joblib, mlflow.sklearn, sys; "
            "mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], "
            "serialization_format='cloudpickle')"
        )
        saved = folder / "mlflow"
        subprocess.run([how.mlflow, "-c", script, env["PIPELINE"], saved], check=True)
        records = json.dumps({"dataframe_records": [row]}).encode()

        def mlflow(port: int) -> list[object]:
            words = [how.mlflow, "-m", "mlflow", "models", "serve", "-m", saved, "-p", port]
            return [*words, "--env-manager", "local", "--workers", 1]

        where = os.pathsep.join([str(Path(how.mlflow).parent), os.environ["PATH"]])
        yield (
            "mlflow models serve",
            lambda: measured(mlflow, "/invocations", records, how, PATH=where),
        )
    more = dr.learn(frame.assign(y=frame["y"] + 1), predict="y")
    more.save(folder / "other.json", moments=False)
    yield "single rows in Python", lambda: single_rows(model, fitted, row, how.requests)
    yield "SIGTERM under load", lambda: stop(folder / "model.json", path, body)
    yield (
        "reloads under load",
        lambda: reloads(folder / "model.json", folder / "other.json", path, body, how.reloads),
    )


ONCE = ("reloads under load",)


def main(words: Sequence[str] | None = None) -> int:
    how = _parser().parse_args(words)
    if how.client:
        port, path, body, requests, seconds = how.client
        found = latency(int(port), path, body.encode(), int(requests))
        found |= throughput(int(port), path, body.encode(), float(seconds))
        print(json.dumps(found))
        return 0
    if how.quick:
        how.requests, how.seconds, how.reloads, how.rounds = 200, 1.0, 20, 1
    at = datetime.now(UTC).isoformat(timespec="seconds")
    runs: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        listed = list(contestants(Path(name), how))
        for number in range(how.rounds):
            for contestant, measure in listed:
                if number and contestant in ONCE:
                    continue
                run = measure()
                runs.setdefault(contestant, []).append(run)
                print(f"{contestant}: {run}", file=sys.stderr, flush=True)
    with how.results.open("a", encoding="utf-8") as results:
        for contestant, each in runs.items():
            record = {"at": at, "contestant": contestant, "runs": each} | machine.described()
            results.write(json.dumps(record) + "\n")
    print(_told(runs))
    if not how.mlflow:
        print("mlflow models serve: skipped, as --mlflow names no Python that has mlflow's server")
    return 0


def _told(runs: dict[str, list[dict[str, Any]]]) -> str:
    """The medians over rounds, a line for each contestant."""
    lines = []
    for contestant, each in runs.items():
        figures = {name: median(run[name] for run in each) for name in each[0]}
        told = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        lines.append(f"{contestant}: {told}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="a few requests, to try it out")
    parser.add_argument("--requests", type=int, default=3_000, metavar="N", help="for latency")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="of saturation")
    parser.add_argument("--reloads", type=int, default=1_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has mlflow")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
