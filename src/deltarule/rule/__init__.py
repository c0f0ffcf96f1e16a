"""The rule itself: predict, compare, learn. Arrays in, arrays out: no table, no file, no screen.

scores       = predict(weights, inputs)              predict.py
delta        = prediction - target                   compare.py
weight_delta = delta * input, averaged over rows
weight      -= alpha * weight_delta                  learn.py
again, until it settles                              train.py

Those four are the rule. Beside them stand its kinds: losses/, penalties/, and steps/ on batches.
"""
