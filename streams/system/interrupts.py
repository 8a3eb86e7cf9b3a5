"""Ctrl-C in a command: it ends the command, and never in a crash or a traceback.

It imports nothing that takes time: it runs before everything else.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # the exit code that shells give to a process ended by SIGINT


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Ctrl-C takes effect at the end of this block. For imports: orjson's crashes the process if it is interrupted.

    The crash was seen in one of five interrupts at that moment (orjson 3.13, Python 3.11): its module looks up other
    modules while it is initialized, and does not expect that this fails.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def end_quietly() -> None:
    """The process ends after Ctrl-C: another one ends it at once, without a traceback of what was cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    default = sys.unraisablehook

    def report(unraisable: "sys.UnraisableHookArgs", /) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            default(unraisable)

    sys.unraisablehook = report
