"""Certainty: how sure the weights of losses other than squared are, and what to doubt."""
