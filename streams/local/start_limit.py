"""Bounds the start of a stack that nobody watches: of the demo and of `bench`. Decides nothing for `up`.

`up` restarts its services for ever, because a person watches it. A stack that is started for one run ends with the
reason when a service keeps ending, or when nothing has changed for long.
"""

import asyncio
from typing import Final

from streams.local.status import ServiceStatus
from streams.operations.errors import CommandFailed

_MAX_RESTARTS: Final = 5
_MAX_SILENCE_S: Final = 600.0  # the largest download is one step, and may be slow


class StartLimit:
    """Told of each change; `enforce` raises once the start has failed."""

    def __init__(
        self, *, max_restarts: int = _MAX_RESTARTS, max_silence_s: float = _MAX_SILENCE_S
    ) -> None:
        self._max_restarts = max_restarts
        self._max_silence_s = max_silence_s
        self._changed = asyncio.Event()
        self._failed: ServiceStatus | None = None
        self._reasons: dict[str, str] = {}
        self._last = "nothing has started"

    def note_service(self, service: ServiceStatus) -> None:
        """A service has changed."""
        if service.reason:
            self._reasons[service.name] = service.reason
        if service.state != "ready":
            self._note(f"{service.name} {service.state} {service.reason}".rstrip())
        if service.restarts >= self._max_restarts and service.state != "ready":
            self._failed = service

    def note_step(self, step: str) -> None:
        """There was progress."""
        self._note(step)

    def _note(self, change: str) -> None:
        self._last = change
        self._changed.set()

    async def enforce(self) -> None:
        """Never returns.

        Raises:
            CommandFailed: a service has ended again and again, or nothing has changed for long.
        """
        while True:
            if self._failed is not None:
                raise CommandFailed(
                    f"{self._failed.name} does not start, after {self._failed.restarts} restarts:"
                    f" {self._reasons.get(self._failed.name, 'no reason known')}"
                )
            self._changed.clear()
            try:
                async with asyncio.timeout(self._max_silence_s):
                    await self._changed.wait()
            except TimeoutError as error:
                raise CommandFailed(
                    f"the start has made no progress for {self._max_silence_s:.0f} s; last: {self._last}"
                ) from error
