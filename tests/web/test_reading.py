"""The reading panel in a browser: questions, goals, progress, glossary, a table of one's own."""

from pathlib import Path

import pytest

from deltarule.web.lessons import LESSONS, lesson_named
from tests.web.conftest import Watched, watching

SHOP = "row,size,rooms,note,price\n" + "".join(
    f"{at + 1},{at * 7 % 11},{at * 5 % 3},customer {at},{at * 7 % 11 * 3 + at * 5 % 3 + at % 2}\n"
    for at in range(60)
)


@pytest.fixture(autouse=True)
def fresh(watched: Watched):
    """No progress from before."""
    watched.page.context.clear_cookies()


def answer_of(watched: Watched, *, right: bool) -> None:
    """Chooses an answer to the question of lesson 1."""
    lesson = lesson_named("one-weight")
    assert lesson is not None
    chosen = next(one for one in lesson.question.answers if one.right is right)
    watched.page.click(f".answers button:has-text('{chosen.text}')")
    said = watched.page.text_content(".says") or ""
    assert said.split()[:3] == chosen.says.split()[:3]


def test_a_wrong_answer_teaches_and_a_right_one_is_marked(watched: Watched):
    page = watched.open("one-weight")
    assert page.locator(".answers button").count() == 3
    assert page.text_content(".says") == ""
    answer_of(watched, right=False)
    assert page.locator(".answers button[aria-pressed=true]").get_attribute("class") == "wrong"
    answer_of(watched, right=True)
    assert page.locator(".answers button[aria-pressed=true]").get_attribute("class") == "right"
    assert watched.step == 0


def test_a_goal_gets_its_tick_where_it_is_met_and_not_before(watched: Watched):
    page = watched.open("one-weight")
    assert not page.is_visible("#learned")
    for number in range(1, 10):
        page.click("#step")
        watched.at(number)
        assert page.text_content("#goal-met") == ""
    assert "delta \N{MINUS SIGN}1,003,235" in (page.text_content("#goal-says") or "")
    page.click("#step")
    watched.at(10)
    assert page.text_content("#goal-met") == "met"
    learned = page.text_content("#learned") or ""
    assert page.is_visible("#learned")
    assert all(
        word in learned
        for word in ("delta = prediction \N{MINUS SIGN} target", "weight_delta", "alpha")
    )
    assert page.locator("#lesson option[value=one-weight]").inner_text() == "✓ 1. One weight"
    # Going back does not take the tick away.
    page.click("#start")
    watched.at(0)
    assert page.text_content("#goal-met") == "met"


def test_the_goal_of_lesson_2_is_an_alpha_that_never_settles(watched: Watched):
    page = watched.open("too-far")
    watched.go(4)
    assert page.text_content("#goal-met") == ""
    page.click("#start")
    watched.at(0)
    page.click("#limit")
    watched.go(3)
    watched.until("document.getElementById('goal-met').textContent === 'met'")


def test_a_slow_alpha_then_the_fastest_arrives_in_a_step(watched: Watched):
    page = watched.open("several-outputs")
    watched.go(5)
    assert "of the way left" in (page.text_content("#goal-says") or "")
    page.click("#fastest")
    page.click("#start")
    watched.at(0)
    page.click("#step")
    watched.at(1)
    watched.until("document.getElementById('goal-met').textContent === 'met'")


def test_the_goal_and_the_next_lesson_stay_in_sight_and_cover_nothing(watched: Watched):
    """At the sizes of laptops, wherever one reads."""
    for size in ((1280, 720), (1366, 768)):
        watched.page.set_viewport_size({"width": size[0], "height": size[1]})
        page = watched.open("freezing")
        scroll = page.locator("#lesson-scroll").bounding_box()
        assert scroll is not None
        for top in (0, 10_000):
            page.eval_on_selector("#lesson-scroll", f"e => e.scrollTop = {top}")
            for part in ("#goal", "#onward"):
                box = page.locator(part).bounding_box()
                assert box is not None
                assert box["y"] >= scroll["y"] + scroll["height"] - 1
                assert box["y"] + box["height"] <= size[1]
    page.click("#onward")
    watched.until("document.getElementById('title').textContent === 'Several outputs'")
    assert page.eval_on_selector("#lesson-scroll", "e => e.scrollTop") == 0


def test_progress_is_kept_over_a_reload_and_by_the_next_server(watched: Watched):
    page = watched.open("one-weight")
    answer_of(watched, right=True)
    watched.go(10)
    watched.until("document.getElementById('goal-met').textContent === 'met'")
    page.reload()
    page.wait_for_selector("body[data-step]")
    assert page.locator(".answers .right").count() == 1
    assert page.get_attribute("#onward", "class") == "strong"
    with watching() as address:
        page = watched.open("one-weight", address=address)
        assert page.text_content("#goal-met") == "met"
        assert page.locator(".answers .right").count() == 1
        assert page.locator("#lesson option[value=too-far]").inner_text().startswith("2.")


