"""Sets up logging in a worker, once: one handler on stderr, one line per message, redacted."""

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from streams.logs.redaction import redact
from streams.logs.rendering import make_formatter
from streams.settings import LoggingSettings

log = logging.getLogger(__name__)

# They log a lot, and at level debug they log keys and values of records.
_VERBOSE_LIBRARIES: Final = ("faust", "mode", "aiokafka")


def set_up_logging(settings: LoggingSettings, *, verbose_loggers: Sequence[str] = ()) -> None:
    """Log to stderr. An exception that nothing catches is logged too, because it may hold a phone number.

    `verbose_loggers` log as much as the libraries do, and are treated like them.
    """
    level = logging.getLevelName(settings.log_level.upper())
    handler = _Handler(is_redacting=not settings.log_pii)
    handler.setFormatter(make_formatter(settings.log_format, is_redacting=not settings.log_pii))
    logging.basicConfig(level=level, handlers=[handler])
    is_verbose = settings.log_pii and level <= logging.DEBUG
    for name in (*_VERBOSE_LIBRARIES, *verbose_loggers):
        library_level = logging.DEBUG if is_verbose else max(level, logging.WARNING)
        logging.getLogger(name).setLevel(library_level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class _Handler(logging.StreamHandler):
    """Writes to stderr. A record that cannot be formatted is reported without its arguments."""

    def __init__(self, *, is_redacting: bool) -> None:
        super().__init__(sys.stderr)
        self._is_redacting = is_redacting

    def handleError(self, record: logging.LogRecord) -> None:
        """The standard one prints the arguments as they are."""
        reason = traceback.format_exc(limit=0).strip()
        report = f"{record.name}:{record.lineno}: a log record could not be written: {reason}\n"
        with contextlib.suppress(OSError):  # a full disk: a line that cannot be logged harms nobody
            sys.stderr.write(redact(report) if self._is_redacting else report)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("an exception was not caught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
        return
    log.critical(
        "an exception was not caught in thread %s",
        arguments.thread.name if arguments.thread else "?",
        exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback),
    )
