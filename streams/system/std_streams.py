"""The standard streams of a command: closed, full, or in another encoding. None of that is a traceback.

It imports nothing that takes time: it runs before everything else.
"""

import os
import signal
import sys
from typing import Any, Final

INTERRUPTED: Final = 130  # the exit code that shells give to a process ended by SIGINT
_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """Open those that were closed, or the next file would take their place; write what an encoding lacks as escapes."""
    for name, mode in _STREAMS:
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def discard(stream: Any) -> None:
    """Nobody reads this stream any more: drop what is in its buffer, or the interpreter reports it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)


def end_quietly() -> None:
    """The process ends after Ctrl-C: another one ends it at once, without a traceback of what was cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    default = sys.unraisablehook

    def report(unraisable: "sys.UnraisableHookArgs", /) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            default(unraisable)

    sys.unraisablehook = report
