"""The page in Firefox, where there is one: steps by keys, both schemes, nothing cut or logged."""

import shutil
import time
from collections.abc import Iterator

import pytest

from tests.web.firefox import Firefox, firefox
from tests.web.test_screen import BOXES, LAPTOPS, SEEN

PROGRAM = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
RIGHT, HOME = "\ue014", "\ue011"
DARK = 0
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Firefox on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Firefox]:
    assert PROGRAM is not None
    dark = {"layout.css.prefers-color-scheme.content-override": DARK, "ui.prefersReducedMotion": 1}
    with firefox(PROGRAM, **dark) as started:
        yield started


def weights(browser: Firefox) -> list[float]:
    cells = "[...document.querySelectorAll('#weights td.value')].map(one => Number(one.title))"
    return list(browser.run(f"return {cells}"))


def begun(browser: Firefox, address: str, place: str) -> None:
    browser.open("about:blank")
    browser.open(f"{address}#{place}")
    browser.until("document.body.dataset.step && document.body.dataset.asking === 'false'")


def test_lesson_1_is_gone_through_by_keys(browser: Firefox, address: str):
    begun(browser, address, "one-weight")
    for number, weight in enumerate((200.1, 319.56, 391.236), 1):
        browser.key(RIGHT)
        browser.until(f"document.body.dataset.step === '{number}'")
        assert weights(browser) == [weight]
    assert browser.run("return document.getElementById('next-number').textContent") == "step 4"
    for number in range(4, 11):
        browser.key(RIGHT)
        browser.until(f"document.body.dataset.step === '{number}'")
    browser.until("document.getElementById('goal-met').textContent === 'met'")
    browser.run("document.getElementById('onward').focus()")
    browser.key("\ue007")  # Enter
    browser.until("document.getElementById('title').textContent === 'Breaking it with alpha'")
    browser.until("location.hash.startsWith('#too-far')")
    browser.run("document.activeElement.blur()")
    browser.key(HOME, RIGHT)
    browser.until("document.body.dataset.step === '1'")


def test_all_that_a_step_moves_is_on_one_screen_in_the_dark(browser: Firefox, address: str):
    for place in ("several-inputs&step=3", "scale&step=3"):
        begun(browser, address, place)
        for width, height in LAPTOPS:
            browser.resize(width, height)
            time.sleep(0.3)
            assert browser.run("return [innerWidth, innerHeight]") == [width, height]
            off = [
                box
                for box in browser.run(f"return ({BOXES})(arguments[0])", list(SEEN))
                if not (0 <= box[1] < box[3] <= width + 1 and 0 <= box[2] < box[4] <= height + 1)
            ]
            assert off == [], (place, width)
            wide = "const e = document.getElementById('flow'); return e.scrollWidth - e.clientWidth"
            assert browser.run(wide) <= 1
    paper = browser.run("return getComputedStyle(document.querySelector('.panel')).backgroundColor")
    assert max(map(int, paper.removeprefix("rgb(").rstrip(")").split(","))) < 60


def test_nothing_was_logged_and_nobody_else_asked(browser: Firefox, address: str):
    begun(browser, address, "classes&step=5")
    assert browser.logged() == []
    hosts = "new Set(performance.getEntriesByType('resource').map(one => new URL(one.name).host))"
    assert browser.run(f"return [...{hosts}]") == [browser.run("return location.host")]
