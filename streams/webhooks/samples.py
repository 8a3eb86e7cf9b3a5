"""Publishes the metrics of the webhooks, so that a paused endpoint is an alert like any other. Decides nothing."""

import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from streams.domain.alerts.sample import Sample, encode
from streams.kafka.producing import open_producer
from streams.kafka.topics import names
from streams.observability.sampler import Sampler, list_sampled_metrics
from streams.settings import Settings

log = logging.getLogger(__name__)


async def publish_samples(
    settings: Settings, registry: CollectorRegistry, name: str, process: str
) -> None:
    """A sample every few seconds, until cancelled. `process`: the name of this run (rivals.py).

    Raises:
        KafkaUnreachable, TopicNotFound, TopicForbidden: nothing can be published.
    """
    topic = names(settings).samples
    async with open_producer(settings, topic) as producer:
        publisher = _SamplePublisher(producer, topic, process)
        metrics = list_sampled_metrics(with_accounts=False)
        await Sampler(registry, name, metrics, publisher.publish).run()


class _SamplePublisher:
    """During an outage samples are left out: the next one is newer. The outage is logged once."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, process: str) -> None:
        self._producer = producer
        self._topic = topic
        self._process = process
        self._is_broken = False

    async def publish(self, sample: Sample) -> None:
        """Return once Kafka has it, or has refused it."""
        value = encode(replace(sample, process=self._process))
        try:
            await self._producer.send_and_wait(
                self._topic, value, key=sample.worker.encode(), partition=0
            )
        except KafkaError as error:
            if not self._is_broken:
                log.warning("the metrics of the webhooks cannot be published: %s", error)
            self._is_broken = True
        else:
            self._is_broken = False
