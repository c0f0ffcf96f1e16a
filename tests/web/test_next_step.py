"""The next step as the page tells it: what it says is what the step then does, row by row."""

import re
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from deltarule.views.format import number as told
from deltarule.web.app.flow import numbers_of_batch
from deltarule.web.app.payload import Look, Open, begun, drawing, setting
from deltarule.web.lessons import LESSONS, Lesson, lesson_named
from deltarule.web.session import Choices, Session, suggested
from deltarule.web.tables import opened


def opened_lesson(name: str, **changed) -> Open:
    lesson = lesson_named(name)
    assert lesson is not None
    session = Session(opened(lesson.table()), replace(lesson.choices, **changed))
    return Open(session, lesson)


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.name)
def test_the_chain_leads_where_the_step_goes(lesson: Lesson):
    page = opened_lesson(lesson.name)
    look = begun(lesson, page)
    for at in (0, 4):
        page.session.go(at, seconds=np.inf)
        said = drawing(page, look)
        flow, led = said["flow"], said["flow"]["led"]
        assert said["next"]["number"] == at + 1
        if led["by"] == "alpha":
            spread, alpha = number(led["spread"] or "1"), number(led["alpha"])
            pull = number(flow["weight_delta"] if flow["mean"] is None else flow["mean"])
            after = number(flow["before"]) - alpha * pull / spread
            # Numbers are shown with six digits, with an exponent with four.
            size = abs(number(flow["before"])) + abs(alpha * pull / spread)
            digits = 1e-3 if "e" in flow["weight"] else 2e-5
            assert number(flow["weight"]) == pytest.approx(after, abs=digits * size)
        else:
            assert led["by"] == "frozen" or flow["of"] == "intercept"
        page.session.go(at + 1, seconds=np.inf)
        lines = drawing(page, look)["weights"]["lines"]
        weight = next(one["weight"] for one in lines if one["name"] == flow["of"])
        assert told(weight) == flow["weight"]


def test_the_mean_of_all_rows_is_that_of_the_rows_parts():
    page = opened_lesson("several-inputs")
    look = Look(shown=["budget", "rating"])
    page.session.go(2, seconds=np.inf)
    parts, means = [], set()
    for place in range(len(page.drawn.numbers)):
        said = drawing(page, look.model_copy(update={"chosen": place}))
        parts.append(number(said["flow"]["weight_delta"]))
        means.add(said["flow"]["mean"])
        assert said["next"]["rows"] == "all 60 rows"
        assert said["next"]["standardised"]
        assert "mean of all 60 rows" in said["spelled"][2]
    assert number(means.pop()) == pytest.approx(np.mean(parts), rel=1e-4)
    assert not means


@pytest.mark.parametrize("size", [1, 10])
def test_in_a_batch_the_row_shown_is_one_that_the_step_follows(size: int):
    page = opened_lesson("batches", batch=size)
    for at in range(7):
        page.session.go(at, seconds=np.inf)
        said = drawing(page, Look(shown=["budget", "rating"]))
        batch = numbers_of_batch(page.session).tolist()
        assert len(batch) == size
        assert said["next"]["row"] in batch
        assert said["next"]["within"]
        rows = [said["rows"]["numbers"][place] for place in said["rows"]["choices"]]
        assert sorted(rows) == sorted(batch)
        wanted = f"row {batch[0]}" if size == 1 else "the batch's 10 rows"
        assert said["next"]["rows"] == wanted
        # The step is what the named rows ask for, and no other row has a part in it.
        task = page.session.problem
        some = np.isin(page.drawn.numbers, batch)
        inputs = task.standard.inputs(page.drawn.inputs[some])
        delta = page.drawn.inputs[some] @ page.session.at.weights["weight"]
        delta = delta + page.session.at.weights["intercept"] - page.drawn.targets[some]
        mean = (delta * inputs).mean(axis=0)
        moved = page.session.at.weights["weight"] - page.session.at.next["weight"]
        assert moved[:, 0] == pytest.approx(0.02 * mean / task.standard.spread, rel=1e-9)


def test_a_row_that_the_batch_has_not_is_said_to_have_no_part():
    many = pl.DataFrame({"x": np.arange(3000.0) % 17, "y": np.arange(3000.0) % 5})
    page = Open(Session(opened(many), Choices(("y",), ("x",), alpha=0.1, batch=1)))
    found = [drawing(page, Look(shown=["x"]))["next"]]
    for at in range(1, 40):
        page.session.go(at, seconds=np.inf)
        found.append(drawing(page, Look(shown=["x"]))["next"])
    without = [one for one in found if not one["within"]]
    assert without  # 240 of 3,000 rows are drawn
    for one in found:
        assert one["within"] == (one["rows"] == f"row {one['row']:,}")
        assert one["alone"] == one["within"]


def test_a_frozen_weight_and_an_intercept_are_told_apart():
    page = opened_lesson("freezing")
    said = drawing(page, Look(shown=["budget"]))
    assert said["flow"]["led"] == {"by": "frozen"}
    assert "the weight of budget is frozen: it stays at 2.5" in said["spelled"]
    assert drawing(page, Look(shown=["intercept"]))["flow"]["led"] == {"by": "others"}
    momentum = opened_lesson("one-weight", learner="momentum")
    momentum.session.go(3, seconds=np.inf)
    assert drawing(momentum, Look(shown=["budget"]))["flow"]["led"] == {"by": "learner"}


