"""Ctrl-C, SIGTERM and SIGHUP: the first ends in good order, the second at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from streams.supervisor.process import kill_orphans

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILL_TIMEOUT_S = 2.0


class ShutdownSignal:
    """Whether somebody wants us to end. To be made inside the event loop's thread."""

    def __init__(self, *, kill: Callable[[], None], on_message: Callable[[str], None]) -> None:
        self._requested = asyncio.Event()
        self._kill = kill
        self._on_message = on_message
        for number in _SIGNALS:
            # `nohup` means it: who is to outlive the terminal does.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)

    @property
    def is_requested(self) -> bool:
        """Somebody does."""
        return self._requested.is_set()

    async def wait(self) -> None:
        """Returns when somebody does."""
        await self._requested.wait()

    async def run_until(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False when it was given up because somebody wants us to end."""
        work_task = asyncio.ensure_future(work)
        shutdown_task = asyncio.ensure_future(self._requested.wait())
        try:
            await asyncio.wait({work_task, shutdown_task}, return_when=asyncio.FIRST_COMPLETED)
            if work_task.done():
                work_task.result()
                return True
            return False
        finally:
            work_task.cancel()
            shutdown_task.cancel()
            await asyncio.gather(work_task, shutdown_task, return_exceptions=True)

    def _on_signal(self) -> None:
        if self._requested.is_set():
            self._on_message("ending everything at once")
            self._kill()
            kill_orphans(_KILL_TIMEOUT_S)
            os._exit(1)
        self._requested.set()
        self._on_message("stopping (once more: at once)")
