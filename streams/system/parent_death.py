"""Programs that cannot outlive the process that starts them, however that process ends.

A killed process cleans up nothing, so the kernel does it (PR_SET_PDEATHSIG, prctl(2)). The kernel acts at
the end of the *thread* that forked: start such a program from a thread that lives as long as the process.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1

# Registers the signal, exits if the parent has died before that, and becomes the program, which keeps it.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
if int(sys.argv[2]) not in (0, os.getppid()):
    os._exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def bind_to_this_process(command: Sequence[str]) -> list[str]:
    """A command that runs `command` (its first part is a path) and gets SIGKILL when this process ends.

    The program keeps the pid of the command. If this process has already ended when the command starts,
    it exits with code 1 and does nothing.
    """
    return _wrap(command, signal.SIGKILL, os.getpid())


def bind_to_parent(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The same for a command that another process will start: it gets the signal when that one ends."""
    return _wrap(command, death_signal, 0)


def end_with_parent() -> None:
    """The same for this process, which is Python already: it gets SIGKILL when its parent ends.

    Raises:
        OSError, AttributeError: this is not Linux.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wrap(command: Sequence[str], death_signal: signal.Signals, parent_pid: int) -> list[str]:
    return [sys.executable, "-ISc", _LAUNCHER, str(int(death_signal)), str(parent_pid), *command]
