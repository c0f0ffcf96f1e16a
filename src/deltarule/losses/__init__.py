"""Losses: a class each; loss.py has the protocol, registry.py the list of names."""
