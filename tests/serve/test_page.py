"""The page in a real browser: a form from the contract, a prediction, its explanation; the docs."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

import deltarule as dr

PATIENCE = 20_000  # ms, for a machine that does much else
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page. Whatever a test does, nothing is logged and no other host is asked."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened, said, hosts = context.new_page(), [], set()
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    yield opened
    context.close()
    # What the server refuses is told by the browser too.
    assert [one for one in said if "status of 4" not in one] == []
    assert hosts <= {"127.0.0.1", None}


def test_a_row_is_predicted_and_explained(page: Page, server, client):
    page.goto(server.address)
    page.wait_for_selector("body[data-model='films']")
    assert page.text_content("h1") == "Predict gross"
    assert "held-out rows" in (page.text_content("#lead") or "")
    page.fill("input[name=budget]", "30000000")
    page.fill("input[name=genre]", "Comedy")
    page.click("#predict")
    page.wait_for_selector("#answer:not([hidden]) svg")
    contract = client.get("/models/films").json()
    row = contract["example"] | {"budget": 30_000_000, "genre": "Comedy"}
    answer = client.post("/models/films/predict", json=row).json()
    shown = page.get_attribute("#predictions dd", "title")
    assert float(shown or "nan") == answer["predictions"][0]["gross_prediction"]
    why = page.text_content("#why") or ""
    assert "genre = Comedy" in why
    assert "budget = 30,000,000" in why
    assert "prediction" in why


def test_what_is_new_or_wrong_is_told_at_its_field(page: Page, server):
    page.goto(server.address)
    page.wait_for_selector("body[data-model='films']")
    page.fill("input[name=genre]", "Comdy")
    page.fill("input[name=budget]", "")
    page.click("#predict")
    page.wait_for_selector("#notes li")
    notes = " ".join(page.locator("#notes li").all_text_contents())
    assert "did you mean 'Comedy'" in notes
    assert "budget is missing" in notes
    page.fill("input[name=release_date]", "soon")
    page.click("#predict")
    page.wait_for_selector("input[name=release_date][aria-invalid=true]")
    assert "release_date" in (page.text_content("#trouble") or "")


def test_another_model_is_chosen(page: Page, server):
    page.goto(server.address)
    page.wait_for_selector("body[data-model='films']")
    page.select_option("#model", "rating")
    page.wait_for_selector("body[data-model='rating']")
    page.click("#predict")
    page.wait_for_selector("#answer:not([hidden]) svg")
    assert page.locator("#predictions dt").count() > 2


def test_the_docs_need_nothing_from_outside(page: Page, server, client):
    page.goto(f"{server.address}/docs")
    page.wait_for_selector("body[data-operations]")
    paths = client.get("/openapi.json").json()["paths"]
    assert page.locator("#operations section").count() == sum(map(len, paths.values()))
    text = page.text_content("#operations") or ""
    assert "POST /models/films/predict" in text
    assert "curl" in text


def test_names_and_levels_from_a_table_are_shown_as_text(page: Page, serve, tmp_path):
    kind = [f"{NASTY}{at % 3}" for at in range(60)]
    table = {f"{NASTY}x": [float(at % 7) for at in range(60)], "'\"kind": kind, f"y{NASTY}": kind}
    table[f"y{NASTY}"] = [at % 7 + at % 3 for at in range(60)]
    model = dr.learn(pl.DataFrame(table), predict=f"y{NASTY}")
    model.save(tmp_path / f"{NASTY}.json")
    server = serve(tmp_path / f"{NASTY}.json")
    for path in ("/", "/docs"):
        page.goto(f"{server.address}{path}")
        page.wait_for_selector("body[data-model], body[data-operations]")
        if path == "/":
            page.click("#predict")
            page.wait_for_selector("#answer:not([hidden]) svg")
        assert page.locator("img").count() == 0
        assert NASTY in (page.text_content("main") or "")


def test_a_token_is_entered(page: Page, serve, models, write):
    server = serve(models / "films.json", "--token-file", write("token", "secret-42"))
    page.goto(server.address)
    page.wait_for_selector("#enter:not([hidden])")
    page.fill("#token", "wrong")
    page.click("#enter button")
    page.wait_for_selector("#trouble:not([hidden])")
    page.fill("#token", "secret-42")
    page.click("#enter button")
    page.wait_for_selector("body[data-model='films']")
    page.click("#predict")
    page.wait_for_selector("#answer:not([hidden]) svg")
