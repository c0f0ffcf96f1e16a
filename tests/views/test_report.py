"""The report: one small file that asks for nothing, shows what was found, and trusts no text."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ColumnError, EmptyError
from deltarule.losses.glm import Squared
from deltarule.model.predictor import PredictedRows
from deltarule.tables.schema import Noticed
from deltarule.views.format import number
from deltarule.views.report import report, wilson
from deltarule.views.report.rows import SAMPLE_ROWS, Rows

HOSTILE = "</script></style></title><script>alert(1)</script><img src=x onerror=alert(2)>"
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "h1",
    "h2",
    "h3",
    "p",
    "dl",
    "div",
    "dt",
    "dd",
    "section",
    "ul",
    "li",
    "figure",
    "figcaption",
    "svg",
    "path",
    "text",
    "circle",
    "rect",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "footer",
}
ATTRIBUTES = {
    "lang",
    "class",
    "charset",
    "http-equiv",
    "content",
    "name",
    "viewbox",
    "role",
    "aria-label",
    "font-size",
    "d",
    "stroke",
    "fill",
    "stroke-width",
    "stroke-dasharray",
    "opacity",
    "x",
    "y",
    "cx",
    "cy",
    "r",
    "width",
    "height",
    "text-anchor",
    "transform",
    "scope",
    "tabindex",
}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value or "" for _, value in attrs]
        self.open += [tag] if tag not in {"meta", "path"} else []

    def handle_endtag(self, tag: str) -> None:
        if tag == "path":
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def table(rows: int = 300, seed: int = 3) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    size, kind = rng.normal(10, 2, rows), rng.integers(0, 3, rows)
    price = 5 * size + np.array([0.0, 4.0, -3.0])[kind] + rng.normal(0, 3, rows)
    return pl.DataFrame(
        {
            "size": size,
            "kind": np.array(["red", "green", "blue"])[kind],
            "age": [None if at % 11 == 0 else float(at % 7) for at in range(rows)],
            "price": price,
            "sold": rng.poisson(np.exp(size / 10)),
            "dear": price > 50,
        }
    )


ROWS = table()
USING = ["size", "kind", "age"]
SETTINGS: dict[str, dict[str, Any]] = {
    "amount": {"predict": "price"},
    "two amounts": {"predict": ["price", "sold"]},
    "yes/no": {"predict": "dear", "loss": "logistic"},
    "classes": {"predict": "kind", "using": ["size", "price"]},
    "yes/no and amount": {"predict": ["dear", "price"]},
    "count": {"predict": "sold", "loss": "poisson"},
    "median": {"predict": "price", "loss": "absolute"},
    "steps": {"predict": "price", "learner": "descent"},
    "expressions": {"predict": "price", "using": ["poly(size, 2)", "log(size)", "size:kind"]},
    "no intercept": {"predict": "price", "intercept": False},
}


@pytest.fixture(scope="module", params=SETTINGS)
def made(request: pytest.FixtureRequest) -> tuple[dr.Model, str]:
    model = dr.learn(ROWS, **{"using": USING, **SETTINGS[request.param]})
    return model, report(model, ROWS)


def test_a_page_is_made_of_known_parts_and_asks_for_nothing(made: tuple[dr.Model, str]) -> None:
    page = Page(made[1])
    assert page.open == []
    assert set(page.tags) <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert "default-src 'none'" in made[1]
    assert not re.search(r"https?:|url\(|@import|src=|href=", made[1])


def test_a_page_has_a_title_headings_in_order_and_a_text_for_each_figure(
    made: tuple[dr.Model, str],
) -> None:
    page = Page(made[1])
    assert page.tags.count("h1") == page.tags.count("main") == 1
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    figures = page.tags.count("figure")
    assert figures == page.tags.count("svg") == page.tags.count("figcaption") >= 4
    # The numbers of every figure are there as a table, too.
    assert page.tags.count("details") == figures
    assert made[1].count('role="img" aria-label="') == figures


def test_a_page_says_what_the_model_and_the_comparison_say(made: tuple[dr.Model, str]) -> None:
    model, html = made
    text = Page(html).text
    # A model's paragraphs are folded, a comparison's lines are not; tables of classes are apart.
    told = [paragraph.split("\n", 1)[-1] for paragraph in str(model).split("\n\n")]
    told += [line for line in str(model.compare(ROWS)).split("\n")[1:] if line[:2] != "  "]
    for words in (part for line in told for part in line.split("; ")):
        assert " ".join(words.split())[:60] in text, words
    assert "nan" not in text.split()


def test_what_a_page_is_for_follows_the_target(made: tuple[dr.Model, str]) -> None:
    model, html = made
    text = Page(html).text
    losses = {loss.name for loss in model.record.losses}
    classes = losses & {"logistic", "softmax"}
    assert ("Calibration" in text) == bool(classes)
    assert ("Predicted against actual" in text) == bool(losses - classes)
    assert ("Residuals" in text) == (losses != {"softmax"})
    assert ("How likely each kind is as size changes" in text) == ("softmax" in losses)
    assert ("Error by step" in text) == any(one.course for one in model.record.learnt)


def test_numbers_beside_guessing_are_those_of_held_out_rows() -> None:
    model = dr.learn(ROWS, predict="price", using=USING)
    [held_out] = model.record.held_out or ()
    text = Page(report(model, ROWS)).text
    for value in (held_out.rmse, held_out.baseline_rmse):
        assert text.count(number(value)) >= 2  # in the figure and among the first numbers


def test_powers_of_a_column_are_one_effect_over_the_column_itself() -> None:
    model = dr.learn(ROWS, predict="price", using=["poly(size, 2)", "age"])
    text = Page(report(model, ROWS)).text
    assert "Effect of size" in text
    assert "Effect of size ** 2" not in text
    assert "Effect of age" in text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    names = {"size": f"{HOSTILE} a", "kind": f"{HOSTILE} b", "price": f"{HOSTILE} c"}
    hostile = (
        table()
        .with_columns(kind=pl.lit(HOSTILE + " ") + pl.col("kind"))
        .select(pl.col(old).alias(new) for old, new in names.items())
    )
    path = tmp_path / "<b onclick=alert(3)>.csv"
    hostile.write_csv(path)
    model = dr.learn(path, predict=names["price"], using=[f'"{names["size"]}"', names["kind"]])
    html = report(model, path)
    page = Page(html)
    assert set(page.tags) <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert HOSTILE in page.text
    assert "<b onclick" in page.text
    shown = model._repr_html_()
    assert set(Page(shown).tags) <= TAGS
    assert "<script" not in html + shown


def test_a_page_stays_small_and_the_same_whatever_the_number_of_rows() -> None:
    many = table(60_000)
    model = dr.learn(many, predict="price", using=USING)
    html = report(model, many)
    assert len(html) < 200_000
    assert html == report(model, many)
    assert f"{SAMPLE_ROWS:,} of 60,000 rows, drawn at random" in Page(html).text
    # Figures of all rows are of all rows.
    assert number(model.compare(many).outputs[0].rmse) in Page(html).text


def test_wide_and_many_valued_tables_stay_small() -> None:
    rng = np.random.default_rng(8)
    wide = {f"column {at} {'x' * 500}": rng.normal(size=200) for at in range(80)}
    wide["t"] = rng.normal(size=200)
    model = dr.learn(wide, predict="t")
    assert len(report(model, wide)) < 400_000
    assert len(model._repr_html_()) < 400_000


def scored(values: Any) -> tuple[pl.DataFrame, Any]:
    return pl.DataFrame({"x": values}), np.array(values, float)[:, None]


def kept(values: list[float], cuts: list[int]) -> Rows:
    """Rows of one column that came in batches cut at these places."""
    rows = Rows(Squared())
    for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        frame, each = scored(values[start:end])
        part = PredictedRows(
            design=each,
            scores=each,
            targets=each,
            each=np.ones(len(each)),
            number=np.arange(start, end),
            rows=len(each),
            noticed=Noticed(),
            offsets=None,
        )
        rows.add(frame, part)
    return rows


@given(st.lists(st.integers(0, 12_000), max_size=6).map(sorted))
def test_a_sample_is_the_same_however_rows_come_in_batches(cuts: list[int]) -> None:
    values = [float(at) for at in range(12_000)]
    whole, parts = kept(values, []), kept(values, cuts)
    assert whole.seen == parts.seen == 12_000
    assert len(parts.targets) == SAMPLE_ROWS
    assert np.array_equal(whole.targets, parts.targets)
    for rows in (whole, parts):
        # The same rows everywhere: as they stand, as inputs, as predictions.
        assert rows.frame["x"].to_list() == rows.inputs[:, 0].tolist()
        assert np.array_equal(rows.inputs, rows.predictions)


def test_a_sample_is_spread_evenly_over_all_rows() -> None:
    rows = kept([float(at) for at in range(50_000)], list(range(7_000, 50_000, 7_000)))
    counts = np.histogram(rows.targets, 10, (0, 50_000))[0]
    # 500 are expected in each; 5 standard deviations of a hypergeometric count are 101.
    assert (abs(counts - SAMPLE_ROWS / 10) < 101).all()


def test_few_rows_are_all_shown() -> None:
    assert kept([3.0, 1.0, 2.0], [1]).targets[:, 0].tolist() == [3.0, 1.0, 2.0]


def test_wilson_intervals_are_those_of_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for yes, rows in ((0, 5), (3, 10), (40, 40), (12, 1000)):
        low, high = proportion_confint(yes, rows, 0.05, "wilson")
        found = wilson([yes / rows], [rows])
        assert np.allclose([found[0][0], found[1][0]], [low, high], rtol=1e-9, atol=1e-12)


def test_a_table_that_cannot_be_compared_is_refused() -> None:
    model = dr.learn(ROWS, predict="price", using=USING)
    with pytest.raises(ColumnError, match="price"):
        report(model, ROWS.drop("price"))
    with pytest.raises(EmptyError, match="no row"):
        report(model, ROWS.head(0))


# In a real browser


def test_a_page_in_a_browser(made: tuple[dr.Model, str], browser: Any, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text(made[1], encoding="utf-8")
    papers = []
    for scheme in ("light", "dark"):
        for width in (1400, 400):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto((tmp_path / "r.html").as_uri())
            assert said == []
            assert len(asked) == 1  # the file itself
            # Nothing hangs out to the right.
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            papers.append(
                page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            )
            smallest = page.evaluate(
                "Math.min(...[...document.querySelectorAll('svg text')].map("
                "t => t.getBoundingClientRect().height))"
            )
            assert smallest >= 10
            page.close()
    assert papers == ["rgb(255, 255, 255)"] * 2 + ["rgb(20, 24, 29)"] * 2


def test_hostile_names_run_nothing_in_a_browser(browser: Any, tmp_path: Path) -> None:
    hostile = table().select(pl.col("size").alias(HOSTILE), "price")
    model = dr.learn(hostile, predict="price")
    (tmp_path / "r.html").write_text(report(model, hostile), encoding="utf-8")
    page = browser.new_page()
    fired: list[str] = []
    page.on("dialog", lambda dialog: fired.append(dialog.message))
    page.on("console", lambda message: fired.append(message.text))
    page.goto((tmp_path / "r.html").as_uri())
    assert HOSTILE[:40] in page.inner_text("body")
    assert page.evaluate("document.querySelectorAll('script, img').length") == 0
    assert fired == []
    page.close()


# From the command line


def test_learn_and_report_write_the_same_page(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ROWS.write_csv("t.csv")
    asked = ["learn", "t.csv", "--predict=price", "--using=size,kind"]
    ran = run(*asked, "--save=model.json", "--report=learnt.html")
    assert (ran.code, ran.err) == (0, "")
    ran = run("report", "model.json", "t.csv")
    assert (ran.code, ran.out) == (0, "model.html written\n")
    assert Path("model.html").read_bytes() == Path("learnt.html").read_bytes()
    ran = run("report", "model.json", "t.csv", "--out=other.html")
    assert Path("other.html").read_bytes() == Path("learnt.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "model.json", "no.csv"], "no.csv"),
        (["report", "model.json", "inputs.csv"], "price"),
        (["report", "model.json", "t.csv", "--out=none/r.html"], "cannot write none/r.html"),
        (["report", "t.csv", "t.csv"], "is not a model file"),
    ],
)
def test_a_report_is_written_whole_or_not_at_all(
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ROWS.write_csv("t.csv")
    ROWS.drop("price").write_csv("inputs.csv")
    dr.learn("t.csv", predict="price", using=["size"]).save("model.json")
    before = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "model.html").write_text("as it was")
    assert says in run(*arguments).refused()
    assert (tmp_path / "model.html").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "model.html"])
