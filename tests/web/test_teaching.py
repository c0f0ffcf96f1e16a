"""For who teaches, in a browser: the full screen with larger type, and the print sheets."""

from pathlib import Path

import pytest

from deltarule.web.lessons import LESSONS, lesson_named
from tests.web.conftest import Watched

SCREENS = [(1280, 720), (1366, 768), (1920, 1080)]
SHOWN = ("#title", "#goal", "#formula", "#predict-chart", "#bowl-chart", "#step", "#flow", "#error")


def sheet_of(watched: Watched, lesson: str):
    """The lesson's page, as it prints."""
    page = watched.open(lesson)
    page.wait_for_selector(f"#sheet[data-lesson='{lesson}']", state="attached")
    page.emulate_media(media="print")
    return page


@pytest.mark.parametrize("size", SCREENS, ids=str)
def test_the_full_screen_has_larger_type_and_all_that_a_step_moves(watched: Watched, size):
    watched.page.set_viewport_size({"width": size[0], "height": size[1]})
    page = watched.open("one-weight")
    small = page.eval_on_selector("#formula", "e => parseFloat(getComputedStyle(e).fontSize)")
    ticks = "#bowl-chart .xtick text"
    label = page.eval_on_selector(ticks, "e => parseFloat(getComputedStyle(e).fontSize)")
    page.click("#full")
    watched.until("document.documentElement.classList.contains('teacher')")
    assert page.get_attribute("#full", "aria-pressed") == "true"
    watched.go(3)
    large = page.eval_on_selector("#formula", "e => parseFloat(getComputedStyle(e).fontSize)")
    assert large > 1.15 * small
    watched.until(
        f"parseFloat(getComputedStyle(document.querySelector('{ticks}')).fontSize) > {label * 1.15}"
    )
    for shown in SHOWN:
        box = page.locator(shown).bounding_box()
        assert box is not None, shown
        assert box["x"] >= 0, shown
        assert box["y"] >= 0, shown
        assert box["x"] + box["width"] <= size[0] + 1, shown
        assert box["y"] + box["height"] <= size[1] + 1, shown
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_escape_and_the_button_end_it(watched: Watched):
    page = watched.open("one-weight")
    page.click("#full")
    watched.until("document.documentElement.classList.contains('teacher')")
    page.click("#full")
    watched.until("!document.documentElement.classList.contains('teacher')")
    assert page.get_attribute("#full", "aria-pressed") == "false"
    page.click("#full")
    watched.until("document.fullscreenElement !== null")
    page.evaluate("document.exitFullscreen()")  # as Escape does, which no script can send
    watched.until("!document.documentElement.classList.contains('teacher')")


@pytest.mark.parametrize("lesson", ["one-weight", "several-inputs", "several-outputs", "yes-no"])
def test_a_sheet_has_a_question_empty_tables_and_answers_at_the_end(watched: Watched, lesson: str):
    page = sheet_of(watched, lesson)
    told = lesson_named(lesson)
    assert told is not None
    assert page.is_visible("#sheet")
    assert not page.is_visible(".stage")
    first, last = page.locator("#sheet > section").all()
    assert first.locator(".boxes li").count() == len(told.question.answers)
    steps = told.exercise.steps
    assert first.locator(".step").count() == last.locator(".step").count() == steps
    blank = first.locator("td.blank")
    assert blank.count() >= 4 * steps
    assert set(blank.all_inner_texts()) == {""}
    assert all(first.locator("td.given").all_inner_texts())
    assert blank.count() == last.locator("td.blank").count()
    assert all(last.locator("td.blank").all_inner_texts())
    right = next(one for one in told.question.answers if one.right)
    assert right.says.split(". ")[0] in last.inner_text().replace("\N{MINUS SIGN}", "-")
    assert right.says not in first.inner_text()
    assert last.bounding_box()["y"] >= first.bounding_box()["y"] + first.bounding_box()["height"]


def test_the_filled_table_is_what_one_computes_by_hand(watched: Watched):
    page = sheet_of(watched, "one-weight")
    filled = page.locator(".answers-page td.blank").all_inner_texts()
    weight, wanted = 1.0, []
    for number in range(3):
        prediction = weight * 2
        delta = prediction - 10
        after = weight - 0.1 * delta * 2
        start = [] if number == 0 else [weight]
        wanted += [prediction, delta, delta * 2, *start, delta * 2, 0.1 * delta * 2, after]
        weight = after
    shown = [float(text.replace("\N{MINUS SIGN}", "-")) for text in filled]
    assert shown == pytest.approx(wanted, rel=1e-4)


def test_sheets_print_as_two_or_three_pages_with_nothing_cut_off(watched: Watched, tmp_path: Path):
    for lesson in ("one-weight", "classes"):
        page = sheet_of(watched, lesson)
        page.set_viewport_size({"width": 680, "height": 1000})  # the width of A4 less its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        cut = page.evaluate(
            "[...document.querySelectorAll('#sheet td, #sheet th')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
        )
        assert cut == []
        path = tmp_path / "sheet.pdf"
        page.pdf(path=path, prefer_css_page_size=True)
        printed = path.read_bytes()
        assert b"/MediaBox [0 0 594.95" in printed  # A4, as the sheet says
        assert 2 <= printed.count(b"/Type /Page\n") <= 3


def test_the_sheet_is_printed_by_its_button_and_goes_with_the_lesson(watched: Watched):
    page = watched.open("one-weight")
    page.wait_for_selector("#sheet[data-lesson='one-weight']", state="attached")
    assert not page.is_visible("#sheet")
    page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
    page.click("#print-sheet")
    assert page.get_attribute("body", "data-printed") == "yes"
    page.click("#next-lesson")
    page.wait_for_selector(f"#sheet[data-lesson='{LESSONS[1].name}']", state="attached")
    csv = b"size,price\n" + b"".join(b"%d,%d\n" % (at % 7, at % 7 * 3) for at in range(30))
    page.set_input_files("#file", {"name": "a.csv", "mimeType": "text/csv", "buffer": csv})
    watched.until("document.getElementById('title').textContent === 'a.csv'")
    assert page.locator("#sheet section").count() == 0
    assert not page.is_visible("#print-sheet")
