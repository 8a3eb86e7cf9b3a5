"""Compares what `wa.accounts` says with what the simulated server knows: for how long was `ready` untrue?

Only watches. The account record comes from Kafka, the truth from the sandbox's control interface.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

POLL_INTERVAL_S = 0.2


@dataclass
class ReadinessMonitor:
    """`longest_untrue_s`: the longest time in which the record was `ready` and the account could not send."""

    account_records: Sequence[Any]  # of `wa.accounts`: a list that grows
    can_send: Callable[[], Awaitable[bool]]
    longest_untrue_s: float = 0.0
    states: list[str] = field(default_factory=list)
    _untrue_since_s: float | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            can_send = await self.can_send()
            self._compare(self._read_state(), can_send=can_send, now_s=time.monotonic())
            await asyncio.sleep(POLL_INTERVAL_S)

    def _read_state(self) -> str | None:
        if not self.account_records:
            return None
        state = orjson.loads(self.account_records[-1].value)["state"]
        if not self.states or self.states[-1] != state:
            self.states.append(state)
        return state

    def _compare(self, state: str | None, *, can_send: bool, now_s: float) -> None:
        if can_send or state != "ready":
            self._untrue_since_s = None
            return
        self._untrue_since_s = self._untrue_since_s or now_s
        self.longest_untrue_s = max(self.longest_untrue_s, now_s - self._untrue_since_s)
