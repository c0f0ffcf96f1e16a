"""The decimal mark at prediction: a file's own, or where its cells leave that open, the model's."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deltarule as dr

VALUES = [int(one) for one in np.random.default_rng(1).integers(1000, 99_999, 60)]


@pytest.fixture
def model(tmp_path: Path) -> dr.Model:
    """Of a file with commas between thousands."""
    rows = [f'"{value:,}.50",{value + 0.5}' for value in VALUES]
    (tmp_path / "us.csv").write_text("\n".join(["w,y", *rows]))
    return dr.learn(tmp_path / "us.csv", predict="y", ridge=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("w;k\n9,580;a\n12,340;b\n", [9580, 12340]),
        ("w;k\n9,580;a\n;b\n", [9580, None]),
        ('w\tk\n"9,580"\ta\n12,340\tb\n', [9580, 12340]),
        # A cell that can only have a decimal comma shows what the others mean.
        ("w;k\n9,58;a\n12,340;b\n", [9.58, 12.34]),
        ("w;k\n9,580;1,5\n12,340;2,5\n", [9.58, 12.34]),
        ("w;k\n9.580,00;a\n1.234,50;b\n", [9580, 1234.5]),
    ],
)
def test_three_digits_after_a_comma_are_what_the_model_knows(
    model: dr.Model, tmp_path: Path, text: str, known: list[float | None]
) -> None:
    (tmp_path / "p.csv").write_text(text)
    found = model.predict(tmp_path / "p.csv")["y_prediction"].to_list()
    for made, value in zip(found, known, strict=True):
        if value is not None:
            assert made == pytest.approx(value, rel=1e-6)


def test_a_column_that_only_its_own_mark_reads_keeps_it(tmp_path: Path) -> None:
    rows = pl.DataFrame({"t": [f"{value},5 m" for value in VALUES], "y": [v / 8 for v in VALUES]})
    rows.write_csv(tmp_path / "t.csv")  # where the other numbers have points
    model = dr.learn(rows, predict="y", ridge=0)
    assert model.predict(tmp_path / "t.csv")["y_prediction"].to_list() == pytest.approx(
        rows["y"].to_list()
    )


def _learnt(path: Path, cells: list[str], more: str = "k") -> dr.Model:
    lines = [f"w\ty\t{more}", *(f"{cell}\t{at}\tz" for at, cell in enumerate(cells))]
    path.write_text("\n".join(lines))
    return dr.learn(path, predict="y", using=["w"])


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([f"{at % 9 + 1},{at * 37 % 1000:03}" for at in range(40)], True),
        ([f"{at % 9 + 1},{at * 37 % 1000:03} km" for at in range(40)], True),
        # One cell without a comma, or with two, or with a point, shows what commas are.
        ([f"{at % 9 + 1},{at * 37 % 1000:03}" for at in range(39)] + ["875"], False),
        ([f"{at % 9 + 1},{at * 37 % 1000:03}" for at in range(39)] + ["1,234,567"], False),
        ([f"{at % 9 + 1},{at * 37 % 1000:03}.50" for at in range(40)], False),
        ([str(1000 + at * 37) for at in range(40)], False),
    ],
)
def test_commas_that_may_be_decimal_marks_are_told(
    tmp_path: Path, cells: list[str], told: bool
) -> None:
    notes = _learnt(tmp_path / "k.tsv", cells).record.notes
    found = [note for note in notes if "decimal=," in note]
    assert bool(found) == told
    if told:
        assert found[0].startswith("w: commas stand between thousands, so 1,000")


def test_a_cell_is_read_alike_in_a_file_a_row_and_a_frame(tmp_path: Path) -> None:
    cells = [f"{at % 9 + 1},{at * 37 % 1000:03}" for at in range(40)]
    model = _learnt(tmp_path / "k.tsv", cells)
    known = model.predict({"w": 9580})["y_prediction"]
    assert model.predict({"w": "9,580"})["y_prediction"] == known
    assert model.predict(pl.DataFrame({"w": ["9,580"]}))["y_prediction"][0] == known
    for form in ("w\tk\n9,580\tz\n", "w;k\n9,580;z\n", 'w,k\n"9,580",z\n'):
        (tmp_path / "p.csv").write_text(form)
        assert model.predict(tmp_path / "p.csv")["y_prediction"][0] == known
    # A mark that was said is no guess.
    said = dr.source(tmp_path / "k.tsv", decimal=",")
    assert not any("thousands" in note for note in dr.learn(said, predict="y").record.notes)


@pytest.mark.parametrize("form", ["frame", "file", "said"])
@pytest.mark.parametrize(("mark", "stray"), [(".", "1,5"), (",", "1.5")])
def test_one_cell_with_the_other_mark_is_odd(
    tmp_path: Path, mark: str, stray: str, form: str
) -> None:
    x = np.random.default_rng(0).normal(size=120).round(3) + (2 if form == "said" else 0)
    cells = [f"{one:.3f}".replace(".", mark) for one in x]
    table = pl.DataFrame({"x": [*cells[:-1], stray], "y": (2 * x).round(6)})
    table.write_csv(tmp_path / "t.tsv", separator="\t")
    given: dict[str, Any] = {
        "frame": table,
        "file": tmp_path / "t.tsv",
        "said": dr.source(tmp_path / "t.tsv", decimal=mark),
    }
    model = dr.learn(given[form], predict="y", ridge=0)
    assert model.coef["x"] == pytest.approx(2, rel=1e-3)
    said = "; ".join(model.record.notes)
    assert f"x: 1 cell that is no number treated as missing: '{stray}'" in said


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["9,580", "1,250", "9,58", "3,999"], ("9,58", "9,580")),
        (["1,200 €", "1,5 €", "7,125 €"], ("1,5", "1,200")),
        (["12,5", "9,580", "-4,110"], ("12,5", "9,580")),
        # Without last zeros, as programs write them, or with as many digits everywhere.
        (["9,58", "1,25", "3,999", "4,001"], None),
        (["9,580", "1,250", "3,999"], None),
        (["9,58", "1,25", "3,99"], None),
        (["1.200,50", "9,580", "3,125"], None),
    ],
)
def test_a_last_zero_beside_fewer_digits_is_told(
    tmp_path: Path, cells: list[str], told: tuple[str, str] | None
) -> None:
    notes = _learnt(tmp_path / "t.csv", cells * 20).record.notes
    found = [note for note in notes if "not" in note and "fix " in note]
    assert len(found) == (told is not None), notes
    if told:
        assert found[0].startswith(f"w: {told[0]}")
        assert f"so {told[1]}" in found[0]


@pytest.mark.parametrize("odd", ["", "x", "n/a", "7.25x"])
def test_points_between_separating_commas_are_decimal_marks_beside_an_odd_cell(
    tmp_path: Path, odd: str
) -> None:
    # The model knows a decimal comma; without the odd cell the column is parsed as numbers.
    x = np.random.default_rng(0).uniform(1, 20, 100).round(3)
    cells = [f"{one:.3f};{2 * one:.3f}".replace(".", ",") for one in x]
    (tmp_path / "de.csv").write_text("num;y\n" + "\n".join(cells))
    model = dr.learn(tmp_path / "de.csv", predict="y", ridge=0)
    (tmp_path / "us.csv").write_text(f"id,num\n1,10.123\n2,{odd}\n3,5.555\n")
    found = model.predict(tmp_path / "us.csv")["y_prediction"].to_list()
    assert [found[0], found[2]] == pytest.approx([20.246, 11.11], rel=1e-4)
    # A cell with a comma, or of two points, shows that points are not.
    for cell in ('"10,123"', "1.000.010,123", "1.010.123"):
        other = cell if cell.startswith('"') else f'"{cell}"'
        (tmp_path / "de2.csv").write_text(f"id,num\n1,10.123\n2,{other}\n3,x\n")
        assert model.predict(tmp_path / "de2.csv")["y_prediction"][0] == pytest.approx(20246)
