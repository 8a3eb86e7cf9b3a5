"""Programs that cannot outlive the process that starts them, however that one ends.

Who is killed cleans up nothing, so the kernel is asked to (PR_SET_PDEATHSIG, prctl(2)). The request
goes with the *thread* that forked: start such a program from one that lives as long as the process.
"""

import os
import signal
import sys
from collections.abc import Sequence

# Asks, sees whether the parent died before it had asked, and becomes the program, which keeps the request.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
if int(sys.argv[2]) not in (0, os.getppid()):
    os._exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


def bind_to_this_process(command: Sequence[str]) -> list[str]:
    """A command for `command`, whose first part is a path, that gets SIGKILL when this process ends.

    It has the same pid. If this process has ended already, it ends with code 1 and does nothing.
    """
    return _wrap(command, signal.SIGKILL, os.getpid())


def bind_to_parent(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """As above, for a command that another process will start; that one's end is what counts."""
    return _wrap(command, death_signal, 0)


def _wrap(command: Sequence[str], death_signal: signal.Signals, parent_pid: int) -> list[str]:
    return [sys.executable, "-ISc", _LAUNCHER, str(int(death_signal)), str(parent_pid), *command]
