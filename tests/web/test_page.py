"""The real page of the real server, in a browser: what a person does, and what they then see."""

import csv
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import deltarule as dr
from deltarule.web.lessons import LESSONS, lesson_named
from tests.web.conftest import Watched, watching

FILM = {"budget": [200_000.0], "gross": [99_750_000.0]}
STEPS = list(
    dr.steps(
        FILM, predict="gross", using="budget", intercept=False, start=1.0, alpha=1e-11, tolerance=0
    )
)


def test_step_back_and_scrub_show_the_numbers_of_the_library(watched: Watched):
    page = watched.open("one-weight")
    assert watched.weights() == [1.0]
    for number in (1, 2, 3):
        page.click("#step")
        watched.at(number)
        assert watched.weights() == [STEPS[number - 1].weights["weight"].item()]
    page.click("#back")
    watched.at(2)
    assert watched.weights() == [319.56]
    for number in (73, 20, 61, 1, 0, 40):
        # as a drag does: the value, then the event
        page.evaluate(
            "n => { const s = document.getElementById('scrub'); s.value = n;"
            " s.dispatchEvent(new Event('input', { bubbles: true })); }",
            number,
        )
        watched.at(number)
        wanted = STEPS[number - 1].weights["weight"].item() if number else 1.0
        assert watched.weights() == [wanted]
    assert "the weight goes up by" in (page.text_content("#spelled") or "")


