"""Steps: what they stand on, the steps themselves, and what they came to."""
