"""Solvers: weights from moments or an objective: least squares, Newton, paths, proximal steps."""
