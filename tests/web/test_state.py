"""The state of the page: links that show the same, undo and redo, branches, two alphas, motion."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

import deltarule as dr
from tests.web.conftest import Reused, Watched, listened
from tests.web.test_page import FILM, STEPS

CHIPS = """window.chips = [];
new MutationObserver(seen => seen.forEach(one => {
  const chip = part => part.className === 'chip';
  if ([...one.addedNodes].some(chip)) chips.push([performance.now()]);
  if ([...one.removedNodes].some(chip)) chips.at(-1).push(performance.now());
})).observe(document.body, { childList: true });"""


@pytest.fixture(scope="module")
def page_of_all(chromium: BrowserContext) -> Iterator[Page]:
    page = chromium.new_page()
    yield page
    page.close()


@pytest.fixture
def watched(page_of_all: Page, address: str) -> Iterator[Watched]:
    """The module's page, as a fresh one would be but for the reload."""
    page_of_all.set_viewport_size({"width": 1400, "height": 1000})
    page_of_all.emulate_media(reduced_motion="no-preference")
    found = Reused(page_of_all, address)
    stop = listened(found)
    yield found
    stop()
    found.check()


def shown(watched: Watched) -> dict[str, object]:
    """What a person sees of the state."""
    page = watched.page
    fields = (
        "#lesson",
        "#target",
        "#alpha-number",
        "#learner",
        "#batch",
        "#loss",
        "#ridge",
        "#row",
    )
    return {
        "step": watched.step,
        "weights": watched.weights(),
        "using": page.text_content("#using .names"),
        "status": page.text_content("#status"),
        "spelled": page.text_content("#spelled"),
        **{name: page.input_value(name) for name in fields},
    }


def settled_link(watched: Watched, *parts: str) -> str:
    """The address, once all of these parts are in it."""
    wanted = " && ".join(f"location.hash.includes('{part}')" for part in parts)
    watched.until(wanted or "location.hash.length > 1")
    return str(watched.page.evaluate("location.href"))


def idle(watched: Watched) -> None:
    """Waits until nothing is asked of the server any more."""
    watched.idle()


def set_number(watched: Watched, field: str, value: str) -> None:
    watched.page.fill(field, value)
    watched.page.press(field, "Enter")


def drag(watched: Watched, up: int) -> None:
    """Drags the knob by so many pixels."""
    page = watched.page
    knob = page.locator("#handle").bounding_box()
    assert knob is not None
    x, y = knob["x"] + 14, knob["y"] + 14
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - up, steps=5)
    page.mouse.up()


def test_a_link_shows_the_same(watched: Watched):
    page = watched.open("several-inputs")
    page.click("#using summary")
    page.uncheck("#using input[value=hours]")
    watched.until("document.querySelectorAll('#weights td.value').length === 3")
    page.keyboard.press("Escape")
    page.click("#more summary")
    page.select_option("#learner", "momentum")
    watched.until("document.getElementById('learner').value === 'momentum'")
    page.select_option("#batch", "10")
    page.keyboard.press("Escape")
    set_number(watched, "#alpha-number", "0.05")
    watched.go(23)
    # The rows to choose from are those of the step's batch, once all that was asked for is drawn.
    watched.idle()
    row = page.locator("#row option").nth(1).inner_text()
    page.select_option("#row", label=row)
    link = settled_link(
        watched, "step=23", "learner=momentum", "batch=10", "alpha=0.05", f"row={row}"
    )
    before = shown(watched)
    watched.page.goto("about:blank")
    watched.page.goto(link)
    watched.at(23)
    assert shown(watched) == before
    # and so does one that is pasted into the same tab
    key = page.evaluate("location.search")
    watched.page.goto(f"{watched.address.partition('?')[0]}{key}#one-weight&alpha=2.5e-11&step=1")
    watched.until("document.getElementById('lesson').value === 'one-weight'")
    watched.at(1)
    assert watched.weights() == [498.75]


def test_a_link_that_cannot_be_followed_says_so_and_opens_the_lesson(watched: Watched):
    watched.page.goto(f"{watched.address}#one-weight&using=nothing&step=3")
    assert "nothing" in watched.trouble()
    watched.at(0)
    assert watched.page.input_value("#lesson") == "one-weight"
    assert watched.weights() == [1.0]
    for odd in ("one-weight&alpha=much&step=-4&batch=&row=x&%E0%A4%A", "%E0%A4%A", "<b>&&&=#"):
        watched.open(odd)
        watched.at(0)
        assert watched.weights() == [1.0]


