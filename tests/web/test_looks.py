"""Every point of the page at every size, light and dark, by the keyboard alone, without motion.

One page takes the looks in turn; lessons follow each other in it, as they do for a person.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.web.conftest import Watched, listened
from tests.web.test_screen import BOXES, PHONE, SEEN, resized
from tests.web.test_state import knob_off_line

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
SIZES = [PHONE, (1280, 720), (1366, 768), (1920, 1080)]
LOOKS = [(size, scheme) for scheme in ("light", "dark") for size in SIZES]
CSV = "row,size,rooms,price\n" + "".join(
    f"{at + 1},{'' if at % 9 == 4 else at * 7 % 11},{at * 5 % 3},{at * 7 % 11 * 3 + at % 4}\n"
    for at in range(60)
)
# Parts whose numbers must be seen to their last digit.
NUMBERS = (
    "#alpha-number, #hand-number, #number, #weights .value > span, #weights .change > span, #error,"
    " #formula-room, #status"
)
CUT = """names => [...document.querySelectorAll(names)]
  .filter(e => e.offsetParent && getComputedStyle(e).display !== 'inline')
  .map(e => [e, e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight])
  .filter(([, wide, high]) => wide > 1 || high > 3)
  .map(([e, wide, high]) => `${e.id || e.textContent} by ${wide} x ${high}`)"""
OVER = """width => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('svg, .flow, .scroll, .hidden') && e.offsetParent)
  .filter(e => innerWidth >= 1100 || !e.closest('.panels'))
  .map(e => [e.id || e.className, e.getBoundingClientRect()])
  .filter(([, box]) => box.right > width + 1 || box.left < -1)
  .map(([name]) => name)"""


class Look(Watched):
    """The page at one size in one scheme, driven by keys."""

    size: tuple[int, int]

    def lesson(self, name: str, rest: str = "") -> None:
        """Follows a link to a lesson, in the page as it is."""
        self.follow(f"{name}{rest}")

    def press(self, selector: str, key: str = "Enter") -> None:
        """What a key does on an element that has the focus."""
        self.page.focus(selector)
        self.page.keyboard.press(key)

    def off(self, *names: str) -> list[list]:
        """Those of the elements that are not wholly on the screen, or have no extent."""
        width, height = self.size
        return [
            box
            for box in self.page.evaluate(BOXES, list(names))
            if not (0 <= box[1] < box[3] <= width + 1 and 0 <= box[2] < box[4] <= height + 1)
        ]

    def panel(self, number: int) -> None:
        """On a phone, swipes to a panel."""
        if self.size == PHONE:
            self.press(f".hops a:nth-child({number})")
            self.page.wait_for_timeout(150)


@pytest.fixture(scope="module")
def shared(chromium: BrowserContext, address: str) -> Iterator[Look]:
    """The one page that takes each look in turn."""
    page = chromium.new_page()
    page.emulate_media(reduced_motion="reduce")
    found = Look(page, address)
    listened(found)
    chromium.clear_cookies()
    found.open("one-weight")
    page.evaluate(AXE)
    yield found
    page.close()


@pytest.fixture(scope="module", params=LOOKS, ids=lambda one: f"{one[0][0]}-{one[1]}")
def look(shared: Look, request: pytest.FixtureRequest) -> Iterator[Look]:
    size, scheme = request.param
    shared.page.context.clear_cookies()
    shared.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    resized(shared, size)
    shared.size = size
    yield shared
    shared.check()


def test_all_that_a_step_moves_is_seen(look: Look):
    stays = ("#step", "#play", "#status", "#flow", ".spelling", "#alpha", "#next-head")
    for lesson in ("one-weight", "several-inputs", "scale"):
        look.lesson(lesson, "&step=3")
        look.at(3)
        assert (
            look.off(*(stays if look.size == PHONE else (*SEEN, *stays, ".do", "#goal", "#onward")))
            == []
        )
        assert look.page.text_content("#next-number").startswith("step 4")
        assert look.page.evaluate(OVER, look.size[0]) == [], lesson
        wide = "document.documentElement.scrollWidth"
        assert look.page.evaluate(wide) <= look.size[0]


def test_long_numbers_are_seen_to_their_last_digit(look: Look):
    places = [
        ("one-weight", "&alpha=1.476e-10&step=40"),
        ("scale", "&step=3"),
        ("classes", "&step=9"),
    ]
    for lesson, rest in places:
        look.lesson(lesson, rest)
        for panel in (2, 4):
            look.panel(panel)
            assert look.page.evaluate(CUT, NUMBERS) == [], lesson
        if look.size != PHONE:  # where the chain is swiped
            assert look.page.evaluate(CUT, "#flow") == [], lesson
    look.panel(1)


def test_words_of_lists_are_whole_and_numbers_do_not_break(look: Look):
    # One long name alone has no shorter form: at 1280 it is cut, with the whole in its title.
    alone = () if look.size[0] == 1280 else ("yes-no",)
    for lesson in (*alone, "several-inputs", "classes", "several-outputs"):
        look.lesson(lesson)
        look.panel(2)
        assert look.page.evaluate(CUT, "#using .names") == [], lesson
    assert look.page.locator("#weights td:first-child").first.inner_text() == "budget"
    look.panel(1)
    look.lesson("too-far")
    # A number with an exponent has one box: it is on one line.
    boxes = look.page.evaluate(
        "[...document.querySelectorAll('.prose .whole')].filter(e => /e-11/.test(e.textContent))"
        ".map(e => e.getClientRects().length)"
    )
    assert len(boxes) >= 3
    assert set(boxes) == {1}


def test_a_step_has_no_motion_and_one_colour_for_each_quantity(look: Look):
    look.lesson("one-weight")
    page = look.page
    page.evaluate("""window.chips = 0;
      window.seen?.disconnect();
      window.seen = new MutationObserver(all => all.forEach(one => {
        chips += [...one.addedNodes].filter(part => part.className === 'chip').length;
      }));
      seen.observe(document.body, { childList: true });""")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    look.at(1)
    page.keyboard.press("ArrowRight")
    look.at(2)
    assert page.evaluate("chips") == 0
    color = "e => getComputedStyle(e).color"
    found = {
        kind: {
            page.eval_on_selector(f"{part} b.{kind}", color)
            for part in ("#flow", "#spelled", *(["#formula"] if kind != "delta" else ["#status"]))
        }
        for kind in ("weight", "prediction", "delta")
    }
    assert all(len(colors) == 1 for colors in found.values())
    assert len(set.union(*found.values())) == 3
    assert page.eval_on_selector("#weights td.value", color) in found["weight"]
    assert page.eval_on_selector("#error", color) in found["delta"]
    for chart in ("predict", "bowl", "deltas", "loss"):
        assert page.locator(f"#{chart}-legend li").count() > 0


def test_a_lesson_is_gone_through(look: Look):
    page = look.page
    look.lesson("one-weight")
    look.press(".answers button:nth-child(2)")
    assert page.locator(".says").inner_text()
    look.press(".prose .term[data-word=weight_delta]", "Shift")
    tip = page.locator("#tip")
    assert "gradient" in tip.inner_text()
    box = tip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= look.size[0]
    page.keyboard.press("Escape")
    # What to do is not covered by the goal.
    page.eval_on_selector(".do li:last-child", "e => e.scrollIntoView({ block: 'nearest' })")
    seen = page.evaluate("""() => {
      const box = document.querySelector('.do li:last-child').getBoundingClientRect();
      const there = document.elementFromPoint(box.left + 30, box.bottom - 4);
      return Boolean(there?.closest('.do'));
    }""")
    assert seen
    look.press("#goal button")
    assert page.get_attribute("#goal button", "aria-expanded") == "true"
    page.evaluate("document.activeElement.blur()")
    for number in range(1, 11):
        assert page.text_content("#goal-met") == ""
        page.keyboard.press("ArrowRight")
        look.at(number)
    look.until("document.getElementById('goal-met').textContent === 'met'")
    assert page.is_visible("#learned")
    look.press("#onward")
    look.until("document.getElementById('title').textContent === 'Breaking it with alpha'")
    page.context.clear_cookies()


def test_the_marks_of_alpha_are_apart_and_large_enough(look: Look):
    for lesson in ("one-weight", "several-inputs", "yes-no"):
        look.lesson(lesson)
        fastest, limit = (
            look.page.locator(f"#{name}").bounding_box() for name in ("fastest", "limit")
        )
        assert fastest is not None
        assert limit is not None
        assert fastest["x"] + fastest["width"] <= limit["x"], lesson
        assert limit["x"] + limit["width"] <= look.size[0]
        assert min(fastest["height"], limit["height"], fastest["width"]) >= 24
    look.lesson("several-inputs")
    look.press("#limit")
    look.page.evaluate("document.activeElement.blur()")
    look.idle()
    # The slider stands where its number is: beyond the mark.
    knob, mark = look.page.evaluate("""() => {
      const [slider, limit] = ['alpha', 'limit'].map(id => document.getElementById(id));
      const [room, box] = [slider, limit].map(one => one.getBoundingClientRect());
      return [room.left + 8 + (room.width - 16) * Number(slider.value), box.left + box.width / 2];
    }""")
    assert mark < knob <= look.size[0]
    # Where its knob stands on a mark, the knob takes the mouse.
    look.press("#fastest")
    look.idle()
    assert look.page.evaluate("""() => {
      const box = document.getElementById('alpha').getBoundingClientRect();
      const mark = document.getElementById('fastest').getBoundingClientRect();
      const x = mark.left + mark.width / 2;
      return [0, 5].map(down => document.elementFromPoint(x, box.top + box.height / 2 + down).id);
    }""") == ["alpha", "alpha"]


def test_the_state_is_in_the_address_and_can_be_undone(look: Look):
    page = look.page
    look.lesson("one-weight")
    look.press("#fastest")
    look.idle()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    look.at(1)
    look.until("location.hash.includes('alpha=2.5e-11') && location.hash.includes('step=1')")
    assert look.weights() == [498.75]
    page.keyboard.press("Control+z")
    look.until("document.getElementById('alpha-number').value === '1e-11'")
    page.keyboard.press("Control+Shift+z")
    look.until("document.getElementById('alpha-number').value === '2.5e-11'")
    look.press("#compare-alphas")
    look.until("!document.getElementById('beside-status').hidden")
    assert look.off("#beside-number", "#beside-status") == []
    look.press("#compare-alphas")
    look.until("document.getElementById('beside-status').hidden")
    look.press("#more summary")
    assert look.off("#learner", "#ridge", "#intercept") == []
    page.keyboard.press("Escape")
    assert not page.is_visible("#learner")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_knob_starts_a_branch_and_stays_on_the_line(look: Look):
    look.lesson("one-weight", "&step=3")
    look.at(3)
    look.panel(2)
    look.press("#handle", "ArrowUp")
    look.until("!document.getElementById('branch').hidden")
    look.idle()
    assert look.weights()[0] > 391.236
    off = knob_off_line(look)
    assert off is not None
    assert off < 2
    assert look.off("#branch", "#status") == []
    look.press("#branch")
    look.until("document.getElementById('branch').hidden")
    look.at(3)
    assert look.weights() == [391.236]
    look.panel(1)


def brought(look: Look) -> None:
    """Brings a table of one's own."""
    file = {"name": "shop.csv", "mimeType": "text/csv", "buffer": CSV.encode()}
    look.page.set_input_files("#file", file)
    look.until("document.getElementById('title').textContent === 'shop.csv'")
    look.idle()


