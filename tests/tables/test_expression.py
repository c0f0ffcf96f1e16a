"""Expressions: read once, refused early, computed row by row as SQL does, and kept as text."""

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.errors import ColumnError
from deltarule.tables.expressions.expression import check, parse, quoted
from tests.tables.expressions import computed

# Kinds, columns, canonical text


@pytest.mark.parametrize(
    ("text", "canonical", "kind", "columns"),
    [
        (" LOG( budget ) ", "log(budget)", "number", ["budget"]),
        ("Year-1970", "Year - 1970", "number", ["Year"]),
        ("CASE WHEN x>1 THEN 2 ELSE 0 END", "case when x > 1 then 2 else 0 end", "number", ["x"]),
        ("if(b, t, 'none')", "case when b then t else 'none' end", "text", ["b", "t"]),
        ('"a b"+"a"', '"a b" + a', "number", ["a b", "a"]),
        ("genre", "genre", "any", ["genre"]),
        ("((a))", "a", "any", ["a"]),
        ("a+b-a", "a + b - a", "number", ["a", "b"]),
        ("power(x, 2.0)", "x ** 2", "number", ["x"]),
        ("(-x) ** 2", "(-x) ** 2", "number", ["x"]),
        ("-(x ** 2)", "-(x ** 2)", "number", ["x"]),
        ("x::INT", "cast(x as integer)", "number", ["x"]),
        ("x ::text", "cast(x as text)", "text", ["x"]),
        ("extract(month from d)", "month(d)", "number", ["d"]),
        ("category(month(d))", "category(month(d))", "category", ["d"]),
        ("number(p,',')", "number(p, ',')", "number", ["p"]),
        ("boolean(p)", "boolean(p)", "boolean", ["p"]),
        ("d >= date '2020-01-31'", "d >= date '2020-01-31'", "boolean", ["d"]),
        ("cast(t as date)", "cast(t as date)", "date", ["t"]),
        (
            "coalesce(d, cast('2020-01-31' as date))",
            "coalesce(d, date '2020-01-31')",
            "date",
            ["d"],
        ),
        ("not a is null", "a is not null", "boolean", ["a"]),
        ("x not between 1 and 2", "x not between 1 and 2", "boolean", ["x"]),
        ("x != 1e22", "x <> 1e+22", "boolean", ["x"]),
        ("x + 0.1e0 + 100000", "x + 0.1 + 100000", "number", ["x"]),
        ("größe * 2", '"größe" * 2', "number", ["größe"]),
        ("date + 1", "date + 1", "number", ["date"]),
        ("year(date)", "year(date)", "number", ["date"]),
        ("t || 'it''s'", "t || 'it''s'", "text", ["t"]),
        ("(a < b) = c", "(a < b) = c", "boolean", ["a", "b", "c"]),
        ("x -\n\t1", "x - 1", "number", ["x"]),
    ],
)
def test_an_expression_has_one_text_its_columns_and_a_kind(
    text: str, canonical: str, kind: str, columns: list[str]
) -> None:
    expression = parse(text)
    assert (expression.text, expression.kind) == (canonical, kind)
    assert list(expression.columns) == columns
    assert parse(canonical) == expression


@given(name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_column_may_have_any_name(name: str) -> None:
    assume(name != "*" and not (name.startswith("^") and name.endswith("$")))
    expression = parse(f"{quoted(name)} * 2")
    assert expression.columns == (name,)
    assert parse(expression.text) == expression
    assert computed(expression.text, pl.DataFrame({name: [3]})) == [6.0]


@pytest.mark.parametrize("name", ["*", "^$", "^[$", "^.*$"])
def test_a_name_that_reads_as_a_pattern_is_refused(name: str) -> None:
    table = {name: [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}
    for predict, using in (("y", [name]), (name, None), ("y", [f"{quoted(name)} * 2", name])):
        with pytest.raises(dr.DeltaruleError, match="pattern"):
            dr.learn(table, predict=predict, using=using)
    # Nobody asked for it: it is left out, and told.
    model = dr.learn({**table, "x": [2.0, 1.0, 5.0]}, predict="y")
    assert [one.name for one in model.record.contract.columns] == ["x"]
    assert "pattern" in next(c.done for c in model.record.columns if c.column == name)


NAMES = ["case", "select", 'a"b', "a\nb", "🎬", "x; drop table films --", "a.b", "", " ", "/*", "1"]
NAMES += ["NOT", "null", "date", "end", "interval", "count", "log(x)", "'", "$1", "{{x}}", "{#x#}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_strange_name_is_only_a_name(name: str) -> None:
    frame = pl.DataFrame({name: [1.0, 2.0], "x": [5.0, 5.0]})
    assert computed(f"{quoted(name)} + x", frame) == [6.0, 7.0]


def test_names_keep_their_case() -> None:
    frame = pl.DataFrame({"a": [1], "A": [10]})
    assert computed("A + 2 * a", frame) == [12.0]
    with pytest.raises(ColumnError, match=r"no column 'B'.*it has|did you mean"):
        check(parse("B"), {"b": pl.Int64()}, name="films.csv")


def test_the_result_is_named_as_its_text_and_a_bare_column_is_left_as_it_is() -> None:
    frame = pl.DataFrame({"x": [1, 2]}, schema={"x": pl.Int16})
    found = frame.select(parse("x+1").polars(frame.schema), parse("x").polars(frame.schema))
    assert found.schema == {"x + 1": pl.Float64, "x": pl.Int16}
