"""The command line: one file for each noun. Decides nothing about messages."""
