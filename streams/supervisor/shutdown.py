"""Ctrl-C, SIGTERM and SIGHUP: the first stops everything in order, the second kills everything at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from streams.supervisor.orphans import kill_orphans
from streams.system.tasks import race

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILL_TIMEOUT_S = 2.0


class ShutdownSignal:
    """Whether the user has requested a shutdown. Create it inside the event loop."""

    def __init__(self, *, kill: Callable[[], None], on_message: Callable[[str], None]) -> None:
        self._requested = asyncio.Event()
        self._kill = kill
        self._on_message = on_message
        for number in _SIGNALS:
            # `nohup` ignores SIGHUP so that the program outlives its terminal: respect that.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)

    async def run_until(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work. Returns False if it was cancelled because a shutdown was requested."""
        return await race(_finish(work), self._wait_for_request())

    async def _wait_for_request(self) -> bool:
        await self._requested.wait()
        return False

    def _on_signal(self) -> None:
        if self._requested.is_set():
            self._on_message("killing everything")
            self._kill()
            kill_orphans(_KILL_TIMEOUT_S)
            os._exit(1)
        self._requested.set()
        self._on_message("stopping (press Ctrl-C again to kill everything)")


async def _finish(work: Coroutine[Any, Any, None]) -> bool:
    await work
    return True
