"""The commands that run one service in the foreground, as `up` runs it."""
