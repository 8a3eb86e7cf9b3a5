"""How a worker ends itself when it must not go on. The supervisor reads the code and starts it anew.

These endings are immediate: nothing is committed, nothing is flushed, no `finally` runs. That is their
point, since everything not committed is read again, and a process that may have lost its partitions
must not say another word.
"""

import logging
import os
from enum import IntEnum
from typing import NoReturn

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """Exit codes of workers. Each is cured by a restart but TOPIC_RECREATED, which needs a person."""

    FENCED = 75  # no longer a member of its group, with something still to be written or sent
    LOOP_STUCK = 76  # the event loop does not turn
    NOT_READY = 77  # joining or recovering does not move, though the broker answers
    STALLED = 78  # a partition does not move, though there is something to read
    TOPIC_RECREATED = (
        79  # committed offsets lie beyond the log's end: rows and log do not belong together
    )
    EVENT_INTERRUPTED = 80  # an agent raised, or was cancelled, in the middle of an event
    PRODUCER_DEAD = 81  # aiokafka's producer has ended by itself


def log_exit(code: ExitCode, reason: str) -> None:
    """One line that says why the process ends so; `up` shows it, and knows it by its end."""
    log.critical("%s (exit %d, %s)", reason, code, code.name)


def terminate(code: ExitCode, reason: str) -> NoReturn:
    """End this process now, and say why."""
    log_exit(code, reason)
    os._exit(code)
