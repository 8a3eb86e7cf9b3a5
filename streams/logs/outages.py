"""A broker outage in the log: one line when it begins, and one with the number of those that were left out.

The clients of Kafka log every failed attempt, together up to hundreds of lines a second, and all of them say
the same. All are counted (`wa_kafka_client_errors`). Faust logs under the name of whatever module subclasses its
services, so a line is recognised by the file that wrote it too. Each traceback is written once in an outage.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

_LIBRARIES: Final = ("aiokafka", "faust", "mode")
_LIBRARY_FILE: Final = re.compile(r"-packages[/\\](?:aiokafka|faust|mode)[/\\]")
_SUFFIX: Final = " (more warnings of Kafka's libraries are counted and not logged, until there are none for %.0f s)"
QUIET_S: Final = 30.0  # after it, an outage has ended


def _is_from_library(record: logging.LogRecord) -> bool:
    """Whether a library of Kafka's wrote the line, or asyncio about an error of aiokafka that nobody awaited."""
    if record.name.partition(".")[0] in _LIBRARIES or _LIBRARY_FILE.search(record.pathname):
        return True
    error_type = record.exc_info[0] if record.exc_info else None
    return record.name == "asyncio" and error_type is not None and "kafka" in error_type.__module__


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
        self._tracebacks = set[tuple[object, ...]]()  # that were written in this outage
        self._timer: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.levelno < logging.WARNING or not _is_from_library(record):
            return True
        with self._lock:
            now_s = self._clock()
            is_first = now_s - self._last_s > self._quiet_s
            self.count += 1
            self._last_s = now_s
            if is_first:
                self._began_s = now_s
                self._tracebacks.clear()
                record.msg, record.args = record.getMessage() + _SUFFIX % self._quiet_s, ()
            is_written = self._is_new_traceback(record) or is_first
            if not is_written:
                self._left_out += 1
                if self._timer is None:
                    self._start_timer()
            return is_written

    def _is_new_traceback(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return False
        key = (record.pathname, record.lineno, record.exc_info[0])
        is_new = key not in self._tracebacks
        self._tracebacks.add(key)
        return is_new

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
