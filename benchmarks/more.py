"""Jobs beside learning from large tables: predicting, starting, and small tables."""

from benchmarks.job import OURS, POLARS, Contestant, Job

PREDICT = ("benchmarks.predicting", "deltarule.model.model")
SMALL = ("benchmarks.small", *OURS)
SKLEARN = ("benchmarks.small", *POLARS, "sklearn.linear_model", "sklearn.datasets")


def _predict(what: str, title: str) -> Job:
    return Job(
        name=f"predict_1m_{what}",
        title=f"A loaded model predicts Parquet rows of 20 numbers {title}",
        table="numbers.parquet",
        rows=1_000_000,
        contestants=(
            Contestant("decode", "benchmarks.peers:decode", POLARS, "nothing else"),
            Contestant(
                "polars by hand", "benchmarks.predicting:by_hand", POLARS, "to Parquet, no checks"
            ),
            Contestant("deltarule", f"benchmarks.predicting:{what}", PREDICT),
        ),
        beside="polars by hand",
    )


def _start(what: str, title: str) -> Job:
    return Job(
        name=f"start_{what}",
        title=title,
        table="one.csv",
        rows=1,
        contestants=(
            Contestant("numpy and polars", "benchmarks.start:bare", ("subprocess",), "imported"),
            Contestant("deltarule", f"benchmarks.start:{what}", ("subprocess",)),
        ),
        beside="numpy and polars",
    )


def _small(what: str, title: str, table: str, rows: int) -> Job:
    return Job(
        name=f"small_{what}",
        title=title,
        table=table,
        rows=rows,
        contestants=(
            Contestant("scikit-learn", f"benchmarks.small:sklearn_{what}", SKLEARN, "weights only"),
            Contestant("deltarule", f"benchmarks.small:{what}", SMALL),
        ),
        beside="scikit-learn",
    )


def _classes(what: str, title: str) -> Job:
    return Job(
        name=f"classes_{what}",
        title=title,
        table="one.csv",
        rows=1,
        contestants=(
            Contestant(
                "scikit-learn", f"benchmarks.classes:sklearn_{what}", SKLEARN, "lbfgs; weights only"
            ),
            Contestant(
                "deltarule",
                f"benchmarks.classes:{what}",
                ("benchmarks.classes", *OURS, "sklearn.datasets"),
                "with a ridge chosen, and cross-validated error",
            ),
        ),
        beside="scikit-learn",
    )


JOBS = (
    _predict("parquet", "to Parquet"),
    _predict("csv", "to CSV"),
    _predict("explain", "to Parquet, explained"),
    _predict("interval", "to Parquet, with intervals"),
    _start("help", "deltarule --help, as a process"),
    _start("learn", "deltarule learn on one row of CSV, as a process"),
    _start("predict", "deltarule predict with a saved model, as a process"),
    _start("row", "dr.load and the prediction of a row, as a process"),
    _small("films", "Films from CSV, three columns", "films.csv", 3201),
    _small("iris", "Iris, three classes", "one.csv", 1),
    _classes("digits", "scikit-learn's digits, 1,797 x 64, ten classes"),
    _classes("images", "A made table of 7,300 x 256, ten classes"),
    _classes("letters", "A made table of 20,000 x 16, 26 classes"),
    _small("estimator", "DeltaRegressor.fit, 100 x 5", "one.csv", 1),
    _small("row", "A row with a loaded model, 20 numbers, 1,000 times", "one.csv", 1),
    _small("category", "The same of a number and a category", "one.csv", 1),
)
