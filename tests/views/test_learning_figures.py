"""Figures of learning: whatever the numbers, JSON that plotly draws, and names stay names."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.views import descent_figures, learning_figures
from deltarule.views.learning_marks import Figure
from deltarule.views.theme import LIGHT

ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
FINITE = st.floats(-1e12, 1e12)
EVIL = "<b onload=x>&'"


def checked(figure: Figure) -> Figure:
    """The figure, drawable: finite ranges that go up, no markup of a table, words for the blind."""
    meta = figure["layout"].pop("meta")  # texts for the page's own elements, not for plotly
    assert meta["alt"]
    assert "<b onload" not in json.dumps(figure, allow_nan=False)
    figure["layout"]["meta"] = meta
    colors = {*asdict(LIGHT).values()}
    assert meta["legend"]
    assert all(one["text"] and one["color"] in colors for one in meta["legend"])
    for name in ("xaxis", "yaxis"):
        span = figure["layout"][name].get("range")
        if span is not None:
            assert all(math.isfinite(end) for end in span)
            assert span[0] < span[1]
    for trace in figure["data"]:
        assert len(trace["x"]) == len(trace.get("z", trace["y"])[0] if "z" in trace else trace["y"])
    return figure


@given(st.lists(st.tuples(FINITE, FINITE, ANY), min_size=1, max_size=20), st.data())
def test_rows_deltas_and_predictions_of_any_size(rows, data):
    x, targets, predictions = (np.array(part) for part in zip(*rows, strict=True))
    chosen = data.draw(st.integers(0, len(rows) - 1))
    hover = [f"row {at}" for at in range(len(rows))]
    checked(
        learning_figures.predicted_against_actual(
            predictions, targets, target=EVIL, hover=hover, chosen=chosen
        )
    )
    with np.errstate(all="ignore"):
        deltas = predictions - targets
    drawn = checked(
        learning_figures.deltas(
            deltas, order=x, by=EVIL, hover=hover, chosen=chosen, rows=list(range(len(rows)))
        )
    )
    assert sorted(drawn["data"][1]["customdata"]) == list(range(len(rows)))
    line_x = np.linspace(x.min() - 1, x.max() + 1, 11)
    checked(
        learning_figures.rows_with_line(
            x,
            targets,
            line_x=line_x,
            line=np.full(11, predictions[0]),
            names=(EVIL, EVIL),
            hover=hover,
            chosen=chosen,
        )
    )


@given(st.lists(st.tuples(st.integers(0, 10**6), ANY), min_size=1, max_size=30), st.integers(0, 9))
def test_the_error_by_step_of_any_numbers(points, here):
    steps = np.array(sorted(step for step, _ in points), dtype=float)
    errors = np.array([error for _, error in points])
    checked(descent_figures.error_by_step(steps, errors, here=here, what="error"))
    checked(
        descent_figures.error_by_step(steps, errors, here=here, unseen=errors[::-1], what="error")
    )


def test_an_error_that_falls_by_far_is_shown_in_powers_of_ten():
    steps = np.arange(5.0)
    far = descent_figures.error_by_step(steps, 10.0 ** -np.arange(5), here=4, what="error")
    near = descent_figures.error_by_step(steps, 5.0 - steps * 0.1, here=4, what="error")
    assert far["layout"]["yaxis"]["type"] == "log"
    assert "type" not in near["layout"]["yaxis"]


def test_the_bowl_has_its_bottom_the_way_and_the_ball():
    across = np.linspace(-2, 2, 41)
    way = np.array([[-2.0, 1.0], [-1.0, 0.5], [0.5, 0.0]])
    flat = checked(
        descent_figures.parabola(
            across,
            across**2,
            weight=EVIL,
            here=(-1.0, 1.0),
            way=(way[:, 0], way[:, 0] ** 2),
            past=2,
            floor=(0.0, 0.0),
            what="error",
        )
    )
    assert flat["data"][-1]["x"] == [-1.0]
    assert flat["data"][3]["x"] == [-2.0, -1.0]
    assert (flat["data"][-2]["x"], flat["data"][-2]["y"]) == ([0.0], [0.0])
    deep = checked(
        descent_figures.contour(
            across,
            across,
            across[:, None] ** 2 + across[None, :] ** 2,
            weights=(EVIL, EVIL),
            here=(-1.0, 0.5),
            way=way,
            past=2,
            floor=(0.0, 0.0),
        )
    )
    rings = np.array(deep["data"][0]["z"], dtype=float)
    assert np.unravel_index(rings.argmin(), rings.shape) == (20, 20)
    assert deep["data"][2]["x"] == [-2.0, -1.0]
    assert {"mark": "cross", "color": LIGHT.ink, "text": "floor"} in deep["layout"]["meta"][
        "legend"
    ]


def test_a_floor_beyond_the_axes_is_pointed_at_from_the_edge():
    across = np.linspace(-1, 1, 5)
    for floor, at, mark in [((0.5, 9.0), (0.5, 1.0), "up"), ((-7.0, 0.2), (-1.0, 0.2), "left")]:
        figure = checked(
            descent_figures.contour(
                across,
                across,
                across[:, None] ** 2 + across[None, :] ** 2,
                weights=("a", "b"),
                here=(0.0, 0.0),
                way=np.zeros((1, 2)),
                past=1,
                floor=floor,
                whole=False,
            )
        )
        drawn = figure["data"][-2]
        assert (drawn["x"], drawn["y"]) == ([at[0]], [at[1]])
        assert drawn["marker"]["symbol"] == f"triangle-{mark}"
        texts = {one["text"]: one["mark"] for one in figure["layout"]["meta"]["legend"]}
        assert texts["floor, far off"] == f"triangle-{mark}"


def test_rows_taken_for_another_class_are_hollow():
    figure = checked(
        learning_figures.rows_in_classes(
            np.arange(4.0),
            np.arange(4.0),
            actual=np.array([0, 0, 1, 1]),
            predicted=np.array([0, 1, 1, 1]),
            classes=["a", EVIL],
            names=("x", "y"),
            hover=list("0123"),
            chosen=2,
        )
    )
    assert figure["data"][0]["marker"]["symbol"] == ["circle", "circle-open"]
    assert figure["data"][0]["marker"]["color"] == [LIGHT.ink, LIGHT.delta]
    assert figure["data"][1]["marker"]["symbol"] == ["square", "square"]
    assert "1 of them taken for another class" in figure["layout"]["meta"]["alt"]


@pytest.mark.parametrize("role", ["paper", "ink", "quiet", "line", "model", "delta", "weight"])
def test_the_page_swaps_each_colour_of_the_light_theme(role):
    from deltarule.web.app.routes import STATIC

    assert getattr(LIGHT, role) in (STATIC / "charts.js").read_text(encoding="utf-8")
