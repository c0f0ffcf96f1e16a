"""What the server answers, without a network: everything a page needs, and refusals in words."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import httpx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import MissingExtraError
from deltarule.losses.registry import COUPLED, KINKED, LOSSES
from deltarule.solvers.learners import LEARNERS
from deltarule.web.app import routes
from deltarule.web.app.routes import STATIC, GivenTable, application, finite_json
from deltarule.web.lessons import LESSONS
from deltarule.web.session import Choices
from deltarule.web.tables import opened

HOST, KEY = "127.0.0.1:8123", "right"
LOOK = {"output": 0, "shown": [], "chosen": 0}


class Client:
    """Asks an application without a network, as httpx asks servers."""

    def __init__(self, given_table: GivenTable | None = None) -> None:
        self.app = application(given_table, hosts=frozenset({HOST}), key=KEY)

    def request(self, method: str, path: str, **how) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            headers = {"x-deltarule-key": KEY}
            async with httpx.AsyncClient(
                transport=transport, base_url=f"http://{HOST}", headers=headers
            ) as client:
                return await client.request(method, path, **how)

        # In a thread of its own: a browser's loop may be running in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, ask()).result()

    def get(self, path: str, **how) -> httpx.Response:
        return self.request("GET", path, **how)

    def post(self, path: str, **how) -> httpx.Response:
        return self.request("POST", path, **how)


@pytest.fixture(scope="module")
def client() -> Client:
    return Client()


class Driven:
    """A session of the server, as a page has it."""

    def __init__(self, client: Client, begun: dict) -> None:
        assert "refused" not in begun, begun
        self.client, self.state = client, begun
        self.name, self.choices = begun["session"], begun["choices"]

    @classmethod
    def lesson(cls, client: Client, name: str) -> "Driven":
        return cls(client, client.post("/api/sessions", json={"lesson": name}).json())

    def ask(self, what: str, **question) -> dict:
        answer = self.client.post(f"/api/sessions/{self.name}/{what}", json=question)
        assert answer.status_code == 200, answer.text
        return strict(answer.text)

    def go(self, number: int) -> dict:
        """To a step, asking again as a page does where the server is short of time."""
        answer, before = self.ask("step", number=number, look=LOOK), -1
        while before < answer["step"] < number:
            before = answer["step"]
            answer = self.ask("step", number=number, look=LOOK)
        return answer

    def choose(self, *, number: int = 0, **change) -> dict:
        return self.ask("choices", **self.choices | change, number=number, look=LOOK)


def strict(text: str) -> dict:
    """JSON without NaN and Infinity, which no browser reads."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_page_and_its_files_are_served(client):
    page = client.get("/", params={"key": KEY})
    assert page.headers["content-type"].startswith("text/html")
    for name in [file.name for file in STATIC.iterdir()] + ["plotly.js", "theme.css"]:
        got = client.get(f"/static/{name}")
        assert got.status_code == 200
        assert got.headers["x-content-type-options"] == "nosniff"
    assert b"plotly.js" in client.get("/static/plotly.js").content[:300]
    assert "prefers-color-scheme: dark" in client.get("/static/theme.css").text


@pytest.mark.parametrize(
    "path",
    ["/static/../app/routes.py", "/static/%2e%2e%2fguard.py", "/static/nothing.js", "/docs",
     "/openapi.json", "/redoc", "/static/", "/api/sessions/none/model"],
)  # fmt: skip
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code in (404, 405)


def test_our_own_files_ask_for_nothing_elsewhere():
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "eval(" not in text


def test_each_lesson_has_what_a_lesson_is(client):
    told = client.get("/api/lessons").json()
    assert told["given"] is None
    assert [one["name"] for one in told["lessons"]] == [one.name for one in LESSONS]
    places = [
        [a["right"] for a in one["question"]["answers"]].index(True) for one in told["lessons"]
    ]
    assert set(places) == {0, 1, 2}
    assert {one["word"] for one in told["glossary"]} >= {"delta", "weight_delta", "alpha"}
    for lesson in LESSONS:
        state = Driven.lesson(client, lesson.name).state
        assert set(lesson.shown) <= set(state["names"])
        for figure in state["figures"].values():
            assert figure["data"]
            assert figure["layout"]["meta"]["alt"]


@pytest.mark.parametrize("lesson", [one.name for one in LESSONS])
def test_each_state_says_its_goal_and_its_held_out_error(client, lesson):
    driven = Driven.lesson(client, lesson)
    assert driven.state["goal"]["met"] is False
    for number in (0, 3):
        held_out = driven.go(number)["held_out"]
        assert held_out["how"]
        if lesson in ("one-weight", "too-far"):
            assert held_out["how"] == "too few rows to hold any out"
        else:
            assert held_out["error"] > 0


