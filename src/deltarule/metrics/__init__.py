"""How good predictions are: figures of rows, beside guessing, and how far rows stray from them.

classes.py    yes/no and classes: accuracy, AUC, confusion, calibration
figures.py    what any target has: errors, loss, deviance, likelihood
intervals.py  from held-out residuals to prediction intervals
"""
