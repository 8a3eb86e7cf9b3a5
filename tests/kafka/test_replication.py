"""Topics that lack copies: what the brokers' metadata says of them. Nothing is asked here but one real broker."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.kafka import admin
from streams.kafka.replication import fetch_under_replicated, list_under_replicated
from streams.settings import Settings


def make_cluster(**topics: list[tuple[list[int], list[int]]]) -> Any:
    """Metadata with the copies of each partition, and those that are in sync."""
    return SimpleNamespace(
        _partitions={
            name: {
                number: SimpleNamespace(replicas=replicas, isr=in_sync)
                for number, (replicas, in_sync) in enumerate(partitions)
            }
            for name, partitions in topics.items()
        }
    )


def test_a_topic_of_which_one_copy_is_behind() -> None:
    """One partition is enough; topics of others do not count, and one that does not exist lacks nothing."""
    cluster = make_cluster(
        whole=[([1, 2, 3], [3, 1, 2])],
        behind=[([1, 2, 3], [1, 2, 3]), ([2, 3, 1], [2, 1])],
        others=[([1, 2], [1])],
    )
    assert list_under_replicated(cluster, {"whole", "behind", "missing"}) == ["behind"]


@pytest.mark.broker
async def test_one_broker_has_all_copies(settings: Settings) -> None:
    """The metadata of a real broker can be read that way."""
    await admin.create_topics(settings)
    assert await fetch_under_replicated(settings) == []
