"""What models answer over HTTP is what they answer in Python; what they refuse is said in words."""

import io
import json
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from jsonschema_rs import Draft202012Validator

import deltarule as dr
from deltarule.model.model import load

CSV, ARROW = "text/csv", "application/vnd.apache.arrow.stream"
ROW = {"budget": 30_000_000, "genre": "Comedy", "release_date": "2000-01-31", "imdb_rating": 5.5}
ROWS: list[dict[str, Any]] = [
    ROW,
    {"budget": None, "genre": "Drama", "release_date": "1999-12-31", "imdb_rating": 7},
    {"budget": 9e9, "genre": "Comdy", "release_date": None, "imdb_rating": None},
]


def same(given: Any, expected: Any) -> None:
    """Equal to the last digit but one: JSON carries all of them."""
    assert len(given) == len(expected)
    for one, other in zip(given, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            wanted = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert one[name] == wanted, name


@pytest.fixture
def films_model(models: Path) -> dr.Model:
    return load(models / "films.json")


def refused(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem's members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    members: dict[str, Any] = answer.json()
    assert members["type"] == f"urn:deltarule:problem:{kind}"
    assert members["status"] == status
    assert "Traceback" not in answer.text
    return members


def post(client: httpx.Client, path: str, body: str | bytes, kind: str = "application/json", **how):
    return client.post(path, content=body, headers={"content-type": kind, **how})


def test_rows_are_predicted_as_in_python(client: httpx.Client, films_model: dr.Model):
    answer = client.post("/models/films/predict", json=ROWS).json()
    same(answer["predictions"], films_model.predict(ROWS, flags=True))
    assert answer["model"] == "films"
    assert any("did you mean 'Comedy'" in note for note in answer["notes"])
    [one] = client.post("/models/films/predict", json=ROW).json()["predictions"]
    same([one], answer["predictions"][:1])
    assert client.post("/models/films/predict", json=[]).json()["predictions"] == []


@pytest.mark.parametrize("name", ["rating", "mixed"])
def test_classes_and_several_targets_are_predicted_as_in_python(
    client: httpx.Client, models: Path, films: Path, mixed: pl.DataFrame, name: str
):
    model = load(models / f"{name}.json")
    table = (mixed if name == "mixed" else pl.read_csv(films)).head(80)
    rows = table.select(model.record.contract.needs).to_dicts()
    answer = client.post(f"/models/{name}/predict", json=rows).json()
    same(answer["predictions"], model.predict(rows, flags=True))


def test_csv_and_arrow_are_predicted_as_json_is(client: httpx.Client):
    expected = client.post("/models/films/predict", json=ROWS).json()["predictions"]
    frame = pl.DataFrame(ROWS, strict=False)
    arrow = io.BytesIO()
    frame.write_ipc_stream(arrow)
    for body, kind in ((frame.write_csv(), CSV), (arrow.getvalue(), ARROW)):
        same(post(client, "/models/films/predict", body, kind).json()["predictions"], expected)
        told = post(client, "/models/films/predict", body, kind, accept=CSV)
        assert told.headers["content-type"].startswith(CSV)
        same(pl.read_csv(io.StringIO(told.text)).to_dicts(), expected)
        told = post(client, "/models/films/predict", body, kind, accept=ARROW)
        same(pl.read_ipc_stream(io.BytesIO(told.content)).to_dicts(), expected)


def test_explanations_are_those_of_python(client: httpx.Client, films_model: dr.Model):
    answer = client.post("/models/films/explain", json=ROWS[:2]).json()
    for at, one in enumerate(answer["explanations"]):
        expected = json.loads(json.dumps(films_model.explain(ROWS, row=at + 1).to_dict()))
        assert one["row"] == at + 1
        for given, output in zip(one["outputs"], expected["outputs"], strict=True):
            assert given["prediction"] == pytest.approx(output["prediction"], rel=1e-12)
            same(given["contributions"], output["contributions"])
    told = client.post("/models/films/explain", json=ROW, headers={"accept": "text/html"})
    assert "<svg" in told.text
    assert "genre = Comedy" in told.text
    csv = client.post("/models/films/explain", json=ROWS, headers={"accept": CSV}).text
    assert "gross_from_genre" in csv.splitlines()[0]


def test_intervals_are_those_of_python(client: httpx.Client, films_model: dr.Model):
    answer = client.post("/models/films/predict?interval=0.8", json=ROW).json()
    same(answer["predictions"], films_model.predict([ROW], flags=True, interval=0.8))
    refused(client.post("/models/films/predict?interval=much", json=ROW), 422, "option")
    refused(client.post("/models/films/predict?interval=2", json=ROW), 422, "refused")


@pytest.mark.parametrize(
    ("change", "kind", "field", "nearest"),
    [
        ({"budget": "30"}, "type", "budget", []),
        ({"budget": True}, "type", "budget", []),
        ({"genre": 3}, "type", "genre", []),
        ({"budget": ...}, "missing-column", "budget", []),
        ({"budget": ..., "Budget": 3}, "missing-column", "budget", ["Budget"]),
        ({"imdb_rating": ..., "imbd_rating": 3}, "missing-column", "imdb_rating", ["imbd_rating"]),
    ],
)
def test_a_row_is_refused_by_field_row_and_nearest_name(
    client: httpx.Client, change: dict[str, Any], kind: str, field: str, nearest: list[str]
):
    row = {name: value for name, value in (ROW | change).items() if value is not ...}
    for body, number in ((row, 1), ([ROW, row], 2)):
        members = refused(client.post("/models/films/predict", json=body), 422, kind)
        assert (members["field"], members["row"]) == (field, number)
        assert members.get("nearest", []) == nearest


def test_text_that_does_not_parse_is_refused_whatever_the_rows_beside_it(client: httpx.Client):
    wrong = ROW | {"release_date": "soon"}
    for rows, number in (([wrong], 1), ([ROW, wrong], 2), ([ROW] * 90 + [wrong], 91)):
        answer = client.post("/models/films/predict", json=rows)
        assert answer.status_code == 422
        assert (answer.json()["field"], answer.json()["row"]) == ("release_date", number)


@pytest.mark.parametrize("path", ["predict", "explain"])
def test_text_that_does_not_parse_is_refused_in_a_csv_body_as_in_json(
    client: httpx.Client, path: str
):
    wrong = pl.DataFrame([ROW, ROW | {"release_date": "2020-02-30"}], strict=False)
    members = refused(
        post(client, f"/models/films/{path}", wrong.write_csv(), CSV, accept="application/json"),
        422,
        "type",
    )
    assert (members["field"], members["row"]) == ("release_date", 2)
    assert members["detail"] == "row 2: 'release_date' is no date"


def test_columns_that_are_not_the_models_may_hold_anything(client: httpx.Client):
    rows = [ROW | {"extra": [1, {"a": "b:c"}]}, ROW | {"extra": "x", "more": None}]
    expected = client.post("/models/films/predict", json=[ROW, ROW]).json()["predictions"]
    for path in ("", "?interval=0.9"):
        answer = client.post(f"/models/films/predict{path}", json=rows).json()
        assert answer["predictions"][0]["gross_prediction"] == expected[0]["gross_prediction"]
        assert answer["notes"] == ["2 other columns ignored: extra, more"]
    assert client.post("/models/films/explain", json=rows).status_code == 200
    options = "&".join(f"a{at}=1" for at in range(99))
    refused(client.post(f"/models/films/predict?{options}", json=ROW), 422, "option")


def test_strict_requests_refuse_drift(client: httpx.Client):
    path = "/models/films/predict?strict=true"
    assert client.post(path, json=ROW).status_code == 200
    unseen = refused(client.post(path, json=[ROW, ROW | {"genre": "Comdy"}]), 422, "drift")
    assert (unseen["field"], unseen["row"], unseen["nearest"][0]) == ("genre", 2, "Comedy")
    beyond = refused(client.post(path, json=ROW | {"budget": 1e12}), 422, "drift")
    assert beyond["field"] == "budget"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/models/films/predict?intervall=0.9", "did you mean 'interval'?"),
        ("/models/films/explain?x=1", "there are interval and strict"),
        ("/invocations?model=films&strict=1", "there is no option 'strict' here"),
        ("/v2/models/films/infer?strict=1", "there is no option 'strict' here"),
    ],
)
def test_an_option_that_is_not_known_is_refused(client: httpx.Client, path: str, said: str):
    problem = refused(client.post(path, json={"instances": ROWS}), 422, "option")
    assert said in problem["detail"]


