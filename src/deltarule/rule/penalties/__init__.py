"""Penalties: what large weights cost, and the steps and exact answers that meet their kinks."""
