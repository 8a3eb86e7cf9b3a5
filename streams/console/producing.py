"""The console's producer of requests. After an error it is replaced: one that a broker has refused is of no use.

An error leaves it open whether Kafka has the requests. The same ones again, with the same ids, send nothing twice.
"""

import asyncio
from types import TracebackType

from aiokafka.errors import KafkaError

from streams.client.producing import RequestProducer
from streams.client.requests import EncodedRequest
from streams.contract.headers import TraceContext
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.topics import names
from streams.settings import Settings

_ERRORS = (KafkaError, KafkaUnreachable, OSError, TimeoutError)


class ConsoleProducer:
    """An async context. It connects when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = names(settings).outbound
        self._starting = asyncio.Lock()
        self._producer: RequestProducer | None = None

    async def __aenter__(self) -> "ConsoleProducer":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def produce(self, *requests: EncodedRequest, headers: TraceContext = ()) -> None:
        """Return once Kafka has all of them. `headers`: of each record.

        Raises:
            KafkaError, KafkaUnreachable, TopicNotFound, TopicForbidden: it may not have them.
        """
        producer = await self._get_producer()
        try:
            await producer.produce(*requests, headers=headers)
        except _ERRORS:
            await self._discard(producer)
            raise

    async def _get_producer(self) -> RequestProducer:
        async with self._starting:
            if self._producer is None:
                producer = RequestProducer(self._settings, self._topic)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: RequestProducer) -> None:
        """Others may use it too: what they have sent fails with it, and they are answered so."""
        if self._producer is producer:
            self._producer = None
            await producer.stop()