def test_strict_explanations_refuse_drift(client: httpx.Client):
    strange = pl.DataFrame(ROWS, strict=False).write_csv()
    path = "/models/films/explain?strict=true"
    for accept in ("application/json", CSV):
        answers = (
            client.post(path, json=ROWS, headers={"accept": accept}),
            post(client, path, strange, CSV, accept=accept),
        )
        for answer in answers:
            problem = refused(answer, 422, "drift")
            assert (problem["field"], problem["row"]) == ("genre", 3)
    assert client.post(path, json=ROW).status_code == 200
    refused(client.post("/models/films/explain?interval=0.9", json=ROW), 422, "option")
    told = client.post("/models/films/explain?interval=0.9", json=ROW, headers={"accept": CSV})
    assert "gross_low" in told.text.splitlines()[0]


def test_explained_rows_of_a_csv_body_are_counted(client: httpx.Client):
    def unseen() -> float:
        found = re.search(
            r'unseen_levels_total\{column="genre",model="films"\} (\S+)',
            client.get("/metrics").text,
        )
        return 0.0 if found is None else float(found[1])

    before = unseen()
    post(client, "/models/films/explain", pl.DataFrame(ROWS, strict=False).write_csv(), CSV)
    assert unseen() == before + 1


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv;q=0, application/json", "application/json"),
        ("application/json;q=0.1, text/csv;q=0.9", CSV),
        ("text/csv, application/json", CSV),
        ("text/csv;q=0", "application/json"),
        ("application/xml, */*;q=0.8", "application/json"),
    ],
)
def test_the_kind_of_answer_that_is_preferred_is_given(client: httpx.Client, accept, kind):
    told = client.post("/models/films/predict", json=ROW, headers={"accept": accept})
    assert told.headers["content-type"].partition(";")[0] == kind


