"""All rows, some rows or one row at each step: the smaller the batch, the noisier the way."""

from importlib.resources import files

import deltarule as dr

films = str(files("deltarule") / "data" / "movies.csv")

for batch in ("all", 256, 16, 1):
    steps = dr.steps(
        films, predict="gross", using="budget", learner="descent", batch=batch, epochs=3
    )
    number, weights = 0, []
    for step in steps:
        number = step.number
        weights.append(step.weights["weight"].item())
    late = weights[len(weights) // 2 :]
    print(
        f"batch {batch!s:>3}: {number:>5} steps, the weight ends at {weights[-1]:.4f} "
        f"and wandered from {min(late):.4f} to {max(late):.4f} on the second half of its way"
    )
