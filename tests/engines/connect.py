"""Learn over Spark Connect from a folder of Parquet files; the arguments are it and a model's file.

It is a program of its own: a process has sessions of Connect or of Spark itself, not both.
"""

import sys
from importlib import import_module

import deltarule as dr
from tests.engines.test_engines import INPUTS


def main(folder: str, saved: str) -> None:
    """Save the model, once its predictions came as columns."""
    session = import_module("pyspark.sql").SparkSession.builder.remote("local[2]").getOrCreate()
    frame = session.read.parquet(folder)
    model = dr.learn(frame, predict="amount", using=INPUTS)
    predicted = model.predict(frame).select("id", "amount_prediction").toArrow()
    assert predicted.num_rows == frame.count()
    model.save(saved)
    session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
