"""Counts all phones once after each recovery, beside the work: for probes and metrics. Changes nothing.

It reads the rows a slice at a time, and at most a tenth of the time.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PHONE, PhoneStore
from streams.runtime.table import PartitionRevoked

IDLE_S: Final = 1.0  # between two looks whether there is something to count
_MAX_LOAD: Final = 0.1
_SLICE: Final = 200  # phones: a few milliseconds


class PhoneCensus:
    """The walk over the phones of the partitions that this process owns."""

    def __init__(self, gauges: Gauges, owned_stores: Callable[[], list[PhoneStore]]) -> None:
        self._gauges = gauges
        self._owned_stores = owned_stores

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            started_s = time.monotonic()
            has_counted = self.count_slice()
            elapsed_s = time.monotonic() - started_s
            await asyncio.sleep(elapsed_s / _MAX_LOAD if has_counted else IDLE_S)

    def count_slice(self) -> bool:
        """Count the next phones of a partition; returns whether there was a partition to count."""
        uncounted = self._gauges.uncounted_partitions()
        if not uncounted:
            self._gauges.end_walk()
        store = next((s for s in self._owned_stores() if s.partition in uncounted), None)
        if store is None:
            return False
        after = self._gauges.get_position(store.partition)
        try:
            rows, _ = store.scan_phones(PHONE + after.encode(), _SLICE)
        except PartitionRevoked:
            return False
        self._gauges.count_slice(store.partition, rows)
        return True