def test_undo_and_redo_return_to_each_state(watched: Watched):
    page = watched.open("one-weight")
    assert page.is_disabled("#undo")
    watched.go(5)
    five = shown(watched)
    set_number(watched, "#alpha-number", "2e-11")
    watched.until("!document.getElementById('undo').disabled")
    changed = shown(watched)
    assert changed["weights"] != five["weights"]
    page.click("#undo")
    watched.until("document.getElementById('undo').disabled")
    watched.at(5)
    assert shown(watched) == five
    page.keyboard.press("Control+Shift+z")
    watched.until("document.getElementById('redo').disabled")
    watched.at(5)
    assert shown(watched) == changed
    page.keyboard.press("Control+z")
    watched.until("document.getElementById('undo').disabled")
    watched.at(5)
    assert shown(watched) == five
    # what comes after an undo takes the place of what was undone
    page.click("#more summary")
    page.check("#intercept")
    watched.until("document.querySelectorAll('#weights td.value').length === 2")
    assert page.is_disabled("#redo")
    page.keyboard.press("Escape")
    page.click("#undo")
    watched.until("document.querySelectorAll('#weights td.value').length === 1")
    watched.at(5)
    assert shown(watched) == five


def test_dragging_starts_a_branch_and_keeps_the_course(watched: Watched):
    page = watched.open("one-weight")
    watched.go(6)
    before, course = shown(watched), "document.getElementById('bowl-chart').data.at(-2).x"
    drag(watched, 120)
    watched.until("!document.getElementById('branch').hidden")
    watched.until("Number(document.querySelector('#weights td.value').title) > 500")
    assert watched.step == 0
    assert page.evaluate(course)[:3] == [1.0, 200.1, 319.56]
    assert "the course before" in (page.text_content("#bowl-legend") or "")
    assert "the course before" in (page.text_content("#loss-legend") or "")
    page.click("#step")
    watched.at(1)
    assert page.evaluate(course)[:3] == [1.0, 200.1, 319.56]
    # a link to the branch shows the same weights
    link, here = settled_link(watched, "step=1", "start="), watched.weights()
    # one drag is one undo, however many places it passed
    page.click("#branch")
    watched.at(6)
    assert shown(watched) == before
    assert page.is_hidden("#branch")
    watched.page.goto("about:blank")
    watched.page.goto(link)
    watched.at(1)
    assert watched.weights() == pytest.approx(here, rel=1e-12)


def test_two_alphas_are_seen_side_by_side(watched: Watched):
    page = watched.open("one-weight")
    page.click("#compare-alphas")
    watched.until("!document.getElementById('beside-status').hidden")
    set_number(watched, "#beside-number", "4e-11")
    watched.until("document.getElementById('bowl-legend').textContent.includes('alpha 4e-11')")
    for number in (1, 2, 3):
        page.keyboard.press("ArrowRight")
        watched.at(number)
    assert watched.weights() == [STEPS[2].weights["weight"].item()]
    other = dr.steps(
        FILM, predict="gross", using="budget", intercept=False, start=1.0, alpha=4e-11, tolerance=0
    )
    wanted = [1.0, *[next(other).weights["weight"].item() for _ in range(3)]]
    drawn = page.evaluate("document.getElementById('bowl-chart').data.at(-3).x")
    assert drawn == pytest.approx(wanted, rel=1e-12)
    words = page.text_content("#beside-status") or ""
    assert "step 3" in words
    assert (page.text_content("#status") or "").startswith("alpha 1e-11: ")
    assert f"weight {wanted[3]:.6g}" in words
    assert "alpha 4e-11" in (page.text_content("#predict-legend") or "")
    link = settled_link(watched, "compare=4e-11", "step=3")
    watched.page.goto("about:blank")
    watched.page.goto(link)
    watched.at(3)
    assert page.text_content("#beside-status") == words
    page.click("#compare-alphas")
    watched.until("document.getElementById('beside-status').hidden")
    assert page.evaluate("document.getElementById('bowl-chart').data.length") == 6


def test_one_rows_numbers_travel_in_a_third_of_a_second(watched: Watched):
    page = watched.open("one-weight")
    cells = page.locator("#flow li")
    order = ["sum", "prediction", "delta", "weight-delta", "weight"]
    assert [cell.get_attribute("class") for cell in cells.all()] == order
    values = [text or "" for text in page.locator("#flow .value").all_text_contents()]
    assert values[1:4] == ["200,000", "\u221299,550,000", "\u221219,910,000,000,000"]
    assert values[4] == "200.1"
    page.evaluate(CHIPS)
    page.keyboard.press("ArrowRight")
    watched.at(1)
    [(begun, done)] = page.evaluate("chips")
    assert 250 < done - begun < 1500
    # whoever goes on at once does not wait for it
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    watched.at(6)
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("chips.length = 0")
    page.keyboard.press("ArrowRight")
    watched.at(7)
    assert page.evaluate("chips") == []
    assert page.locator(".chip").count() == 0


def knob_off_line(watched: Watched) -> float | None:
    """How many pixels the knob's middle is off the line; None where it is hidden."""
    found = watched.page.evaluate("""(() => {
      const [chart, knob] = ['predict-chart', 'handle'].map(id => document.getElementById(id));
      if (knob.hidden) return null;
      const box = knob.getBoundingClientRect(), room = chart.getBoundingClientRect();
      const { xaxis, yaxis } = chart._fullLayout;
      const x = xaxis.p2d(box.x + box.width / 2 - room.x - xaxis._offset);
      const line = chart.data.find(one => one.mode === 'lines' && one.x.length > 2);
      const [x0, x1, y0, y1] = [line.x[0], line.x.at(-1), line.y[0], line.y.at(-1)];
      const y = y0 + (x - x0) * (y1 - y0) / (x1 - x0);
      return Math.abs(yaxis.d2p(y) + yaxis._offset - (box.y + box.height / 2 - room.y));
    })()""")
    return None if found is None else float(found)


