"""Held-out rows: what they are predicted by, and which penalty they ask for."""