def test_a_format_of_another_address_is_named(client: httpx.Client):
    split = {"columns": list(ROW), "data": [list(ROW.values())]}
    for body in (split, {"dataframe_split": split}, {"instances": ROWS}):
        problem = refused(client.post("/models/films/predict", json=body), 422, "rows")
        assert "/invocations" in problem["detail"]
    columns = {name: [cell] for name, cell in ROW.items()}
    problem = refused(client.post("/models/films/predict", json=columns), 422, "type")
    assert "rows are a list of objects" in problem["detail"]
    for body, said in ((split, '{"dataframe_split": '), (ROWS, '{"dataframe_records": ')):
        problem = refused(client.post("/invocations?model=films", json=body), 400, "format")
        assert said in problem["detail"]


def test_a_date_counts_the_same_whatever_stands_beside_it(client: httpx.Client):
    def predicted(*dates: str) -> httpx.Response:
        rows = [ROW | {"release_date": one} for one in dates]
        return client.post("/models/films/predict", json=rows)

    timed = predicted("2000-01-31", "2000-01-31 14:05").json()["predictions"]
    assert timed == predicted("2000-01-31", "2000-01-31").json()["predictions"]
    for dates in (("12/06/1998",), ("31/12/1998", "12/06/1998"), ("1998-06-12", "12/06/1998")):
        answer = predicted(*dates)
        assert answer.status_code == 422
        assert answer.json()["field"] == "release_date"
        assert "2024-01-31" in answer.json()["detail"]
        assert "--read" not in answer.text


