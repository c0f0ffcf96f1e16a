"""Figures: plotly takes them, we draw them, and what tables say stays text in both."""

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plotly.graph_objects import Figure as PlotlyFigure

from deltarule.views import effect_figures, figures
from deltarule.views.marks import Figure, plain, span
from deltarule.views.svg import RIGHT, WIDTH, Scale, draw, tick
from deltarule.views.theme import DARK, LIGHT, Theme

RNG = np.random.default_rng(5)
PREDICTED = RNG.lognormal(18, 1, 500)
ACTUAL = PREDICTED * RNG.lognormal(0, 0.5, 500)
YES = (RNG.uniform(size=500) < 0.4).astype(float)
HOSTILE = "</script><script>alert(1)</script>\u202e\x00 \"'&lt;"

Draw = Callable[[str, Theme], Figure]
ALL: dict[str, Draw] = {
    "predicted_against_actual": lambda name, theme: figures.predicted_against_actual(
        PREDICTED, ACTUAL, target=name, theme=theme
    ),
    "predicted_by_answer": lambda name, theme: figures.predicted_by_answer(
        np.clip(YES * 0.3 + 0.2, 0, 1), YES, target=name, theme=theme
    ),
    "residuals": lambda name, theme: figures.residuals(
        PREDICTED, PREDICTED - ACTUAL, target=name, theme=theme
    ),
    "weights_with_intervals": lambda name, theme: figures.weights_with_intervals(
        [name, "b"], [3.0, -1.0], [1.0, None], [4.0, None], unit=name, theme=theme
    ),
    "loss_by_step": lambda name, theme: figures.loss_by_step(
        [1, 2, 3], [9.0, 1.0, 0.01], name=name, theme=theme
    ),
    "waterfall": lambda name, theme: figures.waterfall(
        [name, "b"], [10.0, 4.0, 7.0], unit=name, theme=theme
    ),
    "calibration": lambda name, theme: figures.calibration(
        [0.2, 0.8], [0.1, 0.9], [0.0, 0.7], [0.3, 1.0], [10, 20], target=name, theme=theme
    ),
    "effect_of_number": lambda name, theme: effect_figures.effect_of_number(
        np.array([0.0, 1.0]),
        np.array([2.0, 5.0]),
        column=name,
        target=name,
        average=3.0,
        rows=np.array([0.5]),
        theme=theme,
    ),
    "effect_on_classes": lambda name, theme: effect_figures.effect_on_classes(
        np.array([0.0, 1.0]),
        {name: np.array([0.2, 0.7]), "b": np.array([0.8, 0.3])},
        column=name,
        target=name,
        rows=np.array([0.5]),
        theme=theme,
    ),
    "errors": lambda name, theme: figures.errors([name, "b"], [2.0, 1.0], theme=theme),
    "effect_of_dates": lambda name, theme: effect_figures.effect_of_number(
        np.array([-20_000.0, 15_000.0]),
        np.array([2.0, 5.0]),
        column=name,
        target=name,
        average=3.0,
        dates=True,
        theme=theme,
    ),
    "effect_of_levels": lambda name, theme: effect_figures.effect_of_levels(
        [name, "b"], [2.0, 5.0], column=name, target=name, average=3.0, theme=theme
    ),
}
every = pytest.mark.parametrize("name", ALL)


