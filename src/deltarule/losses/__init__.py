"""Losses: a class each; rule/loss.py has the protocol, registry.py the list of names."""