def test_a_sheet_is_served_for_each_lesson_and_no_other(client):
    for lesson in LESSONS:
        sheet = client.get(f"/api/lessons/{lesson.name}/sheet").json()
        assert len(sheet["steps"]) == lesson.exercise.steps
    assert "no lesson 'none'" in client.get("/api/lessons/none/sheet").json()["refused"]


def test_a_table_that_was_brought_is_kept_for_a_reload(client):
    content = b"size,note,price\n" + b"".join(b"%d,%d,%d\n" % (a, a % 4, 3 * a) for a in range(40))
    brought = client.post("/api/tables?name=shop.csv", content=content).json()
    assert brought["choices"]["predict"] == ["price"]
    assert brought["choices"]["standardise"] is True
    again = client.post("/api/sessions", json={"table": brought["kept"]}).json()
    assert again["table"]["name"] == "shop.csv"
    assert again["kept"] == brought["kept"]
    assert again["session"] != brought["session"]
    lost = client.post("/api/sessions", json={"table": "another"}).json()
    assert lost["refused"] == "that table is no longer held: bring it again"


def test_a_table_is_kept_however_long_no_one_asks_for_it():
    pages = routes.Pages(None)
    kept = pages.bring(b"size,price\n1,2\n2,4\n3,7\n", "shop.csv", None)["kept"]
    later = pages.tables.clock() + 30 * 24 * 3600
    pages.tables.clock = lambda: later
    assert pages.begin(routes.Begin(table=kept))["table"]["name"] == "shop.csv"


def test_columns_that_are_left_out_are_named_with_their_reason(client):
    rows = "".join(f"{at + 1},{at % 7},5,customer {at},{at % 7 * 3 + at % 2}\n" for at in range(60))
    content = f"row,size,same,name,price\n{rows}".encode()
    brought = client.post("/api/tables?name=shop.csv", content=content).json()
    why = {one["name"]: one["why"] for one in brought["table"]["unused"]}
    assert why["row"].startswith("it looks like an id")
    assert why["same"] == "always 5"
    assert "nearly unique" in why["name"]
    assert set(why) == {"row", "same", "name"}
    assert brought["held_out"]["how"] == "5-fold cross-validation"


def test_a_table_given_is_what_a_page_begins_with():
    table = opened(pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 7.0]}))
    client = Client(GivenTable(table, Choices(("b",), ("a",))))
    begun = client.post("/api/sessions", json={"lesson": None}).json()
    assert begun["table"]["rows"] == 3
    assert begun["outputs"] == ["b"]


def test_without_one_that_is_said(client):
    answer = client.post("/api/sessions", json={"lesson": None}).json()
    assert "no table was given" in answer["refused"]
    assert "no lesson 'x'" in client.post("/api/sessions", json={"lesson": "x"}).json()["refused"]


def test_the_model_is_the_one_that_the_command_line_learns(client, tmp_path):
    page = Driven.lesson(client, "several-inputs")
    page.go(25)
    saved = tmp_path / "m.json"
    saved.write_text(client.get(f"/api/sessions/{page.name}/model").json()["file"])
    lesson = next(one for one in LESSONS if one.name == "several-inputs")
    mine = dr.learn(
        lesson.table(),
        predict="gross",
        using=list(lesson.choices.using or ()),
        learner="descent",
        tolerance=0,
        steps=25,
    )
    theirs = dr.load(saved)
    row = {"budget": 10.0, "hours": 2.0, "rating": 7.0}
    assert theirs.predict(row) == mine.predict(row)
    assert theirs.record.held_out == mine.record.held_out
    assert theirs.record.learnt[0].steps == 25
    assert "by hand after 25 steps" in theirs.record.learnt[0].stopped


def test_a_model_before_the_first_step_is_refused(client):
    page = Driven.lesson(client, "one-weight")
    assert "take a step" in client.get(f"/api/sessions/{page.name}/model").json()["refused"]


def test_the_ledger_has_each_step(client):
    page = Driven.lesson(client, "one-weight")
    page.go(5)
    lines = client.get(f"/api/sessions/{page.name}/ledger").json()["file"].splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("step,prediction,delta,error,")
    assert lines[3].startswith("3,63912000.0,-35838000.0,")


@pytest.mark.parametrize("loss", [*LOSSES, *KINKED, *COUPLED])
def test_each_loss_is_learnt_or_refused_in_words(client, loss):
    page = Driven.lesson(client, "yes-no")
    said = page.choose(loss=loss, alpha=None, number=3)
    if "refused" in said:
        assert len(said["refused"]) > 20
        assert page.go(2)["step"] == 2
    else:
        assert said["step"] >= 1
        assert np.isfinite(said["error"]["value"])


