"""How the page looks at every size, light and dark: all on one screen, nothing cut, readable."""

from typing import Any

import pytest

from tests.web.conftest import Watched

LAPTOPS = [(1280, 720), (1366, 768), (1920, 1080)]
PHONE = (360, 740)
SIZES = [PHONE, *LAPTOPS]
WIDTHS = [360, 600, 759, 760, 1099, 1100, 1280, 1920, 2560]
# What has to be seen while stepping.
SEEN = (
    "#title", "#formula", "#predict-chart", "#bowl-chart", "#deltas-chart", "#weights", "#start",
    "#back", "#step", "#play", "#scrub", "#alpha", "#more", "#status", "#flow", "#error",
    "#predict-legend", "#bowl-legend", "#deltas-legend",
)  # fmt: skip
BOXES = """names => names.map(name => {
  const { left, top, right, bottom } = document.querySelector(name).getBoundingClientRect();
  return [name, left, top, right, bottom];
})"""


def resized(watched: Watched, size: tuple[int, int]) -> None:
    """The page at another size, with its charts drawn anew."""
    watched.page.set_viewport_size({"width": size[0], "height": size[1]})
    watched.page.wait_for_timeout(120)
    watched.until(
        "[...document.querySelectorAll('.chart')].every(chart => !chart.clientWidth"
        " || Math.abs(chart._fullLayout.width - chart.clientWidth) < 2)"
    )


def cut_off(watched: Watched, names: tuple[str, ...], size: tuple[int, int]) -> list[Any]:
    """Those of the elements that are not wholly on the screen, or have no extent."""
    width, height = size
    return [
        box
        for box in watched.page.evaluate(BOXES, list(names))
        if not (0 <= box[1] < box[3] <= width + 1 and 0 <= box[2] < box[4] <= height + 1)
    ]


@pytest.mark.parametrize("lesson", ["one-weight", "several-inputs", "classes"])
def test_all_that_a_step_moves_is_on_one_screen(watched: Watched, lesson):
    page = watched.open(lesson)
    watched.go(3)
    for size in LAPTOPS:
        resized(watched, size)
        assert cut_off(watched, SEEN, size) == [], size
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
        plot = "id => { const { xaxis, yaxis } = document.getElementById(id)._fullLayout;"
        plot += " return xaxis._length / yaxis._length; }"
        for chart in ("predict-chart", "bowl-chart"):
            assert 0.6 < page.evaluate(plot, chart) < 1.6, (size, chart)
        if lesson != "classes":  # whose last weights are a scroll away
            room, words = page.evaluate(
                "[document.querySelector('.spelling').clientHeight,"
                " document.getElementById('spelled').scrollHeight]"
            )
            assert words <= room + 1, size
    assert not page.is_visible("#learner")
    page.click("#more summary")
    for setting in ("#learner", "#loss", "#batch", "#ridge", "#start-weight"):
        assert page.is_visible(setting)
    assert cut_off(watched, ("#more fieldset",), LAPTOPS[-1]) == []


def test_on_a_phone_status_and_step_stay_beside_the_transport_while_panels_are_swiped(
    watched: Watched,
):
    watched.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page = watched.open("several-inputs")
    stays = ("#step", "#play", "#status", "#flow", ".spelling", "#alpha")
    seen = {
        "Lesson": "#title",
        "Predict": "#predict-chart",
        "Compare": "#bowl-chart",
        "Learn": "#weights",
    }
    for at, (panel, shown) in enumerate(seen.items()):
        page.evaluate(
            "n => { const panels = document.querySelector('.panels');"
            " panels.scrollTo(n * panels.clientWidth, 0); }",
            at,
        )
        watched.until(f"document.querySelector('.hops [aria-current]').textContent === '{panel}'")
        box = page.locator(shown).bounding_box()
        assert box is not None
        assert -1 <= box["x"] < PHONE[0]
        assert cut_off(watched, stays, PHONE) == []
        page.click("#step")
        watched.at(at + 1)
    page.click(".hops a >> nth=1")
    watched.until("document.querySelector('.hops [aria-current]').textContent === 'Predict'")


def test_nothing_hangs_over_at_any_width(watched: Watched):
    page = watched.open("overfitting")
    watched.go(40)
    over = """width => [...document.querySelectorAll('body *')]
      .filter(e => !e.closest('svg, .flow, .scroll, .hidden') && e.offsetParent)
      .filter(e => innerWidth >= 1100 || !e.closest('.panels'))
      .map(e => [e.id || e.className, e.getBoundingClientRect()])
      .filter(([, box]) => box.right > width + 1 || box.left < -1)
      .map(([name]) => name)"""
    for width in WIDTHS:
        resized(watched, (width, 800))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(over, width) == [], width


def test_whatever_is_pressed_is_large_enough(watched: Watched):
    page = watched.open("several-inputs")
    small = """[...document.querySelectorAll('button, select, input, summary, a')]
      .map(e => (e.matches('[type=checkbox]') && e.closest('label')) || e)
      .filter(e => e.offsetParent && !e.closest('svg'))
      .map(e => [e.id || e.textContent, e.getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24)
      .map(([name, box]) => `${name} ${box.width} x ${box.height}`)"""
    for size in SIZES:
        resized(watched, size)
        page.click("#more summary")
        assert page.evaluate(small) == [], size
        page.keyboard.press("Escape")


def test_each_quantity_has_one_colour_in_formula_chart_table_and_sentence(watched: Watched):
    page = watched.open("one-weight")
    watched.go(2)
    color = "e => getComputedStyle(e).color"
    weight = page.eval_on_selector("#weights td.value", color)
    prediction = page.eval_on_selector("#formula b.prediction", color)
    delta = page.eval_on_selector("#error", color)
    assert len({weight, prediction, delta}) == 3
    for place in ("#formula b.weight", "#flow b.weight", "#spelled b.weight"):
        assert page.eval_on_selector(place, color) == weight
    for place in ("#flow b.prediction", "#spelled b.prediction"):
        assert page.eval_on_selector(place, color) == prediction
    for place in ("#flow b.delta", "#spelled b.delta", "#status b"):
        assert page.eval_on_selector(place, color) == delta
    stroke = "e => getComputedStyle(e).stroke"
    last = ".scatterlayer .trace:nth-child(3) path.js-line"
    assert page.eval_on_selector(f"#predict-chart {last}", stroke) == prediction
    first = ".scatterlayer .trace:nth-child(1) path.js-line"
    assert page.eval_on_selector(f"#predict-chart {first}", stroke) == delta
    assert page.eval_on_selector(f"#bowl-chart {first}", stroke) == delta
    way = ".scatterlayer .trace:nth-child(2) path.js-line"
    assert page.eval_on_selector(f"#bowl-chart {way}", stroke) == weight
    for chart in ("predict", "bowl", "deltas", "loss"):
        assert page.locator(f"#{chart}-legend li").count() > 0
