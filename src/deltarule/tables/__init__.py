"""Tables: sources of rows in batches, and their encoding as inputs and targets."""
