"""A batch: which of its messages are where in their lives. Pure, like everything in `domain`."""
