"""The functions that a compiled tree calls; an exported Python file carries those that it uses.

None is a missing value. Nothing here imports more than `math` and `re`, and what is imported from
one module by another has one name only: an export copies the source of each, without its imports.
"""
