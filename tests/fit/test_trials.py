"""Grouped trials: shares with how many trials each is of, learnt as yes/no with these as weights.

The same trials written one by one, a row for each, are the independent answer.
"""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.errors import DivergedError

ARMS = pl.DataFrame(
    {"arm": ["a", "b", "c"], "share": [0.10, 0.13, 0.11], "visitors": [1000, 1000, 900]}
)


def one_by_one(grouped: pl.DataFrame) -> pl.DataFrame:
    """A row for each trial."""
    yes = (grouped["share"] * grouped["visitors"]).round().cast(pl.Int64)
    parts = []
    for outcome, counts in ((1, yes), (0, grouped["visitors"] - yes)):
        rows = grouped.drop("share", "visitors").select(pl.all().repeat_by(counts)).explode("arm")
        parts.append(rows.with_columns(bought=pl.lit(outcome)))
    return pl.concat(parts)


def learnt(table: pl.DataFrame, **settings: object) -> dr.Model:
    usual = {"predict": "share", "using": "arm", "weight": "visitors", "loss": "logistic"}
    return dr.learn(table, **{**usual, "ridge": 0, "reference": {"arm": "a"}, **settings})


def test_shares_of_trials_have_the_effects_and_errors_of_statsmodels() -> None:
    model = learnt(ARMS)
    rows = one_by_one(ARMS)
    arms = sm.add_constant(
        rows.select(b=pl.col("arm") == "b", c=pl.col("arm") == "c").to_numpy() * 1.0
    )
    known = sm.Logit(rows["bought"].to_numpy(), arms).fit(disp=0, tol=1e-14)
    weights, errors = model.weights["weight"], model.weights["standard_error"]
    np.testing.assert_allclose(weights, known.params, rtol=1e-8)
    np.testing.assert_allclose(errors, known.bse, rtol=1e-8)
    np.testing.assert_allclose(weights, [-2.19722, 0.296266, 0.106483], rtol=1e-5)
    np.testing.assert_allclose(errors, [0.105, 0.141, 0.150], atol=5e-4)


def test_a_saturated_fit_of_shares_is_no_separation() -> None:
    said = str(learnt(ARMS))
    assert "told apart perfectly" not in said
    assert "no finite weights" not in said
    # So few rows say nothing of what an input alone explains, however many trials they are of.
    assert "alone explains" not in said
    assert "one read of 3 rows, which count as 2,900" in " ".join(said.split())


def test_extreme_shares_are_finite_and_shares_of_0_and_1_are_not() -> None:
    rare = ARMS.with_columns(share=pl.Series([1e-6, 0.5, 1 - 1e-6]), visitors=pl.lit(1_000_000))
    found = learnt(rare)
    assert "no finite weights" not in str(found)
    assert found.weights["weight"][1] == pytest.approx(np.log(1e6 - 1), rel=1e-6)
    never = ARMS.with_columns(share=pl.Series([0.10, 0.0, 0.11]))
    with pytest.raises(DivergedError, match=r"the larger the weight of arm=b grows"):
        learnt(never)
    sure = ARMS.with_columns(share=pl.Series([0.0, 1.0, 0.0]))
    with pytest.raises(DivergedError, match="no finite weights are best"):
        learnt(sure)
    held = learnt(sure, ridge="auto").record
    assert any("no finite weights are best" in note for note in held.notes)


@pytest.mark.parametrize("loss", ["poisson", "logistic"])
def test_stopped_early_only_classes_can_be_told_apart(loss: str) -> None:
    """A saturated fit has a deviance of 0, too: of counts, and of shares strictly between."""
    amounts = pl.DataFrame({"arm": ["a", "b"] * 6, "y": [0.25, 0.75] * 6})
    said = dr.learn(amounts, predict="y", loss=loss, ridge=0, steps=30).record
    assert said.fit[0].deviance == pytest.approx(0, abs=1e-9)
    assert "told apart perfectly" not in " ".join(said.notes)


def test_classes_that_steps_tell_apart_are_told() -> None:
    table = pl.DataFrame({"x": np.arange(40.0), "y": [0.0] * 20 + [1.0] * 20})
    record = dr.learn(table, predict="y", loss="logistic", ridge=0, steps=18).record
    assert "the rows are told apart perfectly" in " ".join(record.notes)