def test_scrubbing_many_rows_agrees_with_the_library(watched: Watched):
    lesson = lesson_named("several-inputs")
    assert lesson is not None
    steps = list(
        dr.steps(
            lesson.table(),
            predict="gross",
            using=list(lesson.choices.using or ()),
            tolerance=0,
            steps=300,
        )
    )
    watched.open("several-inputs")
    for number in (7, len(steps), 2, len(steps) // 2):
        watched.go(number)
        weights = steps[number - 1].weights
        wanted = [*weights["weight"].ravel(), *weights["intercept"]]
        # more than 200 steps from where it was it leaps, which is the same to rounding
        assert watched.weights() == pytest.approx(wanted, rel=1e-9)


def test_play_goes_on_and_pause_stops_within_one_step(watched: Watched):
    page = watched.open("many-rows")
    page.click("#play")
    watched.until("Number(document.body.dataset.step) >= 3")
    assert page.text_content("#play") == "Pause"
    # In one turn of the browser: no step may be begun after it.
    before = page.evaluate(
        "(document.getElementById('play').click(), Number(document.body.dataset.step))"
    )
    time.sleep(0.6)
    assert page.text_content("#play") == "Play"
    assert before <= watched.step <= before + 1
    rest = watched.step
    time.sleep(0.4)
    assert watched.step == rest


def test_a_field_keeps_what_is_typed_while_learning_goes_on(watched: Watched):
    page = watched.open("many-rows")
    page.click("#play")
    page.fill("#number", "77")
    here = watched.step
    watched.until(f"Number(document.body.dataset.step) > {here + 2}")
    assert page.input_value("#number") == "77"
    page.press("#number", "Enter")
    watched.at(77)


def test_alpha_past_the_limit_explodes_and_the_page_says_so(watched: Watched):
    page = watched.open("one-weight")
    page.fill("#alpha-number", "6e-11")
    page.press("#alpha-number", "Enter")
    page.select_option("#stride", "10")
    page.click("#play")
    watched.until("Number(document.body.dataset.step) >= 30")
    page.click("#play")
    page.wait_for_selector("body[data-status='diverging']")
    words = page.text_content("#status") or ""
    assert "Diverging: the error goes up" in words
    assert "Below 5e-11 it settles; 2.5e-11 is fastest" in words
    assert "The scale of budget" in words
    errors = page.evaluate("document.getElementById('loss-chart').data[0].y")
    assert errors[-1] > 1000 * errors[0]
    assert abs(watched.weights()[0]) > 10_000
    page.fill("#number", "1000000")
    page.press("#number", "Enter")
    page.wait_for_selector("body[data-status='over']")
    assert "beyond all numbers" in (page.text_content("#status") or "")
    page.click("#fastest")
    page.wait_for_selector("body[data-status='settled']")
    page.click("#start")
    watched.at(0)
    page.select_option("#stride", "1")
    page.click("#step")
    watched.at(1)
    assert watched.weights() == [498.75]


def test_a_weight_is_dragged_by_hand(watched: Watched):
    page = watched.open("one-weight")
    page.fill("#hand-number", "2.5")
    page.press("#hand-number", "Enter")
    watched.until("document.querySelector('#weights td.value').title === '2.5'")
    assert "99,250,000" in (page.text_content("#spelled") or "")
    knob = page.locator("#handle").bounding_box()
    assert knob is not None
    page.mouse.move(knob["x"] + 13, knob["y"] + 13)
    page.mouse.down()
    page.mouse.move(knob["x"] + 13, knob["y"] - 150, steps=4)
    page.mouse.up()
    watched.until("Number(document.querySelector('#weights td.value').title) > 100")
    dragged = watched.weights()[0]
    page.focus("#handle")
    page.keyboard.press("ArrowUp")
    watched.until(f"Number(document.querySelector('#weights td.value').title) > {dragged}")
    assert watched.step == 0


def test_pointing_at_a_row_shows_its_arithmetic(watched: Watched):
    page = watched.open("one-weight")
    point = page.locator("#predict-chart .scatterlayer .trace:nth-child(2) .point").bounding_box()
    assert point is not None
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    label = page.wait_for_selector("#predict-chart .hovertext")
    assert label is not None
    text = label.text_content() or ""
    assert "1 * 200,000" in text
    assert "delta -99,550,000" in text


def test_a_csv_is_dropped_watched_saved_and_used_by_the_command_line(
    watched: Watched, tmp_path: Path
):
    shop = tmp_path / "shop.csv"
    shop.write_text(
        "size,rooms,price\n" + "".join(f"{a},{a % 3},{3 * a + a % 3}\n" for a in range(1, 40))
    )
    page = watched.open("one-weight")
    transfer = page.evaluate_handle(
        "text => { const t = new DataTransfer();"
        " t.items.add(new File([text], 'shop.csv')); return t; }",
        shop.read_text(),
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": transfer})
    assert page.is_visible("#drop")
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    watched.until("document.getElementById('title').textContent === 'shop.csv'")
    assert not page.is_visible("#drop")
    assert page.input_value("#target") == "price"
    page.click("#using summary")
    # sizes from 1 to 39 in order look like an id
    assert "size: it looks like an id" in (page.text_content("#unused") or "")
    page.check("#using input[value=size]")
    watched.until("document.querySelectorAll('#weights td.value').length === 3")
    page.click("#using summary")
    assert page.is_checked("#standardise")
    watched.go(200)
    with page.expect_download() as coming:
        page.click("#save-model")
    model = tmp_path / coming.value.suggested_filename
    coming.value.save_as(model)
    assert model.name == "price-model.json"
    done = subprocess.run(
        [sys.executable, "-c", "from deltarule.cli import main; main()", "compare", model, shop],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "39 rows compared" in done.stdout
    loaded = dr.load(model)
    got = [loaded.record.weights[0].weight, loaded.record.weights[1].weight]
    assert got == watched.weights()[:2]
    with page.expect_download() as coming:
        page.click("#save-ledger")
    ledger = list(csv.DictReader(coming.value.path().read_text().splitlines()))
    assert int(ledger[-1]["step"]) == 200
    assert float(ledger[-1]["weight[size]"]) == watched.weights()[0]


def test_a_hostile_csv_is_refused_in_words_and_the_page_goes_on(watched: Watched, tmp_path: Path):
    page = watched.open("one-weight")
    bad = tmp_path / "<img src=x onerror=alert(1)>.csv"
    bad.write_bytes(b"a,b\n1,2\n3,4,5,6\n")
    page.set_input_files("#file", bad)
    words = watched.trouble()
    assert "line 3" in words
    assert bad.name in words
    assert page.locator("img").count() == 0
    page.set_input_files("#file", {"name": "x.gz", "mimeType": "", "buffer": b"\x1f\x8b\x08" * 9})
    watched.until("document.querySelector('#trouble span').textContent.includes('packed')")
    page.click("#step")
    watched.at(1)
    assert not page.is_visible("#trouble")
    # names that are markup stay names
    evil = b"<b>x</b>,<img src=x onerror=alert(1)>\n1,2\n2,4\n3,7\n"
    page.set_input_files("#file", {"name": "evil.csv", "mimeType": "", "buffer": evil})
    watched.until("document.getElementById('title').textContent === 'evil.csv'")
    assert page.locator("img").count() == 0
    assert "<img src=x" in (page.text_content("#formula") or "")


@pytest.mark.parametrize("lesson", [one.name for one in LESSONS])
def test_every_lesson_opens_and_learns(watched: Watched, lesson):
    page = watched.open(lesson)
    assert page.locator("#lesson-body .prose p").count() >= 2
    page.select_option("#stride", "10")
    page.click("#step")
    watched.at(10)
    for chart in ("predict", "bowl", "deltas", "loss"):
        assert page.locator(f"#{chart}-chart .main-svg").count() > 0
        assert page.get_attribute(f"#{chart}-chart", "aria-label")


def test_everything_can_be_done_from_the_keyboard(watched: Watched):
    page = watched.open("several-inputs")
    page.keyboard.press("ArrowRight")
    watched.at(1)
    page.keyboard.press("ArrowLeft")
    watched.at(0)
    page.focus("#lesson")
    order = ["lesson"]
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        if name == "BODY" or name in order[:1]:
            break
        if page.evaluate("document.activeElement.matches('#more summary')"):
            page.keyboard.press("Enter")
        order.append(name)
    assert {"bring", "save-model", "save-ledger"} <= {*order}
    assert {"play", "step", "scrub", "alpha", "learner", "loss", "ridge", "hand", "row"} <= {*order}
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input:not([hidden])')]"
        ".filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
        ".filter(e => !e.hidden).map(e => e.id)"
    )
    assert unnamed == []
    page.focus("#play")
    page.keyboard.press("Space")
    watched.until("Number(document.body.dataset.step) >= 2")
    page.keyboard.press("Space")
    assert page.text_content("#play") == "Play"


@pytest.mark.parametrize("lesson", ["one-weight", "overfitting", "several-inputs"])
def test_at_phone_width_nothing_hangs_over(watched: Watched, lesson):
    watched.page.set_viewport_size({"width": 400, "height": 800})
    page = watched.open(lesson)
    watched.go(25)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#play").is_visible()
    assert page.locator("#play").bounding_box()["y"] < 800


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_in_the_dark_all_of_it_is_dark_and_readable(watched: Watched):
    watched.page.emulate_media(color_scheme="dark")
    page = watched.open("several-inputs")
    style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    text, paper = page.eval_on_selector(".panel", style)
    assert (luminance(text) + 0.05) / (luminance(paper) + 0.05) > 7
    ticks = page.eval_on_selector("#loss-chart .xtick text", "e => getComputedStyle(e).fill")
    assert (luminance(ticks) + 0.05) / (luminance(paper) + 0.05) > 4.5
    page.emulate_media(color_scheme="light")
    watched.until(
        f"getComputedStyle(document.querySelector('#loss-chart .xtick text')).fill !== '{ticks}'"
    )


def test_a_table_of_the_command_line_is_what_the_page_begins_with(
    watched: Watched, films: Path, tmp_path: Path
):
    words = (str(films), "--predict", "gross", "--using", "budget,running_time", "--standardise")
    with watching(*words, folder=tmp_path) as address:
        page = watched.open(address=address)
        assert page.text_content("#title") == str(films)
        assert "3,194 of 3,201 rows" in (page.text_content("#table") or "")
        watched.go(60)
        *_, last = dr.steps(
            films, predict="gross", using=["budget", "running_time"], tolerance=0, steps=60
        )
        # The page leaps to a step by its closed form, whose rounding is its own.
        expected = pytest.approx(last.weights["weight"].ravel().tolist(), rel=1e-14)
        assert watched.weights()[:3] == expected
    assert list(tmp_path.iterdir()) == []
