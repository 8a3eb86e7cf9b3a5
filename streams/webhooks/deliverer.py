"""Delivers the waiting events of one endpoint, in order for each recipient, until it is cancelled. Reads no topic.

What follows from an answer is decided in `streams/domain/webhooks/conclusion.py`; it is in the store before the next
event of the recipient is sent. So a process that is killed repeats the deliveries that were in flight, and no others.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.webhooks.conclusion import (
    GIVE_UP_AFTER_S,
    Conclusion,
    EndpointHealth,
    conclude,
)
from streams.domain.webhooks.queue import DeliveryQueue
from streams.system.tasks import cancel_tasks
from streams.webhooks.client import EndpointClient
from streams.webhooks.endpoints import Endpoint
from streams.webhooks.metrics import WebhookMetrics
from streams.webhooks.payload import build_headers
from streams.webhooks.store import Store, WaitingEvent

log = logging.getLogger(__name__)

MAX_WAITING: Final = 10_000  # of one endpoint: beyond that, the topics keep the rest
POLL_INTERVAL_S: Final = 1.0  # how soon a command of a person has an effect


class Deliverer:
    """One endpoint. `may_read`: an event that is set while more events can be taken."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: Store,
        client: EndpointClient,
        metrics: WebhookMetrics,
        *,
        now_s: Callable[[], float],
        random_fraction: Callable[[], float],
        max_in_flight: int,
        poll_interval_s: float = POLL_INTERVAL_S,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._client = client
        self._metrics = metrics
        self._now_s = now_s
        self._random_fraction = random_fraction
        self._max_in_flight = max_in_flight
        self._poll_interval_s = poll_interval_s
        self._max_waiting = max_waiting
        self._queue = DeliveryQueue()
        self._health = EndpointHealth()
        self._revision = -1  # nothing is loaded
        self._loaded = 0  # the number of the last event that was loaded from the store
        self._arrived: list[WaitingEvent] | None = (
            None  # while it is loading, what the follower brings
        )
        self._look_again_at = 0.0  # of the loop's clock
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._deliveries: set[asyncio.Task[None]] = set()
        self.may_read = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Events that were read and are not done with."""
        return len(self._queue)

    @property
    def is_paused(self) -> bool:
        """Whether it gets nothing until a person resumes it."""
        return self._health.paused is not None

    @property
    def is_full(self) -> bool:
        """Whether so many events wait that no more are read."""
        return self.waiting >= self._max_waiting

    def add(self, events: list[WaitingEvent]) -> None:
        """Events that the store has just taken."""
        if self._arrived is not None:
            self._arrived += events
            return
        for event in events:
            if event.number > self._loaded:  # numbers grow in the order of the transactions
                self._queue.add(event.number, event.recipient, event.due_s)
        self._update_may_read()
        self._wake.set()

    async def run(self) -> None:
        """Deliver. Raises what a delivery raised, which is a bug or an unusable store."""
        try:
            while True:
                await self._look_for_commands()
                self._wake.clear()
                if self._revision >= 0:
                    self._start_due()
                await self._wait()
                self._raise_errors()
        finally:
            await cancel_tasks(*self._deliveries)

    async def _look_for_commands(self) -> None:
        """Load everything again if a person has changed something. What is in flight ends first."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._look_again_at:
            return
        self._look_again_at = loop.time() + self._poll_interval_s
        row = await asyncio.to_thread(self._store.load_endpoint, self._endpoint.name)
        if row.revision == self._revision:
            return
        self.may_read.clear()
        if self._deliveries:
            await asyncio.wait(self._deliveries)
            self._raise_errors()
        await self._load()

    async def _load(self) -> None:
        self._arrived = []
        row = await asyncio.to_thread(self._store.load_endpoint, self._endpoint.name)
        events = await asyncio.to_thread(self._store.list_waiting, self._endpoint.name)
        arrived, self._arrived = self._arrived, None
        self._health, self._revision = row.health, row.revision
        self._queue, self._loaded = DeliveryQueue(), 0
        self.add(events)
        self._loaded = events[-1].number if events else 0
        self.add(arrived)

    def _update_may_read(self) -> None:
        if self._revision >= 0 and not (self.is_paused or self.is_full):
            self.may_read.set()
        else:
            self.may_read.clear()

    def _start_due(self) -> None:
        now_s = self._now_s()
        if self.is_paused or now_s < self._health.hold_until_s:
            return
        limit = 1 if self._health.is_struggling else self._max_in_flight
        while len(self._deliveries) < limit and (number := self._queue.take(now_s)) is not None:
            self._deliveries.add(asyncio.create_task(self._deliver(number), name="webhook"))

    async def _wait(self) -> None:
        """Until a delivery has ended, an event has come, or it is time to look again."""
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait(
                {wake, *self._deliveries},
                timeout=self._poll_interval_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            wake.cancel()

    def _raise_errors(self) -> None:
        ended = {task for task in self._deliveries if task.done()}
        self._deliveries -= ended
        for task in ended:
            task.result()

    async def _deliver(self, number: int) -> None:
        delivery = await asyncio.to_thread(self._store.find_delivery, number)
        endpoint, now_s = self._endpoint, self._now_s()
        headers = build_headers(endpoint.signers, delivery.webhook_id, delivery.body, now_s)
        answer = await self._client.post(endpoint.url, headers, delivery.body)
        conclusion = conclude(
            answer,
            delivery.failures,
            self._health,
            now_s=self._now_s(),
            random_fraction=self._random_fraction(),
            give_up_after_s=GIVE_UP_AFTER_S,
        )
        before, self._health = self._health, conclusion.health
        reason, revision = answer.reason, self._revision
        self._log(before, conclusion, reason)
        self._metrics.count(endpoint.name, conclusion.fate, answer)
        async with self._writing:  # the endpoint's row is written in the order of the decisions
            args = (endpoint.name, number, conclusion, reason, revision, self._now_s())
            await asyncio.to_thread(self._store.conclude, *args)
        if conclusion.fate == "waits":
            self._queue.put_back(number, conclusion.next_at_s)
        else:
            self._queue.remove(number)
        self._update_may_read()

    def _log(self, before: EndpointHealth, conclusion: Conclusion, reason: str) -> None:
        """What a person should see: the first failure in a row, a pause, an event that was given up, the end of it."""
        name, health = self._endpoint.name, conclusion.health
        if health.paused and not before.paused:
            log.error("the webhook %s is paused (%s): %s", name, health.paused, reason)
        elif conclusion.fate == "given_up":
            log.error("the webhook %s: an event was given up: %s", name, reason)
        elif health.in_a_row.count == 1 and not before.in_a_row.count:
            log.warning("the webhook %s fails: %s", name, reason)
        elif before.is_struggling and not health.in_a_row.count:
            log.info("the webhook %s works again", name)
