"""The standard streams of a command: closed, full, or in another encoding. None of that is a traceback.

It imports nothing that takes time: it runs before everything else.
"""

import os
import sys
from typing import Any, Final

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """Make the three streams usable, whatever the caller has done to them.

    One that was closed is opened, or the next file would take its place: what is printed would be written into it. What
    an encoding lacks is written as escapes.
    """
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