def test_a_body_of_two_lengths_is_refused(server):
    """A proxy may take the one, and pass what follows as a request of its own."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        host = f"host: 127.0.0.1:{server.port}\r\n"
        head = f"POST /models/films/predict HTTP/1.1\r\n{host}content-length: 4\r\n"
        wire.sendall(f"{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n".encode())
        wire.sendall(f"GET /health HTTP/1.1\r\n{host}\r\n".encode())
        told = b""
        with suppress(ConnectionResetError):
            while part := wire.recv(65536):
                told += part
    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1") == 1


def test_a_contract_is_json_schema_with_an_example_that_is_predicted(client: httpx.Client):
    names = [one["name"] for one in client.get("/models").json()["models"]]
    assert names == ["films", "rating", "mixed"]
    for name in names:
        contract = client.get(f"/models/{name}").json()
        schema = contract["schema"]
        Draft202012Validator(schema).validate(contract["example"])
        answer = client.post(f"/models/{name}/predict", json=contract["example"]).json()
        Draft202012Validator(contract["prediction"]).validate(answer["predictions"][0])
        assert answer["predictions"][0]["flags"] is None
    assert "/tmp" not in client.get("/models/films").text
    near = refused(client.get("/models/flms"), 404, "model")["nearest"]
    assert near == ["films"]


def test_mlflow_formats_are_answered_alike(client: httpx.Client, films_model: dr.Model):
    expected = films_model.predict(ROWS)
    path = "/invocations?model=films"
    frame = pl.DataFrame(ROWS, strict=False)
    columns = frame.to_dict(as_series=False)
    bodies = [
        {"dataframe_records": ROWS},
        {"dataframe_split": {"columns": frame.columns, "data": [*map(list, frame.rows())]}},
        {"instances": ROWS},
        {"instances": [[row[name] for name in ROW] for row in ROWS]},
        {"inputs": columns},
        {"inputs": {name: [[cell] for cell in cells] for name, cells in columns.items()}},
    ]
    for body in bodies:
        same(client.post(path, json=body).json()["predictions"], expected)
    same(post(client, path, frame.write_csv(), CSV).json()["predictions"], expected)
    refused(client.post(path, json={}), 400, "format")
    refused(client.post(path, json={"instances": ROWS, "inputs": ROWS}), 400, "format")
    refused(client.post(path, json={"instances": [[1]]}), 400, "format")
    refused(client.post("/invocations", json={"instances": ROWS}), 400, "model")
    params = {"flags": True, "interval": 0.8}
    told = client.post(path, json={"instances": ROWS, "params": params}).json()["predictions"]
    same(told, films_model.predict(ROWS, **params))
    told = client.post(path, json={"instances": ROWS, "params": {"explain": True}}).json()
    for given, wanted in zip(told["predictions"], films_model.explain(ROWS), strict=True):
        assert given == pytest.approx(wanted, rel=1e-9, abs=1e-3)  # of contributions that cancel
    for wrong in ({"flag": True}, [1], {"flags": 1}, {"interval": "0.8"}):
        refused(client.post(path, json={"instances": ROWS, "params": wrong}), 400, "format")
    assert client.get("/ping").status_code == 200


def test_the_open_inference_protocol_is_spoken(client: httpx.Client, films_model: dr.Model):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True
    assert client.get("/v2").json()["name"] == "deltarule"
    assert client.get("/v2/models/films/ready").json() == {"name": "films", "ready": True}
    told = client.get("/v2/models/films").json()
    assert {one["name"]: one["datatype"] for one in told["inputs"]}["genre"] == "BYTES"
    assert told["outputs"] == [{"name": "gross_prediction", "datatype": "FP64", "shape": [-1]}]
    inputs = [
        one | {"shape": [len(ROWS)], "data": [row[one["name"]] for row in ROWS]}
        for one in told["inputs"]
    ]
    [version] = told["versions"]
    for path in ("/v2/models/films/infer", f"/v2/models/films/versions/{version}/infer"):
        answer = client.post(path, json={"id": "a", "inputs": inputs}).json()
        assert (answer["id"], answer["model_version"]) == ("a", version)
        [output] = answer["outputs"]
        assert (output["datatype"], output["shape"]) == ("FP64", [3])
        expected = [one["gross_prediction"] for one in films_model.predict(ROWS)]
        assert output["data"] == pytest.approx(expected, rel=1e-12)
    wrong = client.post("/v2/models/films/infer", json={"inputs": inputs[:1]})
    assert refused(wrong, 422, "missing-column")["error"]
    for change in ({"shape": [2]}, {"datatype": "BYTES"}, {"data": 3}, {"name": 3}):
        body = {"inputs": [inputs[0] | change, *inputs[1:]]}
        assert client.post("/v2/models/films/infer", json=body).status_code == 400
    assert client.get("/v2/models/films/versions/2").status_code == 404


def test_metrics_count_requests_rows_and_drift(client: httpx.Client):
    def value(line: str) -> float:
        found = re.search(rf"(?m)^{re.escape(line)} (\S+)$", client.get("/metrics").text)
        return float(found[1]) if found else 0.0

    requests = 'deltarule_requests_total{model="films",route="/models/{name}/predict",status="200"}'
    lines = [
        requests,
        'deltarule_rows_total{model="films"}',
        'deltarule_unseen_levels_total{column="genre",model="films"}',
        'deltarule_out_of_range_total{column="budget",model="films"}',
        'deltarule_request_seconds_count{route="/models/{name}/predict"}',
    ]
    before = [value(line) for line in lines]
    client.post("/models/films/predict", json=ROWS)
    after = [value(line) for line in lines]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 3, 1, 1, 1]


def test_more_than_the_limits_is_refused(models: Path, serve):
    server = serve(models / "films.json", "--max-mb", "0.1", "--max-rows", "3")
    with server.client() as client:
        assert client.post("/models/films/predict", json=ROWS).status_code == 200
        path, csv = "/models/films/predict", pl.DataFrame(ROWS, strict=False)
        refused(client.post(path, json=[ROW] * 4), 413, "too-many-rows")
        csv = pl.concat([csv, csv]).write_csv()
        refused(post(client, path, csv, CSV), 413, "too-many-rows")
        refused(post(client, path, b" " * 200_000), 413, "too-large")


def test_a_token_is_asked_for(models: Path, serve, write):
    token = write("token.txt", "secret-42\n")
    server = serve(models / "films.json", "--token-file", token)
    with server.client() as client:
        for path in ("/", "/docs", "/static/page.js", "/health", "/v2/health/ready", "/ping"):
            assert client.get(path).status_code == 200
        assert client.get("/ready").json() == {"ready": True}
        for path in ("/models", "/models/films", "/metrics", "/openapi.json", "/v2/models/films"):
            refused(client.get(path), 401, "token")
        for word in ("Bearer secret-4", "Bearer secret-42x", "Basic secret-42", "secret-42", ""):
            refused(client.get("/models", headers={"authorization": word}), 401, "token")
        good = {"authorization": "Bearer secret-42"}
        assert client.get("/models", headers=good).status_code == 200
        assert client.post("/models/films/predict", json=ROW, headers=good).status_code == 200
        assert client.get("/ready", headers=good).json()["models"][0]["name"] == "films"
    assert "secret" not in server.said


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"host": "evil.example"}, "host"),
        ({"host": "127.0.0.1"}, "host"),
        ({"host": "10.0.0.1:{port}"}, "host"),
        ({"host": "127.0.0.1:{port}.evil.example"}, "host"),
        ({"origin": "http://evil.example"}, "origin"),
        ({"origin": "null"}, "origin"),
        ({"origin": "http://127.0.0.1:1"}, "origin"),
        ({"sec-fetch-site": "cross-site"}, "origin"),
    ],
)
def test_other_hosts_and_sites_are_refused(server, client: httpx.Client, headers, kind):
    given = {name: value.format(port=server.port) for name, value in headers.items()}
    refused(client.post("/models/films/predict", json=ROW, headers=given), 403, kind)


def test_its_own_page_and_names_it_was_given_are_answered(server, models: Path, serve):
    own = {"origin": server.address, "sec-fetch-site": "same-origin"}
    with server.client() as client:
        assert client.post("/models/films/predict", json=ROW, headers=own).status_code == 200
    behind = serve(models / "films.json", "--host", "0.0.0.0", "--allow-host", "api.example")
    address = f"http://127.0.0.1:{behind.port}"
    with httpx.Client(base_url=address) as client:
        for host in ("api.example", "10.1.2.3:80", "localhost:7", f"[::1]:{behind.port}"):
            assert client.get("/health", headers={"host": host}).status_code == 200
        refused(client.get("/health", headers={"host": "evil.example"}), 403, "host")


def test_an_answer_does_not_wait_for_the_next_packet(client: httpx.Client):
    """Nagle's delay would be 40 ms; the least of many is not what a busy machine adds."""
    took = [client.post("/models/films/predict", json=ROW).elapsed for _ in range(20)]
    assert min(took).total_seconds() < 0.03


