"""Steps: on some rows at a time, at a falling pace, and what is kept of many of them."""
