"""Losses: a class each, beside its kin: loss.py says what a loss is, named.py lists them."""
