"""Requests made up from the served OpenAPI: no answer of 5xx, none outside the document."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import schemathesis

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def test_no_made_up_request_finds_a_5xx_or_an_answer_outside_the_document(
    models: Path, serve, tmp_path: Path
):
    server = serve(models / "films.json")
    program = Path(schemathesis.__file__).parents[4] / "bin" / "schemathesis"
    words = ["run", f"{server.address}/openapi.json", "--checks", ",".join(CHECKS)]
    words += ["--max-examples", "10", "--seed", "1", "--workers", "1", "--no-color"]
    done = subprocess.run(
        [sys.executable, program, *words, "--generation-database", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    known = httpx.get(f"{server.address}/openapi.json").json()["paths"]
    assert f"Selected: {len(known)}/{len(known)}" in done.stdout
    tested, cases = (
        re.search(words, done.stdout) for words in (r"Tested: (\d+)", r"(\d+) generated, ")
    )
    assert tested is not None
    assert int(tested[1]) == len(known) >= 18
    assert cases is not None
    assert int(cases[1]) >= 300
    assert server.said == ""


def test_the_document_has_each_model_and_nothing_of_the_machine(client: httpx.Client):
    document = client.get("/openapi.json")
    paths = document.json()["paths"]
    for name in ("films", "rating", "mixed"):
        infer = f"/v2/models/{name}"
        assert {f"/models/{name}", f"/models/{name}/predict", f"{infer}/infer"} <= set(paths)
        version = client.get(infer).json()["versions"][0]
        for ending in ("", "/ready", "/infer"):
            assert f"{infer}/versions/{version}{ending}" in paths
    assert "/tmp" not in document.text
    assert "http" not in document.text.replace("https://json-schema.org", "")
