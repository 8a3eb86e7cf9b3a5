"""The broker's clock for a process that is neither a dispatcher nor a sender: with a producer of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from streams.kafka.broker_clock import BrokerClock
from streams.kafka.producing import open_producer
from streams.kafka.topics import names
from streams.settings import Settings

log = logging.getLogger(__name__)

_RETRY_DELAY_S: Final = 5.0


@asynccontextmanager
async def open_clock(settings: Settings) -> AsyncIterator[BrokerClock]:
    """A clock that has been read once; its `run` is the caller's to call.

    Raises:
        KafkaUnreachable, TopicNotFound, InvalidTopics: see `BrokerClock.start`.
    """
    topic = names(settings).clock
    async with open_producer(settings, topic) as producer:
        clock = BrokerClock(settings, _ProbePublisher(producer, topic).publish)
        await clock.start()
        yield clock


class _ProbePublisher:
    """Writes the clock's probes. An outage is logged once; the clock goes on from what it knows."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def publish(self, value: bytes) -> RecordMetadata:
        """Repeated until a broker has stamped it."""
        is_broken = False
        while True:
            try:
                return await self._producer.send_and_wait(self._topic, value, partition=0)
            except KafkaError as error:
                if not is_broken:
                    log.warning("the broker's clock cannot be read: %s", error)
                is_broken = True
            await asyncio.sleep(_RETRY_DELAY_S)
