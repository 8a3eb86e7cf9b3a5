"""Writes the changelog of a table, and notices what others have written into it. Reads no record.

The broker's answer to a write says at which offset its records are. If that is not the offset behind the last record of
this process, or behind the end of its recovery, then somebody else's record lies in between.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from streams.runtime.broker.publisher import Publisher

Change = tuple[bytes, bytes | None]  # a key and its new value; None deletes the row

_APPEND_TIME_TYPE: Final = 1  # of a timestamp: the broker's, when it appended the record
_UNKNOWN: Final = -1  # an offset that the broker did not return


class Appended(NamedTuple):
    """What the broker says of a write.

    `at_s`: when it appended the last record, as epoch seconds by its own clock; None: it did not say so.
    `follows_own`: certainly nobody else has written since the last write of this process, or since its recovery.
    """

    at_s: float | None
    follows_own: bool
    last_offset: int = _UNKNOWN


class ChangelogWriter:
    """For one table. Writes to one partition are done one after the other; its caller sees to that."""

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._ends: dict[
            int, int
        ] = {}  # the offset behind what this process has written or recovered

    def set_end(self, partition: int, last_offset: int | None) -> None:
        """The partition is recovered up to this record; None: it has none."""
        self._ends[partition] = 0 if last_offset is None else last_offset + 1

    def forget_end(self, partition: int) -> None:
        """The next write reports that it does not follow an own one."""
        self._ends.pop(partition, None)

    async def write(self, partition: int, changes: Sequence[Change]) -> Appended:
        """Write all of the changes or none; raises as `Publisher.write` does."""
        appended = Appended(None, follows_own=False)

        async def send_batches() -> None:
            nonlocal appended
            producer = await self._publisher.started_producer()
            follows_own = True
            for batch, size in _split_into_batches(producer, changes):
                base = await (await producer.send_batch(batch, self._topic, partition=partition))
                is_known = base.offset >= 0
                follows_own &= is_known and self._ends.get(partition) == base.offset
                last_offset = base.offset + size - 1 if is_known else _UNKNOWN
                self._set_or_forget_end(partition, last_offset)
                is_stamped = base.timestamp_type == _APPEND_TIME_TYPE and is_known
                at_s = base.timestamp / 1000 if is_stamped else None
                appended = Appended(at_s, follows_own, last_offset)

        await self._publisher.write(send_batches, self._topic)
        return appended

    def _set_or_forget_end(self, partition: int, last_offset: int) -> None:
        if last_offset == _UNKNOWN:
            self.forget_end(partition)
        else:
            self.set_end(partition, last_offset)


def _split_into_batches(
    producer: AIOKafkaProducer, changes: Sequence[Change]
) -> Iterator[tuple[Any, int]]:
    """One batch, which the broker accepts as a whole or not at all; several only if one would be too large."""
    batch = producer.create_batch()
    for key, value in changes:
        if batch.append(key=key, value=value, timestamp=None) is None:
            yield batch, batch.record_count()
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    yield batch, batch.record_count()
