"""Cluster-robust standard errors: against statsmodels, for every loss, any column, many batches."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import deltarule as dr
from deltarule.errors import LearningError
from deltarule.moments.cluster_sums import ClusterSums

FAMILIES = {
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}
KINDS = {"CR0": False, "CR1": True, "cluster": True}


def visits(seed: int = 1, n: int = 240) -> pl.DataFrame:
    """Rows of 40 users, each with a leaning of its own, and targets for every loss."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 40, n)
    lean = rng.normal(size=40)[user]
    a, b = rng.normal(size=n), (user % 2).astype(float)
    score = 0.3 * a + 0.4 * b + lean
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "user": user,
            "squared": 3 + score + rng.normal(size=n),
            "other": 5 - lean + rng.normal(size=n),
            "logistic": (rng.random(n) < 1 / (1 + np.exp(-score))).astype(float),
            "poisson": rng.poisson(np.exp(score / 2)).astype(float),
            "gamma": rng.gamma(2.0, np.exp(score / 2) / 2),
            "softmax": np.array(["x", "y", "z"])[
                np.argmax(rng.gumbel(size=(n, 3)) + np.column_stack([score, -a, 0 * a]), axis=1)
            ],
            "times": rng.integers(0, 4, n),
        }
    )


def learnt(table: pl.DataFrame, predict: Any, loss: str, **settings: Any) -> dr.Model:
    usual = {"using": ["a", "b"], "ridge": 0, "tolerance": 1e-12, "cluster": "user"}
    return dr.learn(table, predict=predict, loss=loss, **{**usual, **settings})


def errors_of(model: dr.Model, output: str | None = None) -> list[float | None]:
    told = [*model.record.intercept, *model.record.weights]
    return [one.standard_error for one in told if output in (None, one.output)]


