"""An explained row: average + contributions = prediction, in words, in figures, on any link."""

import json
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import EmptyError, ValueRefusedError
from deltarule.losses.registry import LOSSES
from deltarule.model.explain import Contribution, ExplainedOutput, Explanation
from deltarule.views.format import adding_up

DATA = Path(__file__).parents[1] / "data"
MOVIES = Path(dr.__file__).parent / "data" / "movies.csv"

RNG = np.random.default_rng(11)
ROWS = 60
TABLE = pl.DataFrame(
    {
        "size": RNG.normal(3, 1, ROWS),
        "age": [None if at % 9 == 0 else float(at) for at in range(ROWS)],
        "kind": [["a", "b", "c"][at % 3] for at in range(ROWS)],
        "open": [at % 4 == 0 for at in range(ROWS)],
        "share": RNG.uniform(0.05, 0.95, ROWS),
    }
)


def numbers(lines: list[str], column: int) -> list[Fraction]:
    """A column of the printed sum as exact numbers."""
    cells = [re.split(r" {2,}", line.strip())[column] for line in lines]
    return [Fraction(cell.replace(",", "")) for cell in cells]


@pytest.fixture(scope="module", params=[name for name in LOSSES if name != "squared"])
def bent(request):
    """A model whose link bends."""
    return dr.learn(
        TABLE, predict="share", using=["size", "age", "kind", "open"], loss=request.param
    )


@pytest.fixture(scope="module")
def straight():
    return dr.learn(TABLE, predict=["share", "size"], using=["age", "kind", "open"])


@pytest.mark.parametrize("row", [1, 2, 10, 60])
def test_contributions_add_up_to_what_predicting_says(bent, straight, row):
    for model in (bent, straight):
        predicted = model.predict(TABLE)
        for one in model.explain(TABLE, row=row).outputs:
            # To the last bit: it is the same prediction.
            assert one.prediction == predicted[f"{one.output}_prediction"][row - 1]
            for start, end, parts in (
                (one.average, one.prediction, [c.prediction for c in one.contributions]),
                (one.average_score, one.score, [c.score for c in one.contributions]),
            ):
                size = max(map(abs, [start, end, *parts]))
                # A few roundings of float64.
                assert math.isclose(math.fsum([start, *parts]), end, abs_tol=1e-14 * size)


@pytest.mark.parametrize("row", [1, 7])
def test_contributions_to_the_score_are_those_of_explaining_all_rows(bent, straight, row):
    for model in (bent, straight):
        whole = model.explain(TABLE)
        for one in model.explain(TABLE, row=row).outputs:
            for part in one.contributions:
                other = whole[f"{one.output}_from_{part.column}"][row - 1]
                assert math.isclose(part.score, other, rel_tol=1e-12, abs_tol=1e-15)


def test_classes_come_the_most_likely_first_and_each_adds_up():
    rng = np.random.default_rng(2)
    size = rng.normal(size=300)
    kinds = np.array(["a", "b", "c", "d"])[np.digitize(size + rng.normal(size=300), [-1, 0, 1])]
    table = pl.DataFrame({"size": size, "odd": rng.uniform(size=300) < 0.5, "kind": kinds})
    model = dr.learn(table, predict="kind", using=["size", "odd"])
    predicted = model.predict(table)
    for row in (1, 50, 300):
        found = model.explain(table, row=row)
        assert {one.target for one in found.outputs} == {"kind"}
        sizes = [one.prediction for one in found.outputs]
        assert sizes == sorted(sizes, reverse=True)
        assert math.isclose(sum(sizes), 1, rel_tol=1e-12)
        assert math.isclose(sum(one.average for one in found.outputs), 1, rel_tol=1e-12)
        for one in found.outputs:
            column = f"kind_probability_{one.output.removeprefix('kind=')}"
            assert one.prediction == predicted[column][row - 1]
            parts = [part.prediction for part in one.contributions]
            # A few roundings of float64.
            assert math.isclose(math.fsum([one.average, *parts]), one.prediction, abs_tol=1e-15)
        assert str(found).count("the average row") == 3  # of four classes, the likely ones
        assert "only count beside each other" in str(found)


def test_the_largest_contribution_comes_first_and_each_is_what_it_changes(bent):
    [one] = bent.explain(TABLE, row=5).outputs
    sizes = [abs(part.score) for part in one.contributions]
    assert sizes == sorted(sizes, reverse=True)
    score = one.average_score
    for part in one.contributions:
        before, after = (
            bent.loss.link.inverse(np.array([[s]])).item() for s in (score, score + part.score)
        )
        assert math.isclose(part.prediction, after - before, rel_tol=1e-9, abs_tol=1e-12)
        score += part.score


