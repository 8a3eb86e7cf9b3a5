"""A broker outage in the log: one line when it begins, and one with the number of those that were left out.

The clients of Kafka log every failed attempt, together up to hundreds of lines a second, and all of them say
the same. All are counted (`wa_kafka_client_errors`). A line with a traceback is never left out.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

_LIBRARIES: Final = ("aiokafka", "faust", "mode")
_SUFFIX: Final = " (more warnings of Kafka's libraries are counted and not logged, until there are none for %.0f s)"
QUIET_S: Final = 30.0  # after it, an outage has ended


class KafkaErrors(logging.Filter):
    """A filter for the handler of the log. It may be used by several threads."""

    def __init__(
        self, *, quiet_s: float = QUIET_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.count = 0
        self._quiet_s = quiet_s
        self._clock = clock
        self._lock = threading.Lock()
        self._began_s = self._last_s = float("-inf")
        self._left_out = 0
        self._timer: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        is_library = record.name.partition(".")[0] in _LIBRARIES
        if not is_library or record.levelno < logging.WARNING or record.exc_info:
            return True
        with self._lock:
            now_s = self._clock()
            is_first = now_s - self._last_s > self._quiet_s
            self.count += 1
            self._last_s = now_s
            if is_first:
                self._began_s = now_s
                record.msg, record.args = record.getMessage() + _SUFFIX % self._quiet_s, ()
                return True
            self._left_out += 1
            if self._timer is None:
                self._start_timer()
            return False

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._quiet_s, self._report)
        self._timer.daemon = True
        self._timer.start()

    def _report(self) -> None:
        """One line at the end of the outage; while it lasts, wait on."""
        with self._lock:
            if self._clock() - self._last_s < self._quiet_s:
                self._start_timer()
                return
            self._timer = None
            lasted_s, left_out = self._last_s - self._began_s, self._left_out
            self._left_out = 0
        log.warning(
            "Kafka's libraries had warnings for %.0f s: %d more lines were left out",
            lasted_s,
            left_out,
        )


# Of this process: the handler of its log and its metrics share it.
kafka_errors: Final = KafkaErrors()
