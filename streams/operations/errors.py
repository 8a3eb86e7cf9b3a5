"""How an operation fails, named by what the user does next. Imports nothing of the project.

CommandError
├── UsageError      exit code 2: correct a setting, an argument or this machine; the text says what
├── CommandFailed   exit code 1: it was tried and did not work
└── CommandInterrupted   exit code 130: a person ended it, and it cleaned up after itself

An operation raises one of these, or an error of the package that it uses. The command line maps those
to exit codes too (streams/cli/error_map.py), so that no operation needs to know every library's errors.
"""


class CommandError(Exception):
    """A failure that the operation foresees.

    Its text is one line for the user, without a traceback.
    """

    exit_code = 1


class UsageError(CommandError):
    """Nothing was tried: something must be corrected first."""

    exit_code = 2


class CommandFailed(CommandError):
    """It was tried and did not work.

    Another try may work: nothing that the user typed is wrong.
    """


def no_answer(timeout_s: float, hint: str = "") -> CommandFailed:
    """No dispatcher has answered a request that Kafka has. `hint`: what else the user can look at."""
    return CommandFailed(
        f"no answer within {timeout_s:g} s; the request stays in the queue. "
        f"Is a dispatcher running (`wa-streams ps`)?{hint}"
    )


class CommandInterrupted(CommandError):
    """A person ended it with Ctrl-C, or a program with SIGTERM; its clean-up is done."""

    exit_code = 130
