"""A program of a user, as tests play it: it speaks to Kafka alone and believes only the topics."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from streams.kafka.connection import client_options
from streams.kafka.topics import names
from streams.settings import Settings
from streams.system.tasks import CONSUMER_CANCEL_AGAIN_AFTER_S, cancel_tasks
from tests.support.waiting import WAIT_TIMEOUT_S, wait_until


class Caller:
    """A program of a user: it requests messages, and reads what became of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = names(settings)
        self._options = client_options(settings)
        self._producer: AIOKafkaProducer | None = None
        self._records: dict[str, list[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Caller"]:
        """Connect, and read `wa.status` and `wa.dlq` from their beginnings."""
        self._producer = AIOKafkaProducer(
            **self._options, acks="all", enable_idempotence=True, max_request_size=4 << 20
        )
        await self._producer.start()
        for topic in (self.names.status, self.names.dlq):
            self.follow(topic)
        try:
            yield self
        finally:
            failed = [task for task in self._tasks if task.done()]
            await cancel_tasks(*self._tasks, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
            await self._producer.stop()
            await asyncio.gather(*failed)  # raises: what it should have read was not read

    async def request(self, *requests: dict[str, Any]) -> None:
        """Produce these requests, with the recipient as the key."""
        await self.produce(*((orjson.dumps(r), str(r.get("to", "")).encode()) for r in requests))

    async def produce(
        self,
        *records: tuple[bytes | None, bytes | None],
        headers: Sequence[tuple[str, bytes]] = (),
        topic: str | None = None,
    ) -> list[Any]:
        """Produce values with keys to `wa.outbound`, or another topic; returns their metadata."""
        assert self._producer is not None
        sent = [
            await self._producer.send(
                topic or self.names.outbound, value, key=key, headers=list(headers)
            )
            for value, key in records
        ]
        return await asyncio.gather(*sent)

    def run_in_background(self, operation: Coroutine[Any, Any, None]) -> None:
        """Run this until the caller is closed."""
        self._tasks.append(asyncio.create_task(operation))

    def follow(self, topic: str) -> list[Any]:
        """The records of a topic: a list that grows."""
        if topic not in self._records:
            self._records[topic] = []
            self._tasks.append(asyncio.create_task(self._read(topic, self._records[topic])))
        return self._records[topic]

    async def _read(self, topic: str, records: list[Any]) -> None:
        consumer = await self._start_consumer(isolation_level="read_committed")
        try:
            assert self._producer is not None
            partitions = await self._producer.partitions_for(topic)
            consumer.assign([TopicPartition(topic, partition) for partition in partitions])
            await consumer.seek_to_beginning()
            async for record in consumer:
                records.append(record)
        finally:
            await consumer.stop()

    async def _start_consumer(self, **options: Any) -> AIOKafkaConsumer:
        """A broker on a busy machine may not answer the first time."""
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while True:
                consumer = AIOKafkaConsumer(**self._options, group_id=None, **options)
                try:
                    await consumer.start()
                except KafkaConnectionError:
                    await consumer.stop()
                else:
                    return consumer

    async def fetch_end_offset(self, topic: str) -> int:
        """The end offset of a topic that has one partition."""
        consumer = await self._start_consumer()
        try:
            partition = TopicPartition(topic, 0)
            return (await consumer.end_offsets([partition]))[partition]
        finally:
            await consumer.stop()

    # -- what came back

    def status_events(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The status events so far, of one request or all."""
        events = [orjson.loads(record.value) for record in self._records[self.names.status]]
        return [e for e in events if request_id is None or e["id"] == request_id]

    def statuses(self, request_id: str) -> list[str]:
        """The statuses of a request, in order."""
        return [event["status"] for event in self.status_events(request_id)]

    def dead_letters(self) -> list[Any]:
        """The records of `wa.dlq` so far."""
        return self._records[self.names.dlq]

    async def wait_for_status(
        self, request_id: str, status: str, timeout_s: float = WAIT_TIMEOUT_S
    ) -> Any:
        """Wait for a status of a request; returns the event."""

        def find() -> Any:
            return next((e for e in self.status_events(request_id) if e["status"] == status), None)

        message = f"{request_id}: no {status!r} but {self.statuses(request_id)}"
        try:
            return await wait_until(find, timeout_s=timeout_s, message=message)
        except AssertionError:
            raise AssertionError(
                f"{request_id}: no {status!r} but {self.statuses(request_id)}"
            ) from None

    async def wait_for_statuses(
        self, ids: Iterable[str], statuses: set[str], timeout_s: float = WAIT_TIMEOUT_S
    ) -> None:
        """Wait until each of these requests has had one of these statuses."""
        expected_ids = set(ids)

        def find_missing() -> set[str]:
            return expected_ids - {e["id"] for e in self.status_events() if e["status"] in statuses}

        try:
            await wait_until(lambda: not find_missing(), timeout_s=timeout_s)
        except AssertionError:
            missing = sorted(find_missing())
            statuses_seen = {id: self.statuses(id) for id in missing[:5]}
            raise AssertionError(
                f"{len(missing)} of {len(expected_ids)} without {statuses}: {statuses_seen}"
            ) from None