def test_the_glossary_says_our_word_and_the_fields(watched: Watched):
    page = watched.open("one-weight")
    page.hover(".prose .term[data-word=weight_delta]")
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert "gradient" in tip.inner_text()
    box = tip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.focus(".prose .term[data-word=alpha]")
    assert "learning rate" in tip.inner_text()
    assert page.get_attribute(".term[data-word=alpha]", "aria-describedby") == "tip"
    page.locator(".term[data-word=alpha]").blur()
    assert not tip.is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_glossary_stays_in_the_window(watched: Watched, width: int):
    watched.page.set_viewport_size({"width": width, "height": 720})
    page = watched.open("batches")
    for term in page.locator("#lesson-body .term").all():
        term.scroll_into_view_if_needed()
        term.focus()
        box = page.locator("#tip").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 720


def test_the_row_count_in_words_is_the_pages_own(watched: Watched):
    page = watched.open("many-rows")
    told = (page.text_content("#table") or "").split("Learning from ")[1].split()[0]
    assert int(told.replace(",", "")) > 3000
    assert f"These are {told} films" in (page.text_content(".prose") or "")


@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_no_lesson_hangs_over(watched: Watched, width: int):
    watched.page.set_viewport_size({"width": width, "height": 760})
    page = watched.open(LESSONS[0].name)
    for lesson in LESSONS[1:]:
        page.eval_on_selector("#onward", "e => e.click()")
        watched.until(f"location.hash.startsWith('#{lesson.name}')")
        wide = "e => [e.scrollWidth, e.clientWidth]"
        for part in ("html", "#reading"):
            inside, room = page.eval_on_selector(part, wide)
            assert inside <= room, (lesson.name, part)


# A table of one's own


def brought(watched: Watched, text: str = SHOP):
    file = {"name": "shop.csv", "mimeType": "text/csv", "buffer": text.encode()}
    watched.page.set_input_files("#file", file)
    watched.until("document.getElementById('title').textContent === 'shop.csv'")
    watched.page.wait_for_selector("body[data-step='0']")


def test_ones_own_table_begins_with_sensible_choices_and_names_what_is_left_out(watched: Watched):
    page = watched.open("one-weight")
    brought(watched)
    assert page.input_value("#target") == "price"
    assert page.is_checked("#standardise")
    assert page.input_value("#loss") == "squared"
    unused = page.locator("#unused li").all_inner_texts()
    assert [one.split(":")[0] for one in unused] == ["note", "row"]
    assert "nearly unique" in unused[0]
    assert "looks like an id" in unused[1]
    # What is taken away is named as well.
    page.click("#using summary")
    page.uncheck("#using input[value=rooms]")
    watched.until("document.querySelectorAll('#unused li').length === 3")
    assert "rooms: not chosen" in page.locator("#unused").inner_text()


def test_the_held_out_error_stands_beside_the_training_error_in_every_state(watched: Watched):
    page = watched.open("one-weight")
    brought(watched)
    for number in (0, 1, 40, 100_000):
        watched.go(number)
        assert page.is_visible("#held-out")
        text = page.locator("#held-out").inner_text()
        assert "held-out RMSE" in text
        assert "5-fold cross-validation" in text
        assert float(page.locator("#held-out output").inner_text().replace(",", "")) > 0
    trained = float(page.locator("#error").inner_text())
    assert float(page.locator("#held-out output").inner_text()) > trained
    page.fill("#alpha-number", "5")
    page.press("#alpha-number", "Enter")
    page.fill("#number", "100000")
    page.press("#number", "Enter")
    page.wait_for_selector("body[data-status='over']")
    assert page.is_visible("#held-out")
    assert page.locator("#held-out").inner_text().strip() != "held-out RMSE"


def test_yes_no_and_classes_get_their_loss_by_themselves(watched: Watched):
    page = watched.open("one-weight")
    rows = "".join(f"{at % 9},{at % 7},{'abc'[at % 9 // 3]}\n" for at in range(90))
    brought(watched, f"x,z,kind\n{rows}")
    assert page.input_value("#target") == "kind"
    assert page.input_value("#loss") == "softmax"
    assert "held-out mean log loss" in page.locator("#held-out").inner_text()
    page.select_option("#target", "x")
    watched.until("document.getElementById('loss').value === 'squared'")


def test_a_file_that_is_read_shows_that_the_page_is_busy(watched: Watched):
    page = watched.open("one-weight")
    held: list = []
    page.route("**/api/tables*", lambda route: held.append(route))
    file = {"name": "shop.csv", "mimeType": "text/csv", "buffer": SHOP.encode()}
    page.set_input_files("#file", file)
    page.wait_for_selector("#busy:not([hidden])")
    assert page.locator("#busy").inner_text() == "Reading shop.csv"
    assert page.get_attribute("body", "aria-busy") == "true"
    watched.until("true")
    held[0].continue_()
    watched.until("document.getElementById('title').textContent === 'shop.csv'")
    assert not page.is_visible("#busy")
    assert page.get_attribute("body", "aria-busy") is None


def test_ones_own_table_is_kept_over_a_reload(watched: Watched):
    page = watched.open("one-weight")
    brought(watched)
    watched.go(17)
    weights = watched.weights()
    watched.until("location.hash.includes('step=17')")
    page.reload()
    watched.at(17)
    assert page.text_content("#title") == "shop.csv"
    assert watched.weights() == pytest.approx(weights, rel=1e-12)


def test_a_table_that_is_gone_is_said_to_be_and_lesson_1_opens(watched: Watched, tmp_path: Path):
    page = watched.open("table:gone")
    assert "bring it again" in watched.trouble()
    assert page.text_content("#title") == "One weight"
