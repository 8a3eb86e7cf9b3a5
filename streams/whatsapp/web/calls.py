"""Playwright's calls with a time limit, and its errors as ours: the one place that translates them."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from streams.whatsapp.errors import BrowserError, PageHung, PageLost, PageMoved, PageTrouble

T = TypeVar("T")


async def bounded(call: Awaitable[T], within_s: float) -> T:
    """The call's result. Raises PageTrouble; many of Playwright's calls have no limit themselves."""
    try:
        return await asyncio.wait_for(call, within_s)
    except TimeoutError:
        raise PageHung(f"no answer within {within_s:g} s") from None
    except BrowserError:
        raise
    except Exception as error:  # Playwright raises bare ones too, and a call has no other origin
        raise translated(error) from error


def translated(error: Exception) -> PageTrouble:
    """Playwright's error as one of ours."""
    first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
    if "context was destroyed" in first_line or "Cannot find context" in first_line:
        return PageMoved(first_line)
    if "Timeout" in first_line:
        return PageHung(first_line)
    return PageLost(first_line)
