"""Rows: who answers for them, all at once or in batches, and what they are asked."""
