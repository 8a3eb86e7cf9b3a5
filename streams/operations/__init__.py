"""The verbs of wa-streams without a command line: accounts, dead letters, messages, checks. Prints nothing."""
