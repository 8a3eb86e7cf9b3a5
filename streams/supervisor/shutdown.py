"""Ctrl-C, SIGTERM and SIGHUP: the first ends in good order, the second at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from streams.supervisor.process import end_orphans

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILLED_ARE_GONE_WITHIN_S = 2.0


class Stop:
    """Whether somebody wants us to end. To be made inside the event loop's thread."""

    def __init__(self, *, kill: Callable[[], None], say: Callable[[str], None]) -> None:
        self._asked = asyncio.Event()
        self._kill = kill
        self._say = say
        for number in _SIGNALS:
            # `nohup` means it: who is to outlive the terminal does.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)

    @property
    def asked(self) -> bool:
        """Somebody does."""
        return self._asked.is_set()

    async def wait(self) -> None:
        """Returns when somebody does."""
        await self._asked.wait()

    async def unless(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False when it was given up because somebody wants us to end."""
        doing = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
                return True
            return False
        finally:
            doing.cancel()
            waiting.cancel()
            await asyncio.gather(doing, waiting, return_exceptions=True)

    def _signalled(self) -> None:
        if self._asked.is_set():
            self._say("ending everything at once")
            self._kill()
            end_orphans(_KILLED_ARE_GONE_WITHIN_S)
            os._exit(1)
        self._asked.set()
        self._say("stopping (once more: at once)")
