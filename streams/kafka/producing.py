"""A producer for commands and callers' programs: a topic that cannot be written is an error at once, with a remedy.

aiokafka looks 40 s for a topic that does not exist, and a broker may create it with one partition. Workers have
their own producer (streams/runtime/producer.py), which waits instead.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from streams.kafka.connection import producer_options, translate_errors
from streams.kafka.reader import TopicNotFound, missing_topic, require_topic
from streams.settings import ClientSettings
from streams.system.tasks import keep_cancellation


class TopicForbidden(RuntimeError):
    """Kafka does not let this user write to the topic; the message says what to do, in one line."""


@asynccontextmanager
async def open_producer(settings: ClientSettings, topic: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for this topic. Use `translate_refusals` around each write.

    Raises:
        KafkaUnreachable: no broker answers, or none is configured.
        TopicNotFound: the topic does not exist.
        TopicForbidden: this user may not produce.
    """
    await require_topic(settings, topic)
    options = producer_options(settings)
    producer = AIOKafkaProducer(**options)
    try:
        with translate_errors(options["bootstrap_servers"]), translate_refusals(topic):
            await producer.start()
        yield producer
    finally:
        with keep_cancellation():
            await producer.stop()


@contextmanager
def translate_refusals(topic: str) -> Iterator[None]:
    """Say what to do when Kafka does not take a record for this topic.

    Raises:
        TopicNotFound: the topic has been deleted.
        TopicForbidden: this user may not write to it.
    """
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise TopicNotFound(missing_topic(topic)) from error
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError) as error:
        raise TopicForbidden(
            f"Kafka does not let this user write to {topic}: allow it Describe and Write on the topic, and "
            "IdempotentWrite on the cluster, or check WA_KAFKA_SECURITY_USERNAME"
        ) from error
