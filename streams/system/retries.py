"""Retries of I/O, by stamina: which errors are worth another try, how often, with which pauses.

Not for messages: their retries are decided by the core (streams/domain/phone/handlers/outcomes.py), survive a crash
and are counted. Not for processes: those are restarted with `BackoffSeries`. Here a call is repeated while
its caller waits.

stamina reports each retry through structlog or logging. That report is switched off: a command prints one
line, and a caller that gives up says why.
"""

from collections.abc import Callable
from typing import TypeAlias

import stamina
from stamina import instrumentation

Retryable: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]

instrumentation.set_on_retry_hooks(())


def retry_on(
    errors: Retryable, *, max_attempts: int | None, delay_s: float
) -> "stamina._core._RetryContextIterator":
    """The attempts of one call, for a `for` or an `async for` around `with attempt:`.

    An error that does not match `errors`, and the error of the last attempt, are raised as they are.
    `delay_s` is the pause before the first retry, in seconds; it doubles, up to ten times its value, and up
    to as much again is added at random. With `max_attempts` None there is no end: set a timeout around it.
    """
    return stamina.retry_context(
        on=errors,
        attempts=max_attempts,
        timeout=None,
        wait_initial=delay_s,
        wait_max=10 * delay_s,
        wait_jitter=delay_s,
    )
