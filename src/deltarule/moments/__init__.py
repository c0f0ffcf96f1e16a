"""Moments: the mergeable sufficient statistics of squared loss, by fold, from one read.

block.py          a block of rows, cleaned, with the fold of each row;  folds.py  folds from keys
accumulate.py     blocks -> sums;  histogram.py  counts in cells of a float's bits
moments.py        sums -> Moments, which add and subtract; LeastSquares, the objective on them
problem.py        inputs, targets and frozen weights;  standardize.py  standardized inputs
splits.py         test and train folds
design_matrix.py  one-hot columns kept as codes
inference.py      standard errors, intervals, leverage, variance inflation
"""
