"""Copies of rows and repeated inputs are told beside the held-out error."""

from typing import Any

import numpy as np
import polars as pl

import deltarule as dr

RNG = np.random.default_rng(1)
NOISE = pl.DataFrame(
    {**{f"x{at}": RNG.normal(size=60) for at in range(20)}, "y": RNG.normal(size=60)}
)
FIVE = pl.concat([NOISE] * 5).sample(fraction=1, shuffle=True, seed=0)


def notes(table: pl.DataFrame, **asked: Any) -> str:
    return "\n".join(dr.learn(table, predict="y", **asked).record.notes)


def test_copies_are_told_with_their_number() -> None:
    assert "240 of 300 rows are exact copies of others" in notes(FIVE)
    some = pl.concat([NOISE, NOISE[:10]])
    assert "10 of 70 rows are exact copies of others" in notes(some)
    logistic = FIVE.with_columns(pl.col("y") > 0)
    assert "240 of 300 rows are exact copies" in notes(logistic)


def test_repeated_inputs_are_told() -> None:
    repeated = FIVE.with_columns(y=pl.Series(RNG.normal(size=300)))
    assert "only 60 of 300 rows differ in their inputs" in notes(repeated)


def test_no_note_where_rows_are_new_or_it_was_said_what_they_are_of() -> None:
    rows = FIVE.with_columns(who=pl.Series(np.arange(300)).cast(pl.String))
    few = pl.DataFrame(
        {
            "a": RNG.integers(0, 3, 300),
            "b": RNG.choice(list("xy"), 300),
            "y": RNG.integers(0, 5, 300),
        }
    )
    by_day = pl.DataFrame({"t": np.repeat(np.arange(60) + 0.5, 5), "y": RNG.normal(size=300)})
    for table, asked in (
        (NOISE, {}),
        (few, {}),  # equal by chance
        (by_day, {}),  # one column may repeat
        (rows, {"id": "who"}),
        (rows.with_columns(who=pl.col("x0")), {"group": "who"}),
        (pl.concat([NOISE, NOISE[:2]]), {}),  # two copies are no matter
    ):
        told = notes(table, **asked)
        assert "copies" not in told
        assert "differ in their inputs" not in told