def test_gaps_that_are_filled_are_named_in_row_sentence_and_table():
    rows = {
        "size": [1.0, None, 3.0, 4.0] * 10,
        "kind": ["a", "b", None, "a"] * 10,
        "price": [2.0, 4.0, 6.0, None] * 10,
    }
    page = Open(Session(opened(pl.DataFrame(rows)), suggested(opened(pl.DataFrame(rows)))))
    numbers = page.drawn.numbers.tolist()
    assert 4 not in numbers  # has no price
    filled = drawing(page, Look(chosen=numbers.index(2)))
    assert filled["next"]["gaps"] == ["size"]
    assert "size (filled in) 2" in filled["spelled"][0]
    hover = filled["figures"]["predict"]["data"][-1]["text"][numbers.index(2)]
    assert "size (filled in)" in hover
    known = drawing(page, Look(chosen=numbers.index(1)))
    assert known["next"]["gaps"] == []
    assert "filled" not in known["spelled"][0]
    table = setting(page)["table"]
    assert table["left_out"] == "10 rows left out: price is missing"
    assert table["gaps"] == [
        "size is missing in 10 rows, filled in by its mean, 2",
        "kind is missing in 10 rows, a level of its own",
    ]


@pytest.mark.parametrize(
    ("name", "changed", "what"),
    [
        ("one-weight", {}, "squared error"),
        ("several-inputs", {}, "squared error"),
        ("yes-no", {}, "log loss"),
        ("several-inputs", {"loss": "absolute"}, "absolute error"),
        ("several-inputs", {"loss": "huber"}, "Huber loss"),
        ("several-inputs", {"loss": "poisson", "alpha": 0.001}, "Poisson loss"),
    ],
)
def test_row_mean_and_history_show_one_error_by_one_name(name, changed, what):
    page = opened_lesson(name, **changed)
    page.session.go(3, seconds=np.inf)
    rows = len(page.drawn.numbers)
    assert rows == page.session.read.examples
    found = drawing(page, Look())
    errors = []
    for place in range(rows):
        said = " ".join(drawing(page, Look(chosen=place))["spelled"])
        [error] = re.findall(rf"{what} (-?[\d,.]+(?:e-?\d+)?)", said)
        errors.append(number(error))
    assert found["error"]["value"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found["error"]["what"].endswith(what)
    ball = found["figures"]["loss"]["data"][-1]
    assert ball["y"] == pytest.approx([found["error"]["value"]], rel=1e-9)
    assert found["figures"]["loss"]["layout"]["meta"]["alt"].startswith(
        f"The {found['error']['what']}"
    )


def test_of_one_row_the_error_is_the_size_of_its_delta():
    page = opened_lesson("one-weight")
    page.session.go(1)
    found = drawing(page, Look())
    assert found["error"]["name"] == "size of delta"
    assert found["error"]["typical"] == 59_730_000
    assert found["status"]["words"].startswith("The size of delta went from 99,550,000 to")


def test_what_no_longer_moves_is_not_said_to_go_anywhere():
    page = opened_lesson("freezing")
    page.session.go(90, seconds=np.inf)
    found = drawing(page, Look())
    assert found["status"]["words"].startswith("The RMSE is 74.2654: the last step moved it by")
    assert any("weight stays at 41.2791" in line for line in found["spelled"])


def test_the_baseline_of_a_category_is_named():
    frame = pl.DataFrame({"x": [*range(30)], "kind": ["b", "a", "b"] * 10, "y": [*range(30)]})
    page = Open(Session(opened(frame), Choices(("y",), ("x", "kind"), standardise=True)))
    [said] = setting(page)["table"]["levels"]
    assert said.startswith("kind: b is the baseline, with weight 0")
    assert "“kind is a”" in said


def test_an_error_of_several_targets_is_said_to_be():
    said = drawing(opened_lesson("several-outputs"), Look())
    assert said["error"]["of"] == "both targets"
    assert "squared error of both targets" in said["spelled"][1]
    classes = drawing(opened_lesson("classes"), Look())
    assert "log loss of the row" in " ".join(classes["spelled"])
    page = opened_lesson("several-outputs")
    page.session.go(3, seconds=np.inf)
    assert drawing(page, Look())["status"]["words"].startswith("The RMSE of both targets went from")
    assert drawing(opened_lesson("classes"), Look())["error"]["of"] == ""


def test_a_step_on_a_million_rows_is_answered_within_20_ms():
    """All that the page draws of it included; the best of several, for a machine that is shared."""
    rng = np.random.default_rng(3)
    columns = {f"x{at}": rng.normal(size=1_000_000) for at in range(20)}
    table = pl.DataFrame(columns).with_columns(y=sum(pl.col(name) for name in columns))
    page = Open(Session(opened(table), Choices(("y",), tuple(columns), standardise=True)))
    look, took = Look(shown=["x0", "x1"]), []
    for at in range(12):
        begun_at = time.process_time()
        page.session.go(at)
        drawing(page, look)
        took.append(time.process_time() - begun_at)
    assert page.session.read.examples == 1_000_000
    assert page.session.at.number == 11
    assert min(took[1:]) < 0.020