@pytest.mark.parametrize("learner", LEARNERS)
def test_each_learner_learns(client, learner):
    page = Driven.lesson(client, "several-inputs")
    start = page.go(0)["error"]["value"]
    said = page.choose(learner=learner, alpha=None, number=40)
    assert said["error"]["value"] < start


def test_what_cannot_be_leaves_all_as_it_was(client):
    page = Driven.lesson(client, "several-inputs")
    before = page.go(7)
    for change in (
        {"predict": ["nothing"]},
        {"using": ["gross", "nothing"]},
        {"using": []},
        {"loss": "poison"},
        {"learner": "guess"},
        {"learner": "exact"},
        {"alpha": -1.0},
        {"ridge": -0.5},
        {"freeze": ["nothing"]},
        {"loss": "logistic"},
        {"using": ["log(title)"]},
    ):
        said = page.choose(**change)
        assert said["refused"], change
    assert page.go(7) == before


@pytest.mark.parametrize(
    ("what", "question"),
    [
        ("step", {"number": -1, "look": LOOK}),
        ("step", {"number": "3", "look": LOOK}),
        ("step", {"number": 3}),
        ("step", {"number": 3, "look": LOOK, "more": 1}),
        ("step", {"number": 3, "look": LOOK | {"chosen": -1}}),
        ("hand", {"name": "budget", "weight": None, "look": LOOK}),
        ("choices", {}),
    ],
)
def test_questions_of_another_form_are_refused_in_words(client, what, question):
    page = Driven.lesson(client, "one-weight")
    answer = client.post(f"/api/sessions/{page.name}/{what}", json=question)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert client.post("/api/sessions", content=b"{not json").status_code == 422


def test_numbers_that_are_not_finite_never_pass(client):
    page = Driven.lesson(client, "one-weight")
    answer = client.post(
        f"/api/sessions/{page.name}/hand",
        content=json.dumps({"name": "budget", "weight": float("nan"), "look": LOOK}),
    )
    assert answer.status_code == 422
    assert "beyond all" in page.ask("hand", name="budget", weight=1e300, look=LOOK)["refused"]
    assert page.ask("hand", name="budget", weight=1e100, look=LOOK)["step"] == 0
    assert page.go(1)["step"] == 1
    assert finite_json({"a": [float("inf"), 1.5, None, "x"], "b": (float("nan"),)}) == (
        '{"a":[null,1.5,null,"x"],"b":[null]}'
    )


@settings(max_examples=40)
@given(
    number=st.integers(0, 2_000_000),
    alpha=st.floats(1e-14, 1e3),
    output=st.integers(0, 5),
    chosen=st.integers(0, 10_000),
    shown=st.lists(st.sampled_from(["budget", "intercept", "x", ""]), max_size=2),
)
def test_whatever_is_looked_at_is_answered(number, alpha, output, chosen, shown):
    page = Driven.lesson(SHARED, "several-outputs")
    look = {"output": output, "shown": shown, "chosen": chosen}
    page.choose(alpha=alpha, number=number)
    said = page.ask("step", number=number, look=look)
    assert 0 <= said["step"] <= 1_000_000
    assert said["look"]["chosen"] < len(said["rows"]["numbers"])


SHARED = Client()


def test_sessions_are_few_and_the_oldest_goes(client):
    first = Driven.lesson(client, "one-weight")
    for _ in range(8):
        Driven.lesson(client, "one-weight")
    gone = client.post(f"/api/sessions/{first.name}/step", json={"number": 1, "look": LOOK})
    assert gone.status_code == 404
    assert "reload" in gone.json()["error"]


def test_a_csv_is_taken_and_a_bad_one_refused(client):
    said = client.post("/api/tables", params={"name": "a.csv"}, content=b"x,y\n1,2\n2,4\n3,7\n")
    assert said.json()["table"] | {"columns": 0} == {
        "name": "a.csv", "rows": 3, "learnt": 3, "sampled": False, "columns": 0, "unused": [],
        "left_out": "", "gaps": [], "levels": [],
    }  # fmt: skip
    bad = client.post("/api/tables", params={"name": "b.csv"}, content=b"x,y\n1,2\n3,4,5\n")
    assert "b.csv" in bad.json()["refused"]


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(routes, "find_spec", lambda name: None)
    routes.plotly.cache_clear()
    with pytest.raises(MissingExtraError, match=r"plotly: pip install 'deltarule\[page\]'"):
        Client()
    routes.plotly.cache_clear()


def test_a_bug_is_answered_without_its_insides(client, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(routes, "drawing", broken)
    answer = client.post("/api/sessions", json={"lesson": "one-weight"})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_choices_are_what_the_page_sends_back(client):
    page = Driven.lesson(client, "freezing")
    assert set(page.choices) == set(asdict(LESSONS[0].choices))
    again = page.choose()
    assert again["choices"] == page.choices