def inputs_of(table: pl.DataFrame) -> Any:
    return sm.add_constant(table.select("a", "b").to_numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learner", [None, "descent"])
def test_squared_loss_has_those_of_statsmodels(kind: str, learner: str | None) -> None:
    table = visits()
    model = learnt(table, ["squared", "other"], "squared", errors=kind, learner=learner)
    for output in ("squared", "other"):
        known = sm.OLS(table[output].to_numpy(), inputs_of(table)).fit(
            cov_type="cluster",
            cov_kwds={"groups": table["user"].to_numpy(), "use_correction": KINDS[kind]},
        )
        assert errors_of(model, output) == pytest.approx(known.bse, rel=1e-8)
    one = model.record.learnt[0]
    assert (one.errors, one.cluster_by, one.clusters) == (
        kind.replace("cluster", "CR1"),
        "user",
        40,
    )
    assert "by 40 clusters of user" in str(model)


def test_intervals_have_a_degree_of_freedom_less_than_clusters() -> None:
    table = visits()
    known = sm.OLS(table["squared"].to_numpy(), inputs_of(table)).fit(
        cov_type="cluster", cov_kwds={"groups": table["user"].to_numpy()}, use_t=True
    )
    weights = learnt(table, "squared", "squared").weights
    assert weights["p"].to_list() == pytest.approx(known.pvalues, rel=1e-6)
    low, high = known.conf_int().T
    assert weights["low"].to_list() == pytest.approx(low, rel=1e-8)
    assert weights["high"].to_list() == pytest.approx(high, rel=1e-8)


@pytest.mark.parametrize("kind", ["CR0", "CR1"])
@pytest.mark.parametrize("loss", FAMILIES)
def test_other_losses_have_those_of_statsmodels(kind: str, loss: str) -> None:
    table = visits(2)
    fit = sm.GLM(table[loss].to_numpy(), inputs_of(table), FAMILIES[loss]).fit(
        tol=1e-14, maxiter=100
    )
    # Of gamma the actual curvature, as for the other kinds; of the rest it is the expected one.
    bread = np.linalg.inv(fit.model.hessian(fit.params, observed=True))
    scores = fit.model.score_obs(fit.params)
    sums = np.array([scores[table["user"].to_numpy() == user].sum(axis=0) for user in range(40)])
    correction = 40 / 39 * 239 / 237 if kind == "CR1" else 1.0
    known = np.sqrt(np.diag(bread @ sums.T @ sums @ bread * correction))
    if loss != "gamma":
        again = sm.GLM(table[loss].to_numpy(), inputs_of(table), FAMILIES[loss]).fit(
            tol=1e-14,
            maxiter=100,
            cov_type="cluster",
            cov_kwds={"groups": table["user"].to_numpy(), "use_correction": kind == "CR1"},
        )
        assert known == pytest.approx(again.bse, rel=1e-8)
    assert errors_of(learnt(table, loss, loss, errors=kind)) == pytest.approx(known, rel=1e-7)


def test_classes_have_those_of_statsmodels() -> None:
    """Its weights are measured from the first class, so what is compared is their differences'."""
    table = visits(3)
    two = table.filter(pl.col("softmax") != "z").with_columns(yes=pl.col("softmax") == "y")
    one = errors_of(learnt(two, "softmax", "logistic"))
    assert one == pytest.approx(errors_of(learnt(two, "yes", "logistic")), rel=1e-9)
    model = learnt(table, "softmax", "softmax", errors="CR0")
    p = np.array(list(model.predict(table).select("^.*probability.*$").to_numpy()))
    classes = [c.rsplit("_", 1)[1] for c in model.predict(table).columns if "probability" in c]
    y = np.column_stack([(table["softmax"] == c).to_numpy() for c in classes]).astype(float)
    x = inputs_of(table)
    hessian = np.zeros((9, 9))
    for row, share in zip(x, p, strict=True):
        hessian += np.kron(np.diag(share) - np.outer(share, share), np.outer(row, row))
    scores = ((p - y)[:, :, None] * x[:, None, :]).reshape(len(x), 9)
    sums = np.array([scores[table["user"].to_numpy() == user].sum(axis=0) for user in range(40)])
    bread = np.linalg.pinv(hessian, rcond=1e-10)
    known = np.sqrt(np.diag(bread @ sums.T @ sums @ bread)).reshape(3, 3)
    for at, name in enumerate(classes):
        assert errors_of(model, f"softmax={name}") == pytest.approx(known[at], rel=1e-5)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_a_weight_of_k_is_k_copies(loss: str) -> None:
    table = visits(4)
    copies = table[np.repeat(np.arange(len(table)), table["times"].to_numpy())]
    weighed = errors_of(learnt(table, loss, loss, weight="times"))
    assert weighed == pytest.approx(errors_of(learnt(copies, loss, loss)), rel=1e-7)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_clusters_of_one_row_are_the_robust_ones(loss: str) -> None:
    table = visits(5).with_row_index("id")
    each = errors_of(learnt(table, loss, loss, cluster="id", errors="CR0"))
    alone = learnt(table, loss, loss, cluster=None, errors="HC0")
    assert each == pytest.approx(errors_of(alone), rel=1e-9)


@pytest.mark.parametrize(
    "column",
    [
        pl.col("user").cast(pl.String),
        pl.col("user") / 8,
        pl.date(2024, 1, 1) + pl.duration(days="user"),
        -pl.col("user"),
        pl.col("user") + 2**60,
        pl.col("user").cast(pl.String).cast(pl.Categorical),
    ],
)
@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_clusters_may_be_text_numbers_or_dates(column: pl.Expr, loss: str) -> None:
    table = visits(6)
    known = errors_of(learnt(table, loss, loss))
    other = table.with_columns(user=column).sample(fraction=1, shuffle=True, seed=1)
    assert errors_of(learnt(other, loss, loss)) == pytest.approx(known, rel=1e-8)


def test_an_expression_may_say_what_belongs_together() -> None:
    table = visits(7).with_columns(half=pl.col("user") // 2)
    known = errors_of(learnt(table, "squared", "squared", cluster="half"))
    told = learnt(table, "squared", "squared", cluster="floor(user / 2)")
    assert errors_of(told) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("kind", [pl.Float64, pl.String])
def test_rows_without_a_cluster_are_one_together_and_are_told(kind: type[pl.DataType]) -> None:
    table = visits(8).with_columns(pl.col("user").cast(kind))
    gaps = table.with_columns(user=pl.when(pl.int_range(pl.len()) % 50 != 0).then("user"))
    model = learnt(gaps, "squared", "squared")
    named = gaps.with_columns(pl.col("user").cast(pl.String).fill_null("none"))
    assert errors_of(model) == pytest.approx(errors_of(learnt(named, "squared", "squared")))
    assert "user is missing in 5 rows: they count as one cluster" in model.record.notes


def test_the_group_is_what_clusters_are_by_default_and_else_its_absence_is_told() -> None:
    table = visits(9)
    by_group = learnt(table, "squared", "squared", cluster=None, group="user", errors="cluster")
    assert errors_of(by_group) == pytest.approx(errors_of(learnt(table, "squared", "squared")))
    plain = learnt(table, "squared", "squared", cluster=None, group="user")
    note = "standard errors take the rows of one user to be independent: --errors cluster gives"
    assert any(one.startswith(note) for one in plain.record.notes)
    assert not any(one.startswith(note) for one in by_group.record.notes)
    assert errors_of(plain)[2] < errors_of(by_group)[2]
    penalised = learnt(table, "squared", "squared", cluster=None, group="user", ridge=1)
    assert not any(one.startswith(note) for one in penalised.record.notes)


def test_where_standard_errors_are_asked_for_no_ridge_takes_them_away() -> None:
    rng = np.random.default_rng(0)
    noise = {f"x{at}": rng.normal(size=60) for at in range(30)}
    table = pl.DataFrame({**noise, "squared": rng.normal(size=60)})
    chosen = dr.learn(table, predict="squared")
    assert chosen.record.learnt[0].ridge > 0, "else this shows nothing"
    asked = dr.learn(table, predict="squared", errors="robust")
    assert asked.record.learnt[0].ridge == 0
    assert asked.record.weights[0].standard_error is not None
    assert any(note.startswith("no ridge was tried") for note in asked.record.notes)


def test_few_clusters_are_told_and_one_is_refused() -> None:
    table = visits(11).with_columns(few=pl.col("user") % 4, one=pl.lit("x"))
    said = learnt(table, "squared", "squared", cluster="few").record.notes
    assert any("only 4 clusters of few are rough" in note for note in said)
    with pytest.raises(LearningError, match="'one' is the same in every row"):
        learnt(table, "squared", "squared", cluster="one")


def test_settings_that_do_not_go_together_are_refused() -> None:
    table = visits()
    with pytest.raises(LearningError, match="say which rows belong together with cluster"):
        dr.learn(table, predict="squared", errors="CR1")
    with pytest.raises(LearningError, match="errors is 'HC1', which knows no clusters"):
        learnt(table, "squared", "squared", errors="HC1")
    with pytest.raises(LearningError, match=r"choose classical, .* cluster, CR0 or CR1"):
        learnt(table, "squared", "squared", errors="CR2")


def test_more_clusters_than_there_is_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltarule.moments.cluster_sums.LARGEST_SUMS", 39 * (3 * 8 + 150))
    with pytest.raises(LearningError, match="'user' has 40 clusters or more, and a sum"):
        learnt(visits(), "squared", "squared")
    monkeypatch.setattr("deltarule.moments.cluster_sums.LARGEST_SUMS", 40 * (3 * 8 + 150))
    assert learnt(visits(), "squared", "squared").record.learnt[0].clusters == 40


def test_sums_of_parts_are_the_sums_of_all() -> None:
    rng = np.random.default_rng(0)
    clusters = pl.Series([None, *rng.integers(0, 90, 499).tolist()]).sample(
        fraction=1, shuffle=True, seed=2
    )
    scores = rng.normal(size=(500, 4))
    whole, parts = ClusterSums("c"), ClusterSums("c")
    whole.add(clusters, scores)
    for start in range(0, 500, 60):
        parts.add(clusters[start : start + 60], scores[start : start + 60])
    assert (whole.count, whole.gaps) == (parts.count, parts.gaps)
    meat = whole.meat("CR0", rows=500, weights=4)
    np.testing.assert_allclose(parts.meat("CR0", rows=500, weights=4), meat, rtol=1e-12)
    own = clusters.fill_null(-1).to_numpy()
    sums = np.array([scores[own == one].sum(axis=0) for one in np.unique(own)])
    np.testing.assert_allclose(meat, sums.T @ sums, rtol=1e-12)
