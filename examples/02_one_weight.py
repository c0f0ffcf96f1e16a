"""The same with deltarule: it prints the same numbers, to the last bit."""

import deltarule as dr

mad_max = {"budget": [200_000.0], "gross": [99_750_000.0]}

for step in dr.steps(
    mad_max,
    predict="gross",
    using=["budget"],
    intercept=False,
    start=1.0,
    alpha=1e-11,
    tolerance=0,
):
    weight_delta = step.comparison.weight_delta["weight"].item()
    weight = step.weights["weight"].item()
    print(step.number, step.prediction, step.delta, step.error, weight_delta, weight)

# The last step finds nothing left to learn.
print(f"after {step.number - 1} steps the weight is {weight}")