def test_addresses_and_methods_that_are_not_there(client: httpx.Client):
    refused(client.get("/nowhere"), 404, "address")
    refused(client.get("/models/"), 404, "address")
    refused(client.get("/static/..%2fapp.py"), 404, "address")
    answer = client.get("/models/films/predict")
    refused(answer, 405, "address")
    assert answer.headers["allow"] == "POST"
    refused(post(client, "/models/films/predict", b"x", "image/png"), 415, "media-type")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json"], "no such model file"),
        (["{films}"], "not a model file"),
        (["{model}", "{model}"], "two models are called films"),
        (["{model}", "--token-file", "nowhere"], "cannot be read"),
        (["{model}", "--host", "no.such.host.invalid"], "no address of this machine"),
        (["{model}", "--host", "192.0.2.1"], "no address of this machine"),
        (["{model}", "--host", ""], "--host is empty"),
        (["{model}", "--allow-host", "api.example:80"], "no host's name"),
        (["{model}", "--allow-host", "https://api.example"], "no host's name"),
        (["..={model}"], "gives no name"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_line(run, models: Path, films: Path, words, said):
    told = [word.format(films=films, model=models / "films.json") for word in words]
    assert said in run("serve", *told).refused()


def test_a_port_that_is_taken_is_said(run, server, models: Path):
    said = run("serve", models / "films.json", "--port", server.port).refused()
    assert f"port {server.port}" in said


def test_a_missing_extra_is_named(run, monkeypatch, models: Path):
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = run("serve", models / "films.json").refused()
    assert "pip install 'deltarule[serve]'" in said
