"""What is measured: each job, its table, its contestants, its limits."""

from dataclasses import replace

from benchmarks import more
from benchmarks.job import OURS, POLARS, Contestant, Job, Limits

LINEAR = (*POLARS, "sklearn.linear_model", "sklearn.preprocessing", "sklearn.pipeline")
PANDAS = ("pandas", "pyarrow.parquet")
PIPELINE = (*PANDAS, *LINEAR, "sklearn.compose", "sklearn.impute")

DECODE = Contestant("decode", "benchmarks.peers:decode", POLARS, "polars reads it, nothing else")
LEARN = Contestant(
    "deltarule", "benchmarks.ours:learn", OURS, "with cross-validated error, and ridge tried"
)
SKLEARN = Contestant(
    "scikit-learn",
    "benchmarks.peers:linear_regression",
    LINEAR,
    "LinearRegression as it comes; weights only",
)
SKLEARN_SCALED = Contestant(
    "scikit-learn, scaled",
    "benchmarks.peers:scaled_regression",
    LINEAR,
    "StandardScaler first, which mends its digits; weights only",
)

STREAMED = Contestant(
    "streamed Gram", "benchmarks.peers:streamed_gram", POLARS, "30 lines by hand; weights only"
)
GLUM = Contestant("glum", "benchmarks.peers:glum_numbers", (*POLARS, "glum"), "weights only")
POLARS_OLS = Contestant(
    "polars-ols", "benchmarks.peers:polars_ols", (*POLARS, "polars_ols"), "weights only"
)
STATSMODELS = Contestant(
    "statsmodels",
    "benchmarks.peers:statsmodels_ols",
    (*POLARS, "statsmodels.api"),
    "by QR, with standard errors; run once",
    once=True,
)


def _mixed(name: str, title: str, table: str, rows: int) -> Job:
    """A table of numbers, categories and gaps, beside those that take such tables."""
    return Job(
        name=name,
        title=title,
        table=table,
        rows=rows,
        contestants=(
            DECODE,
            Contestant("deltarule", "benchmarks.ours:learn_mixed", OURS, LEARN.note),
            Contestant(
                "glum",
                "benchmarks.peers:glum_mixed",
                (*PANDAS, "glum"),
                "pandas categories; weights only",
            ),
            Contestant(
                "scikit-learn",
                "benchmarks.peers:pipeline_mixed",
                PIPELINE,
                "pipeline; weights only; run once",
                once=True,
            ),
        ),
    )


def _linked(name: str, title: str, table: str, rows: int, loss: str, *, long: bool = False) -> Job:
    """A loss other than squared, on a table in memory, beside the solvers for it."""
    sklearn, held = ("numpy", "polars", "sklearn.linear_model"), "benchmarks.in_memory"
    return Job(
        name=name,
        title=title,
        table=table,
        rows=rows,
        contestants=(
            Contestant(
                "deltarule",
                f"{held}:deltarule_{loss}",
                (held, *OURS),
                "with standard errors, deviance and cross-validated error",
                holds=f"{held}:frame",
            ),
            Contestant(
                "deltarule, defaults",
                f"{held}:defaults_{loss}",
                (held, *OURS),
                "with a ridge tried, standard errors, deviance and cross-validated error",
                holds=f"{held}:frame",
            ),
            Contestant(
                "glum",
                f"{held}:glum_{loss}",
                (held, *POLARS, "glum"),
                "standardised before the clock; weights only",
                holds=f"{held}:columns",
            ),
            Contestant(
                "scikit-learn, lbfgs",
                f"{held}:lbfgs_{loss}",
                (held, *sklearn),
                "standardised before the clock; weights only",
                holds=f"{held}:arrays",
            ),
            Contestant(
                "scikit-learn, newton-cholesky",
                f"{held}:cholesky_{loss}",
                (held, *sklearn),
                "standardised before the clock; weights only",
                holds=f"{held}:arrays",
            ),
        ),
        limits=Limits(beside=1.0, peak_mb=None, error=1e-8),
        beside="glum",
        long=long,
    )


def _page(name: str, table: str, loss: str, note: str) -> Job:
    """The page on a million rows: a step's answer should take less than 20 ms."""
    return Job(
        name=name,
        title="Parquet to a page that steps; its answers should take less than 20 ms",
        table=table,
        rows=1_000_000,
        long=True,
        contestants=(
            DECODE,
            Contestant("deltarule watch", f"benchmarks.page:{loss}", ("benchmarks.page",), note),
        ),
    )


