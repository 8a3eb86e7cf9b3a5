"""Is a local store too old to be brought up to date from its changelog? Reads the broker; changes no store.

Compaction removes the tombstone of a deleted row a while after the deletion (`delete.retention.ms`). A store that was
unused for longer never learns of the deletion: the row comes back, and with a claim or a recipient of the past, a
message is sent twice. Such a store must be rebuilt from the beginning of the changelog, which has no such row either.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from faust.types import TP

# Of the tombstones' retention. The rest is a reserve: for the recovery itself, and for a clock that was set.
MAX_AGE_SHARE: Final = 0.5

ReadRetentionS = Callable[[str], Awaitable[float]]
# For each partition the first record that was appended at or after this time (epoch, in ms), or None.
ReadOffsetsAt = Callable[[Mapping[TP, int]], Awaitable[Mapping[TP, Any]]]


@dataclass(frozen=True, slots=True)
class StoreState:
    """How much of its changelog a store holds."""

    offset: int  # of the last record
    appended_s: (
        float | None
    )  # when that was appended, by the broker's clock; None: the store does not say


class StaleStores:
    """Finds the stores that may have missed a tombstone."""

    def __init__(self, read_retention_s: ReadRetentionS) -> None:
        """`read_retention_s`: for how long this topic keeps tombstones, at least."""
        self._read_retention_s = read_retention_s
        # The broker's time, not too early. The worker's clock sets it (observability/worker_clock.py); without a
        # clock, as in a program of a test, no store is stale.
        self.broker_time_s: Callable[[], float] | None = None

    async def find(
        self, stores: Mapping[TP, StoreState], read_offsets_at: ReadOffsetsAt
    ) -> dict[TP, float]:
        """The stale ones among stores that lack a part of their changelog, each with the greatest safe age."""
        if self.broker_time_s is None:
            return {}
        now_s, max_ages_s = self.broker_time_s(), await self._read_max_ages_s(stores)
        old = {
            partition: max_ages_s[partition.topic]
            for partition, store in stores.items()
            if not _is_young(store, now_s, max_ages_s[partition.topic])
        }
        if not old:
            return {}
        oldest_safe_ms = {
            partition: max(0, int((now_s - max_age_s) * 1000))
            for partition, max_age_s in old.items()
        }
        first_safe = await read_offsets_at(oldest_safe_ms)
        return {
            partition: max_age_s
            for partition, max_age_s in old.items()
            if _may_lack_old_record(stores[partition], first_safe[partition])
        }

    async def _read_max_ages_s(self, partitions: Iterable[TP]) -> dict[str, float]:
        topics = {partition.topic for partition in partitions}
        return {topic: await self._read_retention_s(topic) * MAX_AGE_SHARE for topic in topics}


def _is_young(store: StoreState, now_s: float, max_age_s: float) -> bool:
    """Whether all that the store lacks was appended a short time ago.

    If the broker's clock was set back behind the store's own time, that time says nothing.
    """
    return store.appended_s is not None and 0 <= now_s - store.appended_s <= max_age_s


def _may_lack_old_record(store: StoreState, first_safe: Any) -> bool:
    """Whether the store lacks a record before the first one that is young enough; None: there is none."""
    return first_safe is None or store.offset + 1 < first_safe.offset
