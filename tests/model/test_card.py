"""The model card: what it predicts, from what, how well and within which limits."""

import random

import pytest

import deltarule as dr
from deltarule.model.card import escaped
from deltarule.views.format import number, percent


def films(rows: int = 300) -> list[dict]:
    random.seed(4)
    return [
        {
            "budget": random.choice([None, random.uniform(1, 9)]),
            "genre|<b>": random.choice(["drama", "comedy", "a_b"]),
            "seen": f"20{random.randint(10, 19)}-{random.randint(1, 12):02d}-03",
            "gross": random.uniform(5, 20),
            "rated": random.choice(["good", "bad"]),
        }
        for _ in range(rows)
    ]


USING = ["budget", "genre|<b>", "seen"]


@pytest.fixture(scope="module")
def model() -> dr.Model:
    return dr.learn(films(), predict="gross", using=USING)


def test_a_card_has_the_models_own_figures(model):
    text, held_out, record = model.card(), model.held_out, model.record
    errors = f"{number(held_out.rmse)} | {number(held_out.baseline_rmse)}"
    assert f"| gross | typical error (RMSE) | {errors} |" in text
    missing = record.contract.columns[0].missing
    assert f"{missing:,.0f} rows ({percent(missing / record.rows)})" in text
    assert "2010-" in text
    assert " to 2019-" in text
    assert f"Learnt from {record.rows:,.0f} rows" in text
    assert "## Known limits" in text
    assert "filled with the mean" in text


def test_rare_levels_are_counted_in_the_right_number():
    rows = films()
    for count in (1, 2):
        rare = [{**row, "genre|<b>": f"rare {at}"} for at, row in enumerate(rows[:count])]
        text = dr.learn([*rare, *rows[count:]], predict="gross", using=["genre|<b>"]).card()
        assert f"; {count} rare one{'s' * (count > 1)} pooled" in text


def test_names_cannot_become_markdown(model):
    text = model.card()
    assert r"genre\|\<b\>" in text
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    own = [line for line in rows if line.startswith(r"| genre\|")]
    assert [line.replace(r"\|", "").count("|") for line in own] == [5]
    assert escaped("a\n# b") == r"a\\n\# b"


def test_classes_are_told_with_their_shares_and_how_often_they_are_right():
    classes = dr.learn(films(), predict="rated", using=USING)
    text, right = classes.card(), classes.held_out.classes
    assert (
        f"| rated | right | {percent(right.accuracy)} | {percent(right.baseline_accuracy)} |"
        in text
    )
    assert "each with its probability" in text


def test_a_model_without_held_out_rows_says_so():
    record = dr.learn(films(), predict="gross", using=["budget"]).record
    few = dr.Model(record.model_copy(update={"held_out": None}))
    assert "nothing is known of new rows" in few.card()
    assert "was not measured" in few.card()
