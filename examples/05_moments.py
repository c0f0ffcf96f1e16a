"""Why one read is enough: a thousand steps on the rows, on their moments, and in closed form."""

import numpy as np

from deltarule.engines.in_memory import Rows
from deltarule.losses.glm import Squared
from deltarule.moments.moments import LeastSquares, Moments
from deltarule.rule.learn import Descent
from deltarule.rule.predict import Linear
from deltarule.rule.train import train
from deltarule.solvers.least_squares import ClosedFormDescent, solve

rng = np.random.default_rng(0)
inputs = rng.normal(size=(10_000, 3))
targets = inputs @ np.array([[1.0], [2.0], [3.0]]) + rng.normal(size=(10_000, 1))

model = Linear()
start = model.start(inputs=3, outputs=1)
moments = Moments.of(np.column_stack([inputs, targets]))
problem = LeastSquares.of(moments, inputs=range(3), targets=[3])

for name, objective in {
    "rows": Rows(model, Squared(), inputs, targets),
    "moments": problem,
}.items():
    *_, last = train(start, objective, Descent(alpha=0.01), steps=1000, tolerance=0)
    print(f"1000 steps on the {name:<12}", last.weights["weight"].ravel())

closed = ClosedFormDescent.of(problem, start, alpha=0.01).at(1000)
print("the 1000th in closed form", closed["weight"].ravel())
print("where it is going        ", solve(problem).weights["weight"].ravel())
