"""Trace: the steps of learning as a ledger, in sentences, and downsampled."""
