"""Waiting for a condition that gives no event, with a timeout."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

WAIT_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.05


async def wait_until(
    condition: Callable[[], Any],
    *,
    timeout_s: float = WAIT_TIMEOUT_S,
    message: str = "the condition did not become true",
) -> Any:
    """Wait until the condition (a function or a coroutine function) is true; returns its value."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        result = condition()
        result = await result if asyncio.iscoroutine(result) else result
        if result:
            return result
        assert time.monotonic() < deadline_s, message
        await asyncio.sleep(_POLL_INTERVAL_S)
