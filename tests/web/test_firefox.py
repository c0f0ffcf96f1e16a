"""The page in Firefox, where there is one: its main points at each size, light and dark, by keys.

One Firefox is started for all of it; a look is a resize, and lessons follow each other in one page.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.web.firefox import CONTROL, Firefox, firefox
from tests.web.test_screen import BOXES, LAPTOPS, PHONE, SEEN

PROGRAM = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
RIGHT, HOME, ENTER = "\ue014", "\ue011", "\ue007"
LOOKS = [(size, dark) for dark in (False, True) for size in (PHONE, *LAPTOPS)]
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Firefox on this machine")


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Firefox]:
    assert PROGRAM is not None
    with firefox(PROGRAM, **{"ui.prefersReducedMotion": 1}) as started:
        started.open(f"{address}#one-weight")
        started.until(IDLE)
        yield started


IDLE = "document.body.dataset.step && document.body.dataset.asking === 'false'"


@pytest.fixture(params=LOOKS, ids=lambda one: f"{one[0][0]}-{'dark' if one[1] else 'light'}")
def size(browser: Firefox, request: pytest.FixtureRequest) -> tuple[int, int]:
    """The page at a size in a scheme."""
    (width, height), dark = request.param
    browser.scheme(dark)
    browser.resize(width, height)
    browser.until(
        "[...document.querySelectorAll('.chart')].every(chart => !chart.clientWidth"
        " || Math.abs(chart.wrappedJSObject._fullLayout.width - chart.clientWidth) < 2)"
    )
    paper = browser.run("return getComputedStyle(document.querySelector('.panel')).backgroundColor")
    light = max(map(int, paper.removeprefix("rgb(").rstrip(")").split(",")))
    assert light < 60 if dark else light > 200
    return width, height


def weights(browser: Firefox) -> list[float]:
    cells = "[...document.querySelectorAll('#weights td.value')].map(one => Number(one.title))"
    return list(browser.run(f"return {cells}"))


def begun(browser: Firefox, place: str) -> None:
    """Follows a link to a lesson, in the page as it is."""
    browser.run(
        """delete document.body.dataset.step;
        document.activeElement.blur();
        history.replaceState(null, '', location.pathname + location.search + '#');
        location.hash = arguments[0];""",
        place,
    )
    browser.until(IDLE)


def at(browser: Firefox, step: int) -> None:
    browser.until(f"document.body.dataset.step === '{step}'")


def off(browser: Firefox, size: tuple[int, int], *names: str) -> list[list]:
    """Those of the elements that are not wholly on the screen, or have no extent."""
    return [
        box
        for box in browser.run(f"return ({BOXES})(arguments[0])", list(names))
        if not (0 <= box[1] < box[3] <= size[0] + 1 and 0 <= box[2] < box[4] <= size[1] + 1)
    ]


def test_steps_links_and_undo_by_keys(browser: Firefox, size: tuple[int, int]):
    begun(browser, "one-weight&alpha=2e-11")
    browser.key(RIGHT)
    at(browser, 1)
    browser.until("location.hash.includes('alpha=2e-11') && location.hash.includes('step=1')")
    assert weights(browser) == [399.2]
    browser.run("document.getElementById('fastest').focus()")
    browser.key(ENTER)
    browser.until("document.getElementById('alpha-number').value === '2.5e-11'")
    browser.run("document.activeElement.blur()")
    browser.until(IDLE)
    assert weights(browser) == [498.75]
    browser.key(CONTROL, "z")
    browser.until("document.getElementById('alpha-number').value === '2e-11'")
    browser.until(IDLE)
    at(browser, 1)
    assert off(browser, size, "#step", "#play", "#status", "#flow", ".spelling", "#alpha") == []
    assert browser.run("return document.documentElement.scrollWidth") <= size[0]


def test_the_knob_starts_a_branch_and_stays_on_the_line(browser: Firefox, size: tuple[int, int]):
    begun(browser, "one-weight&step=3")
    at(browser, 3)
    browser.run("document.querySelector(\".hops a[href='#predict']\").click()")
    browser.until("document.getElementById('handle').getBoundingClientRect().right < innerWidth")
    browser.until("document.getElementById('handle').getBoundingClientRect().left > 0")
    middle = """const box = document.getElementById('handle').getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];"""
    x, y = browser.run(middle)
    browser.drag(x, y, 20)
    browser.until("!document.getElementById('branch').hidden")
    browser.until(IDLE)
    assert weights(browser)[0] > 395
    apart = """const chart = document.getElementById('predict-chart');
      const { xaxis, yaxis } = chart.wrappedJSObject._fullLayout;
      const room = chart.getBoundingClientRect();
      const box = document.getElementById('handle').getBoundingClientRect();
      const weight = Number(document.querySelector('#weights td.value').title);
      const across = xaxis.p2d(box.x + box.width / 2 - room.x - xaxis._offset);
      return yaxis.d2p(weight * across) + yaxis._offset - (box.y + box.height / 2 - room.y);"""
    assert abs(browser.run(f"return (() => {{ {apart} }})()")) < 2
    browser.run("document.getElementById('branch').click()")
    browser.until("document.getElementById('branch').hidden")
    at(browser, 3)
    assert weights(browser) == [391.236]
    browser.run("document.querySelector(\".hops a[href='#reading']\").click()")


@pytest.mark.parametrize("size", [look for look in LOOKS if look[0] != PHONE], indirect=True)
def test_all_that_a_step_moves_is_on_one_screen(browser: Firefox, size: tuple[int, int]):
    for place in ("several-inputs&step=3", "scale&step=3"):
        begun(browser, place)
        at(browser, 3)
        browser.until(
            "document.getElementById('flow').scrollWidth"
            " <= document.getElementById('flow').clientWidth + 1"
        )
        assert off(browser, size, *SEEN, ".do", "#goal", "#onward") == [], place


def test_lesson_1_is_gone_through_by_keys(browser: Firefox):
    begun(browser, "one-weight")
    for number, weight in enumerate((200.1, 319.56, 391.236), 1):
        browser.key(RIGHT)
        at(browser, number)
        assert weights(browser) == [weight]
    assert browser.run("return document.getElementById('next-number').textContent") == "step 4"
    for number in range(4, 11):
        browser.key(RIGHT)
        at(browser, number)
    browser.until("document.getElementById('goal-met').textContent === 'met'")
    browser.run("document.getElementById('onward').focus()")
    browser.key(ENTER)
    browser.until("document.getElementById('title').textContent === 'Breaking it with alpha'")
    browser.until("location.hash.startsWith('#too-far')")
    browser.run("document.activeElement.blur()")
    browser.key(HOME, RIGHT)
    at(browser, 1)


def test_nothing_was_logged_and_nobody_else_asked(browser: Firefox):
    begun(browser, "classes&step=5")
    at(browser, 5)
    assert browser.logged() == []
    hosts = "new Set(performance.getEntriesByType('resource').map(one => new URL(one.name).host))"
    assert browser.run(f"return [...{hosts}]") == [browser.run("return location.host")]