def test_a_straight_link_has_one_sum_and_a_bent_one_two(straight):
    assert {one.scale for one in straight.explain(TABLE, row=1).outputs} == {None}
    assert not straight.explain(TABLE, row=1).notes
    model = dr.learn(TABLE, predict="open", using=["size", "kind"], loss="logistic")
    found = model.explain(TABLE, row=1)
    assert found.outputs[0].scale == "log odds of open"
    assert 0 < found.outputs[0].average < 1
    assert "one after the other" in str(found)


@pytest.mark.parametrize("row", range(1, ROWS + 1, 7))
def test_what_is_printed_adds_up_to_the_last_digit(bent, row):
    lines = str(bent.explain(TABLE, row=row)).splitlines()[3:]
    rule = next(at for at, line in enumerate(lines) if set(line.strip()) == {"-"})
    assert rule >= 3
    for column in range(1, len(re.split(r" {2,}", lines[0].strip()))):
        *parts, end = numbers([*lines[:rule], lines[rule + 1]], column)
        assert sum(parts) == end


@given(
    st.lists(st.floats(-1e14, 1e14), min_size=2, max_size=8),
    st.sampled_from([1.0, 1e-6, 1e-3, 1e6]),
)
def test_any_totals_are_written_so_that_they_add_up(totals, unit):
    totals = [total * unit / 10 for total in totals]
    parts, written = adding_up(totals)
    if any("e" in text for text in [*parts, *written]):
        return  # beyond what is written out, see the docstring
    exact = [Fraction(text.replace(",", "")) for text in [written[0], *parts]]
    assert sum(exact) == Fraction(written[-1].replace(",", ""))
    worst = max(map(abs, totals))
    for text, total in zip(written, totals, strict=True):
        assert math.isclose(float(text.replace(",", "")), total, abs_tol=max(worst * 1e-5, 0))


def test_the_text_says_what_the_row_holds():
    model = dr.learn(TABLE, predict="share", using=["size", "age", "kind", "open"])
    found = str(model.explain({"size": 99.0, "age": None, "kind": "z", "open": True}, row=1))
    assert "size = 99, out of range" in found
    assert "age missing" in found
    assert "kind = z, never seen" in found
    assert "open = true" in found
    without_gap = dr.learn(TABLE.drop_nulls(), predict="share", using=["age"])
    assert "age missing, taken as" in str(without_gap.explain({"age": None}, row=1))


def test_hostile_text_stays_text():
    name = "</script><script>alert(1)</script>\x1b[2J\n<b>"
    table = {name: ["<img src=x onerror=alert(1)>", "b"] * 6, "t": [1.0, 2.0, 4.5] * 4}
    found = dr.learn(table, predict="t", using=[name], ridge=0).explain(table, row=1)
    assert "\x1b" not in str(found)
    assert len(str(found).splitlines()) == 7
    shown = found._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<b>" not in shown


def test_many_columns_are_shown_as_the_largest_and_the_rest():
    wide = {f"c{at}": RNG.normal(size=80).tolist() for at in range(20)}
    wide["t"] = sum(np.array(wide[f"c{at}"]) * at for at in range(20)).tolist()
    found = dr.learn(wide, predict="t").explain(wide, row=1)
    assert len(found.outputs[0].contributions) == 20
    lines = str(found).splitlines()
    assert sum(" c1" in line or line.startswith("  c") for line in lines) == 12
    assert any("8 columns that matter less" in line for line in lines)
    *parts, end = numbers([*lines[3:-2], lines[-1]], 1)
    assert sum(parts) == end


@pytest.mark.parametrize("row", [0, -1, 61, 10**12])
def test_a_row_that_is_not_there_is_refused(straight, row):
    with pytest.raises(EmptyError, match=rf"no row {row:,}: its 60 rows are counted from 1"):
        straight.explain(TABLE, row=row)


def test_a_prediction_beyond_all_numbers_is_refused():
    counts = {"x": [1.0, 2.0, 3.0, 4.0], "n": [1.0, 3.0, 7.0, 20.0]}
    model = dr.learn(counts, predict="n", using=["x"], loss="poisson")
    with pytest.raises(ValueRefusedError, match="row 1: its prediction of n is beyond all numbers"):
        model.explain({"x": 1e6}, row=1)


def test_the_row_is_found_in_any_batch_of_a_file(tmp_path):
    model = dr.learn(MOVIES, predict="gross", using=["budget", "genre"])
    whole = model.predict(MOVIES)
    for row in (1, 1999, 3201):
        found = model.explain(MOVIES, row=row)
        assert found.outputs[0].prediction == whole["gross_prediction"][row - 1]
    assert found.table == str(MOVIES)


def test_an_explanation_is_plain_data_too(straight):
    found = straight.explain(TABLE, row=3)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["row"] == 3
    outputs = tuple(
        ExplainedOutput(
            **{**one, "contributions": tuple(Contribution(**c) for c in one["contributions"])}
        )
        for one in told["outputs"]
    )
    assert Explanation(told["table"], told["row"], outputs, tuple(told["notes"])) == found
