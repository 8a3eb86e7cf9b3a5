"""One file for each command or group of commands: its options and its output. The work is in `operations`."""
