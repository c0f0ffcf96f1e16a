"""A model as a small tree, and the tree compiled to a Python function for few rows."""
