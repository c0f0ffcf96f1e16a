"""Engines: who answers questions about rows. At present: threads of this machine."""
