"""Which account sends, when, and whose turn it is."""