class Tags(HTMLParser):
    """The tags and attributes of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


DRAWN = {"svg", "title", "path", "text", "circle", "rect"}


@every
def test_plotly_takes_every_figure(name):
    made = ALL[name]("gross", LIGHT)
    assert PlotlyFigure(made).layout.meta["alt"] == made["layout"]["meta"]["alt"]
    assert json.loads(json.dumps(made, allow_nan=False)) == made


@every
def test_what_a_table_says_is_text_in_every_figure(name):
    made = ALL[name](HOSTILE, LIGHT)
    assert "<script" not in json.dumps(made)
    drawn = Tags(draw(made, title=HOSTILE))
    assert drawn.tags <= DRAWN
    assert not [key for key, _ in drawn.attributes if key.startswith("on") or "href" in key]
    assert any("</script>" in text for text in drawn.text)
    assert not any(c in "".join(drawn.text) for c in "\u202e\x00")


@every
def test_a_figure_has_only_the_colours_of_its_theme(name):
    for theme in (LIGHT, DARK):
        found = set(re.findall(r"#[0-9a-f]{6}", json.dumps(ALL[name]("gross", theme))))
        assert found <= set(vars(theme).values())
    assert not re.search(r"#[0-9a-f]{6}", draw(ALL[name]("gross", LIGHT)))


@every
def test_a_figure_is_small_and_says_what_it_shows(name):
    drawn = draw(ALL[name]("gross", LIGHT), title="A title")
    assert len(drawn) < 40_000
    [alt] = [value for key, value in Tags(drawn).attributes if key == "aria-label"]
    assert len(alt) > 20
    assert "nan" not in drawn


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_can_be_told_from_the_paper_and_from_each_other(theme):
    def light(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        low, high = sorted([light(a), light(b)])
        return (high + 0.05) / (low + 0.05)

    # WCAG 2.1: 4.5 for text, 3 for what figures are made of.
    assert contrast(theme.ink, theme.paper) >= 7
    assert contrast(theme.quiet, theme.paper) >= 4.5
    assert contrast(theme.model, theme.paper) >= 4
    assert contrast(theme.delta, theme.paper) >= 4
    assert contrast(theme.weight, theme.paper) >= 4
    assert len(set(vars(theme).values())) == len(
        vars(theme)
    )  # draw() finds a colour's role by its value


numbers = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=30)


@given(numbers, st.integers(0, 2**32))
def test_any_numbers_at_all_can_be_drawn(values, seed):
    values = np.array(values)
    other = np.random.default_rng(seed).permutation(values)
    made = [
        figures.predicted_against_actual(values, other, target="t"),
        figures.residuals(values, other, target="t"),
        effect_figures.effect_of_number(values, other, column="c", target="t", average=0.0),
        figures.loss_by_step(range(1, len(values) + 1), values.tolist()),
    ]
    for one in made:
        json.dumps(one, allow_nan=False)
        coordinates = re.findall(r'(?: d|x|y|cx|cy|width|height)="([^"]*)"', draw(one))
        places = [float(n) for text in coordinates for n in re.findall(r"-?\d+\.?\d*", text)]
        assert max(map(abs, places)) < 5000
        assert "nan" not in " ".join(coordinates)
        assert "inf" not in " ".join(coordinates)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_span_has_all_inside_and_a_width(values):
    low, high = span(np.array(values))
    assert low <= min(values)
    assert max(values) <= high
    assert low < high


@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_ticks_are_few_in_order_and_inside(low, width):
    assume(width > abs(low) * 1e-9)  # closer together, float64 itself is the axis' limit
    scale = Scale(low, low + width, 0, 100, log=False)
    at = [place for place, _ in scale.ticks()]
    assert at == sorted(at)
    assert 2 <= len(at) <= 8
    assert all(-0.001 <= place <= 100.001 for place in at)


def test_ticks_read_as_people_write():
    scale = Scale(0.0, 1.3e9, 0, 100, log=False)
    assert [text for _, text in scale.ticks()] == ["0", "250M", "500M", "750M", "1B", "1.25B"]
    log = Scale(-1.2, 3.3, 0, 100, log=True)
    assert [text for _, text in log.ticks()] == ["0.1", "1", "10", "100", "1,000"]
    assert tick(-0.0, 1.0) == "0"


def test_a_waterfall_starts_and_ends_where_it_says():
    made = figures.waterfall(["a", "b"], [10.0, 4.0, 7.0], unit="dollars")
    bars = [trace for trace in made["data"] if trace["type"] == "bar"]
    ends = {
        y: (base, base + x)
        for bar in bars
        for x, base, y in zip(bar["x"], bar["base"], bar["y"], strict=True)
    }
    assert [ends[y] for y in sorted(ends, reverse=True)] == [(10.0, 4.0), (4.0, 7.0)]
    assert made["layout"]["meta"]["alt"] == (
        "Average 10.0000, a -6.0000, b +3.0000: prediction 7.0000"
    )


def test_losses_that_fall_far_get_a_log_axis():
    assert figures.loss_by_step([1, 2], [1.0, 0.5])["layout"]["yaxis"]["type"] == "linear"
    assert figures.loss_by_step([1, 2], [1.0, 0.001])["layout"]["yaxis"]["type"] == "log"
    assert figures.loss_by_step([1, 2], [1.0, 0.0])["layout"]["yaxis"]["type"] == "linear"


def test_names_are_cut_to_one_short_line():
    assert plain("a\nb\t c") == "a b c"
    assert plain("x" * 300) == "x" * 14 + "…" + "x" * 11
    assert plain("<" * 30).count("&lt;") == 25


def test_points_keep_their_place():
    made = figures.residuals(np.array([0.0, 10.0]), np.array([-1.0, 1.0]), target="t")
    drawn = draw(made)
    spots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    (x0, y0), (x1, y1) = spots
    assert x0 < x1
    assert y0 > y1  # up is less in SVG
    x_low, x_high = made["layout"]["xaxis"]["range"]
    # Coordinates have one decimal.
    assert math.isclose(
        x1 - x0, (WIDTH - RIGHT - _left(drawn)) * 10 / (x_high - x_low), abs_tol=0.3
    )


def _left(drawn: str) -> float:
    return min(float(x) for x in re.findall(r'd="M([\d.]+) [\d.]+H', drawn))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("budget", ["budget"]),
        ("category(month(release_date)) = 05", ["category(month(", "release_date)) = 05"]),
        ("genre = Romantic Comedy", ["genre", "= Romantic Comedy"]),
        ("x" * 60, 1),
    ],
)
def test_long_names_on_an_axis_take_two_lines_before_they_are_cut(name, lines):
    drawn = draw(figures.errors([name, "other"], [2.0, 1.0]))
    texts = re.findall(r'text-anchor="end">([^<]*)<', drawn)
    if isinstance(lines, list):
        assert texts[: len(lines)] == lines
    else:
        assert "…" in texts[0]


def test_a_number_beside_the_longest_bar_ends_inside_the_picture():
    drawn = draw(figures.errors(["a", "b"], [1.49984032e14, 1.0]))
    ends = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="(start|end)"[^>]*>([^<]*)<', drawn)
    for x, anchor, said in ends:
        reach = float(x) + (len(said) * 0.6 * 13 if anchor == "start" else 0)
        assert reach <= 410, said
