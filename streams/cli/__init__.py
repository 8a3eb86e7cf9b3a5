"""The command line: one file for each noun in `commands/`. Decides nothing about messages."""
