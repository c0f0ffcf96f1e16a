"""Files: what a path is, and which source reads it."""
