"""The delta rule: predict, compare, learn, and the training loop. Dense arrays in, arrays out.

scores       = predict(weights, inputs)              predict.py
delta        = prediction - target                   compare.py
weight_delta = delta * input, averaged over rows
weight      -= alpha * weight_delta                  learn.py
repeat until convergence                             train.py

The losses are in losses/; other learners, penalties and sparse inputs in solvers/ and moments/.
"""
