"""Engines: who answers questions about rows. Today: threads of this machine."""
