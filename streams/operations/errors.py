"""How a command ends when it cannot do its work, named by the exit code. Imports nothing of ours.

CommandError
├── Wrong     exit 2: a setting, an argument or this machine is wrong; the line says what to do
└── Failed    exit 1: it was tried and did not work
"""


class CommandError(Exception):
    """Any ending that a command has foreseen; its text is one line for the person who typed it."""

    exit_code = 1


class UsageError(CommandError):
    """Nothing was tried: something must be put right first."""

    exit_code = 2


class CommandFailed(CommandError):
    """It was tried and did not work."""
