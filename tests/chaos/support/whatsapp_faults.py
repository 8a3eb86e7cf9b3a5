"""A WhatsApp that misbehaves: each fault that the sandbox can order, one after the other, in a seeded order.

Each step orders a fault, lets it act for a time and removes it. Judges nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from streams.sandbox.client import SandboxError
from tests.support.sandbox import SandboxControl

BROWSER, SENDER = "browser-main", "sender-main"
# How long a lasting fault acts, in seconds.
MIN_FAULT_S = 4.0
MAX_FAULT_S = 12.0
PAUSE_S = 2.0
AMPLE_QUOTA = 100_000


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which something was forbidden, in epoch seconds."""

    start_s: float
    end_s: float


@dataclass
class WhatsAppFaults:
    """Orders the faults. `time_locks` and `outages` are what the test judges by."""

    control: SandboxControl
    dice: random.Random
    kill: Callable[[str], Awaitable[object]]  # a service of the stack, by its name
    ordered: list[str] = field(default_factory=list)
    time_locks: list[Period] = field(default_factory=list)
    bans: list[Period] = field(default_factory=list)

    def make_steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Every fault once, in an order of the seed."""
        few = partial(self._for_a_few_messages)
        lasting = partial(self._for_a_time)
        steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("socket down", partial(self._once, {"socket_down_s": 8})),
            ("socket dropped", partial(self._once, {"drop_socket": True})),
            ("slow offline delivery", self._slow_offline_delivery),
            ("ban", self._ban),
            ("time lock", self._time_lock),
            ("cap of new chats", self._cap),
            ("replaced, then the sender is restarted", self._replaced),
            ("network down", partial(self._once, {"network_down_s": 6})),
            ("dead socket", partial(self._once, {"dead_socket": True})),
            ("failed upload", partial(few, {"upload_error": 500})),
            ("hung upload", partial(few, {"upload_hangs": True})),
            ("receipts without an ack", partial(few, {"receipts_unacked": True})),
            ("unreadable ack", partial(few, {"local_error": "ack_unreadable"})),
            ("503", partial(self._once, {"service_unavailable": True})),
            ("server error", partial(few, {"send_error": 500})),
            ("local error before the ack", partial(few, {"local_error": "before_ack"})),
            ("local error after the ack", partial(few, {"local_error": "after_ack"})),
            ("lost acks", partial(few, {"ack_lost": True})),
            ("late acks", partial(few, {"ack_delay_ms": 9000})),
            ("late receipts", partial(lasting, {"receipt_delay_ms": 6000})),
            ("repeated receipts", partial(lasting, {"receipts_repeated": True})),
            ("reordered receipts", partial(lasting, {"receipts_reordered": True})),
            ("failing look-ups", partial(few, {"lookup_error": 500})),
            ("page crash", partial(self._once, {"page_crash": True})),
            ("browser killed", self._kill),
            ("browser killed", self._kill),
            ("lost acks, then browser killed", self._kill_with_lost_acks),
        ]
        self.dice.shuffle(steps)
        return steps

    async def run(self, done: asyncio.Event) -> None:
        """Order every fault, again and again, until `done`."""
        while not done.is_set():
            for name, order in self.make_steps():
                if done.is_set():
                    return
                print(f"  {name}", flush=True)
                self.ordered.append(name)
                await order()
                await self._pause(done, PAUSE_S)

    # -- the kinds of step

    async def _once(self, fault: dict[str, object]) -> None:
        await self.control.post("/faults", fault)
        await self._act()

    async def _for_a_few_messages(self, fault: dict[str, object]) -> None:
        await self.control.post("/faults", fault | {"count": self.dice.randint(1, 3)})
        await self._act()
        await self._remove_faults()

    async def _for_a_time(self, fault: dict[str, object]) -> None:
        await self.control.post("/faults", fault)
        await self._act()
        await self._remove_faults()

    async def _slow_offline_delivery(self) -> None:
        await self.control.post("/faults", {"offline_delivery_ms": 5000})
        await self.control.post("/faults", {"drop_socket": True})
        await self._act()
        await self._remove_faults()

    async def _ban(self) -> None:
        start_s = time.time()
        await self.control.post("/faults", {"ban": 8})
        await asyncio.sleep(8)
        self.bans.append(Period(start_s, start_s + 8))
        await self._remove_faults()

    async def _time_lock(self) -> None:
        start_s = time.time()
        await self.control.post("/faults", {"time_lock": 10})
        await asyncio.sleep(10)
        self.time_locks.append(Period(start_s, time.time()))
        await self.control.post("/faults", {"time_lock": 0})

    async def _cap(self) -> None:
        await self.control.post("/faults", {"new_chat_cap": 2})
        await self._act()
        await self.control.post("/faults", {"new_chat_cap": AMPLE_QUOTA})

    async def _replaced(self) -> None:
        """The page stays replaced until a person restarts the sender."""
        await self.control.post("/faults", {"replaced": True})
        await self._act()
        await self.kill(SENDER)

    async def _kill(self) -> None:
        await self.kill(BROWSER)
        await self._act()

    async def _kill_with_lost_acks(self) -> None:
        await self.control.post("/faults", {"ack_lost": True})
        await asyncio.sleep(1.0)
        await self.kill(BROWSER)
        await self._remove_faults()
        await self._act()

    async def _act(self) -> None:
        await asyncio.sleep(self.dice.uniform(MIN_FAULT_S, MAX_FAULT_S))

    async def _remove_faults(self) -> None:
        await self.control.clear_faults()

    @staticmethod
    async def _pause(done: asyncio.Event, seconds: float) -> None:
        try:
            await asyncio.wait_for(done.wait(), seconds)
        except TimeoutError:
            return


async def read_connected(control: SandboxControl) -> bool:
    """Whether the simulated server has the account's page connected now."""
    try:
        overview = await control.fetch_overview()
    except SandboxError:
        return False
    return any(account.connected for account in overview.accounts)
