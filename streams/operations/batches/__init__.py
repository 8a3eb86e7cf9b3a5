"""A file of messages as one batch: read it, check every row, send it, and follow its progress."""
