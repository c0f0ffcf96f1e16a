"""The delta rule: predict, compare, learn, and the training loop. Arrays in, arrays out; no I/O.

scores       = predict(weights, inputs)              predict.py
delta        = prediction - target                   compare.py
weight_delta = delta * input, averaged over rows
weight      -= alpha * weight_delta                  learn.py
repeat until convergence                             train.py

loss.py says what a loss is; the losses are in losses/, other learners and penalties in solvers/.
"""
