"""Alpha explained, and the first step it makes spelled out for one film among all."""

from importlib.resources import files

import deltarule as dr

films = str(files("deltarule") / "data" / "movies.csv")
asked = {"predict": "gross", "using": "budget", "intercept": False, "start": 1.0}

print(dr.alpha(films, **asked, alpha=1e-16))
print()
for step in dr.steps(films, **asked, alpha=1e-16, steps=3, trace_rows=[1]):
    (film,) = step.chosen
    weight = step.weights["weight"].item()
    print(
        f"step {step.number}: predicted {film.prediction.item():,.0f} for the first film, off by "
        f"{film.delta.item():,.0f}; all films move it to {weight:.6f}"
    )
