"""A steady flow of messages to recipients of each account. Nothing is judged here.

Each recipient gets its first message by an account that the request names, and so keeps this account while it can send.
All other requests name no account.
"""

import asyncio
import itertools
import time
from collections.abc import Collection
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaProducer

from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from tests.chaos.liveness.service import Service

PHONES_PER_ACCOUNT = 8
INTERVAL_S = 0.25  # so each recipient of two accounts gets a message every four seconds
FIRST_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Requested:
    """A message, and when it was requested, by this host's clock, which the sandbox has too."""

    id: str
    phone: str
    at_s: float


def make_phone(number: int) -> str:
    """A recipient; those of the flow have numbers below 1000 for the first account, below 2000 for the second."""
    return f"+90555{1_000_000 + number}"


class Flow:
    """The flow from `start` to `stop`. `phones` are the recipients by their account."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.phones: dict[str, list[str]] = {
            account: [make_phone(1000 * index + number) for number in range(PHONES_PER_ACCOUNT)]
            for index, account in enumerate(service.system.settings.accounts)
        }
        self.requested: list[Requested] = []
        self._numbers = itertools.count(1)
        self._task: asyncio.Task[None] | None = None
        self._deliveries: list[asyncio.Future[object]] = []

    async def start(self) -> None:
        """Return when each recipient has its first message, and the flow runs."""
        settings = self.service.system.settings
        self._topic = names(settings).outbound
        self._producer = AIOKafkaProducer(**producer_options(settings))
        await self._producer.start()
        for account, phones in self.phones.items():
            for phone in phones:
                await self.request(phone, account=account)
        ids = [requested.id for requested in self.requested]
        await self.service.caller.wait_for_statuses(ids, {"sent"}, FIRST_TIMEOUT_S)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Return when every request is on its topic. A second call does nothing."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        await asyncio.gather(*self._deliveries)
        await self._producer.stop()
        self._task = None

    async def request(self, phone: str, **fields: object) -> Requested:
        """Request one more message to this recipient."""
        id = f"{phone}/{next(self._numbers)}"
        requested = Requested(id, phone, time.time())
        self.requested.append(requested)
        value = orjson.dumps({"id": id, "to": phone, "text": id, **fields})
        self._deliveries.append(await self._producer.send(self._topic, value, key=phone.encode()))
        return requested

    def get_all_phones(self, *, except_: Collection[str] = ()) -> set[str]:
        """All recipients but these."""
        phones = {phone for phones in self.phones.values() for phone in phones}
        return phones - set(except_)

    async def _run(self) -> None:
        """The recipients in turn, of all accounts alternately."""
        next_s = time.monotonic()
        for phone in itertools.cycle(itertools.chain(*zip(*self.phones.values(), strict=True))):
            await self.request(phone)
            next_s += INTERVAL_S
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
