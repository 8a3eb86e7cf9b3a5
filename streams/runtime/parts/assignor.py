"""Faust's assignor, but a topic of our users is assigned by itself, whatever number of partitions it has.

Faust moves all topics with the same number of partitions together, and takes the partitions that a member had of
one of them for those of all. That is right for the phone log and the changelog. `wa.outbound` belongs to its users:
it may have any number of partitions, and get more while everything runs. Then it would join or leave that group,
and take the tables with it.
"""

from typing import Any

from aiokafka.cluster import ClusterMetadata
from faust.assignor.partition_assignor import PartitionAssignor as FaustAssignor


class PartitionAssignor(FaustAssignor):
    """The assignor of our apps. All members of a group must use the same one."""

    def _get_copartitioned_groups(  # type: ignore[override] - Faust's needs nothing of the app
        self, topics: set[str], cluster: ClusterMetadata, subscriptions: Any
    ) -> dict[int, list[set[str]]]:
        app: Any = self.app
        alone: set[str] = topics & app.free_topics
        groups = {
            count: list(together)
            for count, together in super()
            ._get_copartitioned_groups(topics - alone, cluster, subscriptions)
            .items()
        }
        for topic in sorted(alone):
            single = super()._get_copartitioned_groups({topic}, cluster, subscriptions)
            for count, group in single.items():  # none if the topic is missing
                groups.setdefault(count, []).extend(group)
        return groups