def test_the_knob_stays_on_the_line(watched: Watched):
    page = watched.open("too-far")
    for number in (0, 1, 2, 7):
        watched.go(number)
        assert (knob_off_line(watched) or 0) < 2
    for size in ((1280, 720), (820, 900), (1920, 1080), (1366, 768)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(300)
        off = knob_off_line(watched)
        assert off is not None
        assert off < 2
    page.click("#compare-alphas")
    set_number(watched, "#alpha-number", "7e-11")
    watched.go(40)
    off = knob_off_line(watched)
    assert off is None or off < 2


def test_arrow_keys_step_after_any_click(watched: Watched):
    page = watched.open("several-inputs")
    places = "title fastest next-lesson see-loss status compare-alphas bowl-chart spelled play"
    for place in ("#weights th", "#weights input", *[f"#{name}" for name in places.split()]):
        page.click(place)
        if place == "#play":
            page.click(place)
        idle(watched)
        here = watched.step
        page.keyboard.press("ArrowRight")
        watched.until(f"document.body.dataset.step === '{here + 1}' /* after {place} */")
    for field in ("#first-weight", "#row", "#stride"):
        page.click(field)
        page.keyboard.press("Escape")
        page.select_option(field, index=0)
        idle(watched)
        page.mouse.click(5, 5)
        here = watched.step
        page.keyboard.press("ArrowRight")
        watched.at(here + 1)


def test_lists_close_on_escape_and_on_a_click_elsewhere(watched: Watched):
    page = watched.open("several-inputs")
    for name in ("#using", "#more"):
        page.click(f"{name} summary")
        assert page.evaluate("n => document.querySelector(n).open", name)
        page.keyboard.press("Escape")
        assert not page.evaluate("n => document.querySelector(n).open", name)
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        page.click(f"{name} summary")
        page.click("#title")
        assert not page.evaluate("n => document.querySelector(n).open", name)


def test_play_stops_where_nothing_is_left_to_learn(watched: Watched):
    page = watched.open("one-weight")
    page.click("#fastest")
    page.click("#play")
    watched.until("document.body.dataset.status === 'settled'")
    watched.until("document.getElementById('play').textContent === 'Play'")
    assert watched.step <= 2


def test_play_stops_where_no_number_on_the_page_changes_any_more(watched: Watched):
    page = watched.open("many-rows")
    set_number(watched, "#alpha-number", "0.03")
    watched.go(300)
    page.select_option("#stride", "10")
    page.click("#play")
    for number in (350, 450, 550):
        watched.until(f"Number(document.body.dataset.step) >= {number}")
    watched.until("document.getElementById('play').textContent === 'Play'")
    # It settles to the last bit after 907 steps; no digit that is shown changes long before.
    assert page.get_attribute("body", "data-status") == "learning"
    assert 550 <= watched.step < 907
    here = watched.step
    page.wait_for_timeout(300)
    assert watched.step == here


def test_numbers_beyond_all_bounds_are_drawn_without_a_warning(watched: Watched):
    """Plotly warned of margins that did not come to rest; `watched` fails on any line logged."""
    watched.page.set_viewport_size({"width": 1366, "height": 768})
    page = watched.open("one-weight&alpha=1.476e-10&step=30")
    watched.at(30)
    page.emulate_media(reduced_motion="reduce")
    for number in range(31, 48):
        page.keyboard.press("ArrowRight")
        watched.at(number)
    turned = "[...document.querySelectorAll('.xtick text')].map(e => e.getAttribute('transform'))"
    assert all("rotate" not in (one or "") for one in page.evaluate(turned))


def test_files_are_named_after_what_was_predicted(watched: Watched):
    page = watched.open("classes")
    page.click("#step")
    watched.at(1)
    for button in ("#save-model", "#save-ledger"):
        with page.expect_download() as coming:
            page.click(button)
        assert re.fullmatch(r"species-(model\.json|ledger\.csv)", coming.value.suggested_filename)


def test_a_tab_has_one_session_that_the_next_lesson_replaces(watched: Watched):
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    page = watched.open("one-weight")
    page.click("#step")
    watched.at(1)
    first = next(url for url in asked if url.endswith("/step"))
    question = {"number": 1, "look": {"output": 0, "shown": [], "chosen": 0}}
    page.click("#next-lesson")
    watched.until("document.getElementById('lesson').value === 'too-far'")
    gone = page.evaluate(
        """async ([url, question]) => {
          const key = new URLSearchParams(location.search).get('key');
          const headers = { 'content-type': 'application/json', 'x-deltarule-key': key };
          const how = { method: 'POST', headers, body: JSON.stringify(question) };
          return (await fetch(url, how)).status;
        }""",
        [first, question],
    )
    assert gone == 404
    watched.said.clear()  # the browser logs it
