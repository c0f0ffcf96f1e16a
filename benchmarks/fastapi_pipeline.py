"""The rival in benchmarks.serve: what one writes by hand with FastAPI, joblib and scikit-learn."""

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

pipeline = joblib.load(os.environ["PIPELINE"])
columns = {
    name: (str | None if name.startswith("c") else float | None, ...)
    for name in pipeline.feature_names_in_
}
Row: Any = create_model("Row", **columns)
app = FastAPI()


@app.post("/predict")
def predict(row: Row) -> dict[str, float]:
    """One row's prediction."""
    frame = pd.DataFrame([row.model_dump()])
    return {"prediction": float(pipeline.predict(frame)[0])}
