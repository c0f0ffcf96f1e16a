"""What alpha does: the same film, learnt with four of them."""

import deltarule as dr

mad_max = {"budget": [200_000.0], "gross": [99_750_000.0]}

for alpha in (1e-11, 2.5e-11, 4.5e-11, 6e-11):
    model = dr.learn(
        mad_max,
        predict="gross",
        using=["budget"],
        intercept=False,
        start=1.0,
        alpha=alpha,
        tolerance=0,
    )
    print(f"alpha {alpha}: {model.record.learnt[0].stopped}")
