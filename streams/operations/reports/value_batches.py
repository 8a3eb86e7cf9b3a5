"""A consumer that returns the values of whole batches instead of records, for a process that only reads a topic.

What aiokafka does for each record (an object with twelve fields, two generators) takes more time than all that a
report does with it. Offsets, keys, times and headers are not looked at. For one process alone: every consumer in it
reads like that, so nothing that needs records may run there.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from streams.kafka.reading import record_batches


class ValueBatches(fetcher.PartitionRecords):
    """Replaces aiokafka's class of that name: its iterator gives a list of values for each batch.

    Of the first batch, that may be values before the requested offset. Aborted transactions are not left out; what
    dispatchers write is in none.
    """

    def _unpack_records(  # pyright: ignore[reportIncompatibleMethodOverride] - that is the point
        self,
    ) -> Iterator[list[bytes | None]]:
        records: Any = self._records
        while records.has_next():
            batch = records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            values = [] if batch.is_control_batch else [record.value for record in batch]
            self.next_fetch_offset = batch.next_offset
            yield values


def install_value_batches() -> None:
    """From now on, `getmany` of each consumer that starts in this process returns lists of values."""
    record_batches.install()
    fetcher.PartitionRecords = ValueBatches
