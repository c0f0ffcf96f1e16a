"""The one read: everything squared loss ever needs of the rows, and what is solved from it.

tally.py      rows -> sums, in blocks, by fold
moments.py    sums -> Moments, which add and subtract; LeastSquares, which answers any weights
splits.py     which folds teach what each fold is judged by
solve.py      exact weights, ridge paths, descent in closed form
lasso.py      lasso and elastic net, whole paths;  knots.py  the walk along one
inference.py  standard errors, intervals, condition number
"""
