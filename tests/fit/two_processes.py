"""Two processes that change one model at the same time."""

import subprocess
import sys
from pathlib import Path

import polars as pl


def learn_at_once(model: Path, tables: list[pl.DataFrame]) -> int:
    """How many of two processes learnt their rows into a model; the other says why it did not."""
    command = [sys.executable, "-m", "deltarule", "learn"]
    files = [model.with_name(f"{at}.csv") for at in range(len(tables))]
    for file, table in zip(files, tables, strict=True):
        table.write_csv(file)
    both = [
        subprocess.Popen(
            [*command, str(file), "--into", str(model)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for file in files
    ]
    told = [one.communicate()[1] for one in both]
    done = [one.returncode for one in both]
    assert 0 in done
    for code, words in zip(done, told, strict=True):
        assert code == 0 or "another process is changing" in words
    return done.count(0)