JOBS = (
    Job(
        name="parquet_5m_x_20",
        title="Parquet to weights and cross-validated error",
        table="numbers.parquet",
        rows=5_000_000,
        contestants=(
            DECODE,
            LEARN,
            Contestant(
                "numpy Gram", "benchmarks.peers:gram", POLARS, "written by hand; weights only"
            ),
            STREAMED,
            POLARS_OLS,
            GLUM,
            SKLEARN,
            SKLEARN_SCALED,
        ),
        limits=Limits(beside=2.5, peak_mb=500, error=1e-10),
    ),
    Job(
        name="descent_1000_steps",
        title="Parquet, then 1000 full-batch descent steps on all rows",
        table="numbers.parquet",
        rows=5_000_000,
        long=True,
        contestants=(
            DECODE,
            Contestant(
                "deltarule, each step", "benchmarks.ours:descend", OURS, "all 1000, on the moments"
            ),
            Contestant(
                "deltarule, closed form",
                "benchmarks.ours:descend_closed",
                OURS,
                "step 1000 at once",
            ),
            Contestant(
                "numpy loop",
                "benchmarks.peers:loop",
                POLARS,
                "20 steps taken, timed and compared; 980 more at their pace",
            ),
        ),
    ),
    Job(
        name="ridge_path_cv",
        title="Parquet, then 16 ridge strengths x 5 folds",
        table="numbers.parquet",
        rows=5_000_000,
        long=True,
        contestants=(
            DECODE,
            Contestant("deltarule", "benchmarks.ours:ridge", OURS, "folds by hash"),
            Contestant(
                "numpy Gram",
                "benchmarks.peers:gram_path",
                (*POLARS, "benchmarks.exact"),
                "one Gram for each fold, by hand; folds as in the exact answer",
            ),
            Contestant(
                "scikit-learn",
                "benchmarks.peers:ridge_cv",
                (*LINEAR, "sklearn.model_selection", "benchmarks.exact"),
                "all rows read, 200,000 learnt from; the others at their pace",
            ),
        ),
    ),
    Job(
        name="csv_1m_x_20",
        title="CSV to weights and cross-validated error",
        table="numbers.csv",
        rows=1_000_000,
        contestants=(DECODE, LEARN, STREAMED, POLARS_OLS, GLUM, SKLEARN_SCALED, STATSMODELS),
    ),
    Job(
        name="parquet_500k_x_200",
        title="Parquet with many columns to weights and cross-validated error",
        table="numbers_200.parquet",
        rows=500_000,
        contestants=(
            DECODE,
            LEARN,
            STREAMED,
            SKLEARN_SCALED,
            *(replace(one, note="weights only; run once", once=True) for one in (POLARS_OLS, GLUM)),
        ),
    ),
    _page("page_1m_x_20", "numbers.parquet", "squared", "a step anywhere from the moments"),
    _page("page_logistic_1m_x_20", "yes_no.parquet", "logistic", "50,000 rows are held"),
    _linked(
        "logistic_5m_x_20",
        "Logistic, in memory",
        "yes_no.parquet",
        5_000_000,
        "logistic",
        long=True,
    ),
    _linked("logistic_1m_x_50", "Logistic, in memory", "yes_no_50.parquet", 1_000_000, "logistic"),
    _linked(
        "poisson_5m_x_20", "Poisson, in memory", "counts.parquet", 5_000_000, "poisson", long=True
    ),
    _linked("poisson_1m_x_50", "Poisson, in memory", "counts_50.parquet", 1_000_000, "poisson"),
    _linked(
        "logistic_250k_x_200", "Logistic, in memory", "yes_no_200.parquet", 250_000, "logistic"
    ),
    _linked("poisson_250k_x_200", "Poisson, in memory", "counts_200.parquet", 250_000, "poisson"),
    Job(
        name="lasso_path_cv",
        title="100 lasso strengths x 5 folds, in memory",
        table="numbers.parquet",
        rows=5_000_000,
        long=True,
        contestants=(
            Contestant(
                "read alone",
                "benchmarks.in_memory:read_alone",
                ("benchmarks.in_memory", *OURS),
                "deltarule's one read to moments",
                holds="benchmarks.in_memory:frame",
            ),
            Contestant(
                "deltarule",
                "benchmarks.in_memory:lasso",
                ("benchmarks.in_memory", *OURS, "deltarule.solvers.lasso_path"),
                "the read, and the path on five folds and on all rows",
                holds="benchmarks.in_memory:frame",
            ),
            Contestant(
                "scikit-learn",
                "benchmarks.in_memory:lasso_cv",
                ("benchmarks.in_memory", *POLARS, "sklearn.linear_model"),
                "LassoCV, standardised before the clock; run once",
                once=True,
                holds="benchmarks.in_memory:arrays",
            ),
        ),
        limits=Limits(beside=2.0, peak_mb=None, error=1e-8),
        beside="read alone",
    ),
    _mixed(
        "mixed_3m",
        "Parquet with 5 numbers, categories of 10, 100 and 1000 levels, 2% missing",
        "mixed.parquet",
        3_000_000,
    ),
    _mixed("flights_1m", "The same with a date", "flights.parquet", 1_000_000),
    *more.JOBS,
)
