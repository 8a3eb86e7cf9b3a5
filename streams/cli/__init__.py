"""The command line: one file per noun. It knows everybody, and decides nothing about a message."""
