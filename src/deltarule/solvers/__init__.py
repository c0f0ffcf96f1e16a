"""Solvers: weights from moments or from an objective: exact, by paths, by proximal steps."""
