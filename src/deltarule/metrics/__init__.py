"""Metrics: accumulators of error, classification and calibration metrics, and intervals.

regression.py      metrics of any target: errors, loss, deviance, likelihood
classification.py  yes/no and classes: accuracy, AUC, confusion matrix, calibration
auc.py             the AUC
conformal.py       conformal prediction intervals from held-out residuals
"""
