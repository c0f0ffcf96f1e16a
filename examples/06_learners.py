"""The same films, learnt by every learner: how many steps each takes to the same weights."""

from importlib.resources import files

import deltarule as dr

films = str(files("deltarule") / "data" / "movies.csv")
using = ["budget", "running_time", "year"]

exact = dr.learn(films, predict="gross", using=using)
print("exact weights", [f"{one.weight:.6g}" for one in exact.record.weights])

for learner in ("descent", "momentum", "nesterov", "adam", "newton"):
    model = dr.learn(films, predict="gross", using=using, learner=learner)
    off = max(
        abs(one.weight / other.weight - 1)
        for one, other in zip(model.record.weights, exact.record.weights, strict=True)
    )
    print(f"{learner:>9}: {model.record.learnt[0].steps:>4} steps, off by {off:.0e}")
