"""Which topics lack copies: a broker that has some of them is down, frozen or behind. Writes nothing.

Messages go on, because the other brokers have the data. But the next broker that fails may stop them.
"""

from collections.abc import Collection
from typing import Any

from streams.kafka.connection import admin_client
from streams.settings import ClientSettings

TOO_FEW_COPIES = "a broker is down, frozen or behind: {} topics have fewer copies than they should"


def list_under_replicated(cluster: Any, topics: Collection[str]) -> list[str]:
    """Those of the topics of which not all copies are in sync, by the brokers' last metadata.

    `cluster` is aiokafka's `ClusterMetadata`, which shows the copies of a partition in no public method.
    """
    partitions = cluster._partitions
    return sorted(
        topic
        for topic in topics
        if any(len(found.isr) < len(found.replicas) for found in partitions.get(topic, {}).values())
    )


async def fetch_under_replicated(settings: ClientSettings) -> list[str]:
    """Those of this service's topics of which not all copies are in sync.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    async with admin_client(settings) as client:
        cluster: Any = await client._client.fetch_all_metadata()
        own = {topic for topic in cluster.topics() if topic.startswith(settings.topic_prefix)}
        return list_under_replicated(cluster, own)