def test_ones_own_table_names_what_is_left_out_and_filled_in(look: Look):
    page = look.page
    brought(look)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    look.at(1)
    assert page.input_value("#target") == "price"
    assert "row: it looks like an id" in page.locator("#unused").inner_text()
    assert "size is missing in 7 rows, filled in by its mean" in page.locator("#gaps").inner_text()
    held = page.locator("#held-out").inner_text()
    assert "held-out RMSE" in held
    assert "5-fold cross-validation" in held
    assert page.evaluate(OVER, look.size[0]) == []


def test_play_stops_by_itself_and_a_goal_of_rest_is_not_met_in_passing(look: Look):
    page = look.page
    look.lesson("overfitting", "&step=30")  # from 51 to some 110 the goal is passed
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    look.until("Number(document.body.dataset.step) >= 150")
    assert page.text_content("#goal-met") == ""
    page.keyboard.press(" ")
    look.until("document.getElementById('play').textContent === 'Play'")
    look.idle()
    page.wait_for_timeout(900)
    assert page.text_content("#goal-met") == ""
    look.go(50)
    look.until("document.getElementById('goal-met').textContent === 'met'")
    page.context.clear_cookies()


def serious(look: Look, *, charts: bool = False) -> list[tuple[str, list[str]]]:
    """What axe finds that is serious, by rule and element.

    A chart is one image, with its name on the element around it: its thousands of marks are walked
    through only where `charts` asks for it.
    """
    scope = "document" if charts else "{ exclude: [['.chart > *']] }"
    found = look.page.evaluate(
        f"axe.run({scope}, {{ resultTypes: ['violations'], preload: false }})"
    )
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_axe_finds_nothing_serious_in_any_state(look: Look):
    page = look.page
    look.lesson("one-weight")
    look.press(".answers button:has-text('Make it smaller')")
    look.press("#goal button")
    page.focus(".prose .term[data-word=alpha]")
    assert page.locator(".answers .wrong").count() == 1
    assert page.is_visible("#tip")
    assert serious(look) == []
    look.press(".answers button:has-text('Make it larger')")
    look.go(10)
    look.until("document.getElementById('goal-met').textContent === 'met'")
    look.press("#compare-alphas")
    look.until("!document.getElementById('beside-status').hidden")
    look.press("#more summary")
    assert serious(look) == []
    page.keyboard.press("Escape")
    look.lesson("batches", "&step=2")
    if look.size != PHONE:  # which has no use for it
        look.press("#full")
        look.until("document.documentElement.classList.contains('teacher')")
        assert serious(look) == []
        look.press("#full")
        look.until("!document.documentElement.classList.contains('teacher')")
    brought(look)
    assert serious(look, charts=look.size[0] == 1366) == []
    page.context.clear_cookies()


def test_larger_type_and_a_sheet_to_print(look: Look):
    page = look.page
    look.lesson("one-weight")
    if look.size != PHONE:  # which has no use for it
        look.press("#full")
        look.until("document.documentElement.classList.contains('teacher')")
        page.wait_for_timeout(150)
        assert (
            look.off("#goal", "#formula", "#predict-chart", "#bowl-chart", "#flow", "#step") == []
        )
        look.press("#full")
        look.until("!document.documentElement.classList.contains('teacher')")
    page.wait_for_selector("#sheet[data-lesson='one-weight']", state="attached")
    page.emulate_media(media="print")
    assert page.locator("#sheet .boxes li").count() == 3
    assert page.is_visible("#sheet .answers-page")
    assert not page.is_visible(".stage")
    page.emulate_media(media="null")
