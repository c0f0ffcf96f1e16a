"""One weight, one example, no library: predict, compare, learn, until the prediction is the goal.

Mad Max cost 200,000 dollars and made 99,750,000. Which weight turns the one into the other?
"""

budget, goal = 200_000.0, 99_750_000.0
weight, alpha = 1.0, 1e-11

step = 0
while True:
    step += 1
    prediction = budget * weight  # predict
    delta = prediction - goal  # compare
    error = delta * delta
    weight_delta = delta * budget
    weight -= alpha * weight_delta  # learn
    print(step, prediction, delta, error, weight_delta, weight)
    if prediction == goal:
        break

# The last round finds nothing left to learn.
print(f"after {step - 1} steps the weight is {weight}")
