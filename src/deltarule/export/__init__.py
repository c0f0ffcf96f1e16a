"""A model's tree as a file for elsewhere: each export is a walk over it, checked by running it."""
