"""Text functions in SQLite, run in it: its own substr, beside what the model says."""

import pytest

import deltarule as dr


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_last_letters_of_a_missing_text_are_missing(count: int) -> None:
    """The export is refused where its own sample rows, some without text, differ in SQLite."""
    texts = ["abc", "de", None, "äyz", ""]
    table = {"s": texts * 12, "n": list(range(60)), "y": [i % 5 + i % 3 for i in range(60)]}
    using = ["n", f"coalesce(right(s, {count}), 'none')"]
    assert "SUBSTR" in dr.learn(table, predict="y", using=using).to_sql("t", dialect="sqlite")