def test_the_log_loss_of_shares_is_that_of_their_trials() -> None:
    """The best log loss of a share is its entropy, not 0."""
    model, known = learnt(ARMS), dr.learn(one_by_one(ARMS), predict="bought", ridge=0)
    share, each = ARMS["share"].to_numpy(), ARMS["visitors"].to_numpy()
    entropy = -(share * np.log(share) + (1 - share) * np.log1p(-share))
    told = f"on the rows it learnt from, log loss {np.average(entropy, weights=each):.4f}"
    assert told in str(model)
    assert told in str(known)
    assert model.compare(ARMS).outputs[0].loss == pytest.approx(
        np.average(entropy, weights=each), rel=1e-9
    )


def test_weights_that_are_no_trials_leave_rows_what_they_are() -> None:
    table = ARMS.with_columns(visitors=pl.Series([0.5, 1.5, 1.0]))
    record = learnt(table).record
    assert (record.rows, record.examples) == (3.0, 3)
    assert "one read of 3 rows, " in str(dr.Model(record))


@pytest.mark.parametrize("loss_of", ["ridge 0", "auto", "lasso"])
def test_trials_are_held_out_as_rows_written_one_by_one(loss_of: str) -> None:
    """A trial's share of the noise is in its own outcome alone, so shares must be parted."""
    rng = np.random.default_rng(1)
    n, p = 60, 8
    x, trials = rng.normal(size=(n, p)), rng.integers(1, 9, n)
    won = rng.binomial(trials, 1 / (1 + np.exp(-x[:, 0])))
    inputs = {f"x{at}": x[:, at] for at in range(p)}
    table = pl.DataFrame({**inputs, "share": won / trials, "n": trials})
    how = {"ridge 0": {"ridge": 0}, "auto": {}, "lasso": {"lasso": "auto"}}[loss_of]
    model = dr.learn(table, predict="share", weight="n", loss="logistic", **how)
    row = np.repeat(np.arange(n), trials)
    y = np.concatenate([[1] * k + [0] * (m - k) for k, m in zip(won, trials, strict=True)])
    losses = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(y))
        written = pl.DataFrame({name: one[row] for name, one in inputs.items()} | {"y": y})[order]
        known = dr.learn(written, predict="y", loss="logistic", **how).record.held_out
        assert known is not None
        assert known[0].loss is not None
        losses.append([known[0].loss, known[0].baseline_loss, known[0].rmse])
    assert model.record.held_out is not None
    held = model.record.held_out[0]
    found = np.array([held.loss, held.baseline_loss, held.rmse])
    spread = np.std(losses, axis=0, ddof=1) + 0.002
    assert (np.abs(found - np.mean(losses, axis=0)) < 5 * spread).all(), (found, losses)
    # The fit is that of the shares.
    assert model.record.rows == trials.sum()
    plain = dr.learn(table, predict="share", weight="n", loss="logistic", ridge=0)
    known_fit = sm.GLM(
        np.column_stack([won, trials - won]), sm.add_constant(x), family=sm.families.Binomial()
    ).fit()
    assert plain.record.fit[0].deviance == pytest.approx(known_fit.deviance, rel=1e-8)


@pytest.mark.parametrize(
    "learner", [{}, {"learner": "adam", "steps": 60}, {"batch": 20, "epochs": 3}]
)
def test_outcomes_of_trials_add_up_to_their_shares(learner: dict[str, object]) -> None:
    model = learnt(ARMS, **learner)
    assert model.record.held_out is not None
    held = model.record.held_out[0]
    assert held.classes is not None
    assert held.classes.rows == 2900
    yes = sum(held.classes.confusion[1])
    assert yes == pytest.approx(0.1 * 1000 + 0.13 * 1000 + 0.11 * 900, rel=1e-12)
    # Of 2,900 trials with three effects, some 3 / 2,900 is lost to not knowing them.
    assert held.loss is not None
    assert model.record.fit[0].log_likelihood is not None
    assert held.loss > -model.record.fit[0].log_likelihood / 2900
