"""Writes requests to `wa.outbound`. Builds none, and reads nothing."""

import asyncio

from aiokafka import AIOKafkaProducer

from streams.client.requests import EncodedRequest
from streams.contract.headers import TraceContext
from streams.kafka.connection import producer_options, translate_errors
from streams.kafka.producing import translate_refusals
from streams.kafka.reader import require_topic
from streams.settings import ClientSettings
from streams.system.tasks import keep_cancellation


class RequestProducer:
    """The producer of one connection."""

    def __init__(self, settings: ClientSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._has_topic = False
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaUnreachable and TopicForbidden."""
        options = producer_options(self._settings)
        self._producer = AIOKafkaProducer(**options)
        with translate_errors(options["bootstrap_servers"]), translate_refusals(self._topic):
            await self._producer.start()

    async def stop(self) -> None:
        """Disconnect, also if the start has failed."""
        if self._producer is not None:
            with keep_cancellation():
                await self._producer.stop()

    async def produce(self, *requests: EncodedRequest, headers: TraceContext = ()) -> None:
        """Return once Kafka has all of them. Raises TopicNotFound and TopicForbidden."""
        assert self._producer is not None, "started before"
        await self._require_topic()
        with translate_refusals(self._topic):
            acknowledgements = [
                await self._producer.send(
                    self._topic, request.value, key=request.key, headers=list(headers)
                )
                for request in requests
            ]
            await asyncio.gather(*acknowledgements)

    async def _require_topic(self) -> None:
        """aiokafka would look for a missing topic for 40 s. Looks once per connection."""
        if not self._has_topic:
            await require_topic(self._settings, self._topic)
            self._has_topic = True
