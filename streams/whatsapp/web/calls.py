"""Calls Playwright with a timeout. The only place that translates Playwright's errors into ours."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from streams.whatsapp.errors import BrowserError, PageFailure, PageHung, PageLost, PageNavigated

T = TypeVar("T")


async def call_with_timeout(call: Awaitable[T], timeout_s: float) -> T:
    """The call's result. Raises PageFailure. Many of Playwright's calls have no timeout of their own."""
    try:
        # `wait_for` of Python 3.11 loses a cancellation that comes together with the result.
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError:
        raise PageHung(f"no answer within {timeout_s:g} s") from None
    except BrowserError:
        raise
    except Exception as error:  # Playwright also raises bare exceptions, and nothing else is called
        raise translate_error(error) from error


def translate_error(error: Exception) -> PageFailure:
    """The PageFailure for an error of Playwright."""
    first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
    if "context was destroyed" in first_line or "Cannot find context" in first_line:
        return PageNavigated(first_line)
    if "Timeout" in first_line:
        return PageHung(first_line)
    return PageLost(first_line)
