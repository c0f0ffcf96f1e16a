"""A fitted model: its record and file, predictions, evaluation, diagnostics and explanations."""
