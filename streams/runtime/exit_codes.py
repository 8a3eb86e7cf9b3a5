"""How a worker ends itself when it must not go on. The supervisor reads the exit code and restarts it.

The process ends at once: nothing is committed, nothing is flushed, no `finally` runs. That is the purpose. Whatever
was not committed is read again, and a process that may have lost its partitions must not write another record.
"""

import logging
import os
from enum import IntEnum
from typing import NoReturn

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """Exit codes of workers. A restart cures most of them.

    The TOPIC_… ones need a person, and so does DISK_FULL. STORE_DAMAGED needs one if it comes again at once.
    """

    FENCED = 75  # no longer a member of its group, with something still to write or to send
    LOOP_STUCK = 76  # the event loop makes no progress
    NOT_READY = 77  # joining or recovering makes no progress, though the broker answers
    STALLED = 78  # a partition makes no progress, though there is something to read
    TOPIC_RECREATED = 79  # a topic or its committed offsets do not match the tables any more
    EVENT_INTERRUPTED = 80  # an agent raised, or was cancelled, in the middle of an event
    PRODUCER_DEAD = 81  # the sender task of aiokafka's producer has ended
    STORE_DAMAGED = 82  # a partition's store cannot be read; the next start rebuilds it
    DISK_FULL = 83  # nothing can be written to the disk
    TOPIC_MISCONFIGURED = 84  # a topic does not stamp append times any more


def log_exit(code: ExitCode, reason: str) -> None:
    """Log the one line that says why the process ends. `up` recognises the line by its end, and shows it."""
    log.critical("%s (exit %d, %s)", reason, code, code.name)


def terminate(code: ExitCode, reason: str) -> NoReturn:
    """Log the reason and end this process at once."""
    log_exit(code, reason)
    os._exit(code)
