"""The commands that check what was done. They change nothing."""
