"""How an operation fails, named by what the user does next. Imports nothing of the project.

CommandError
├── UsageError      exit code 2: correct a setting, an argument or this machine; the text says what
└── CommandFailed   exit code 1: it was tried and did not work
"""


class CommandError(Exception):
    """A failure that the operation foresees. Its text is one line for the user."""

    exit_code = 1


class UsageError(CommandError):
    """Nothing was tried: something must be corrected first."""

    exit_code = 2


class CommandFailed(CommandError):
    """It was tried and did not work."""
