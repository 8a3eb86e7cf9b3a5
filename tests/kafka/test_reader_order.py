"""The order in which a reader gives the records of several partitions."""

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.reader import Record, merge

TIMES_MS = st.lists(st.integers(0, 5), max_size=6)


@given(st.lists(TIMES_MS, max_size=3))
def test_the_last_record_of_a_partition_stays_the_last(times_ms: list[list[int]]) -> None:
    """A broker's clock that was set back makes no past state of a row, or of an account, the current one."""
    batches = [
        [_make_record(partition, offset, at_ms) for offset, at_ms in enumerate(times)]
        for partition, times in enumerate(times_ms)
    ]
    merged = merge(batches)
    assert [[r for r in merged if r.partition == n] for n in range(len(batches))] == batches


def test_partitions_are_merged_by_time() -> None:
    """Where no clock was set, what a reader gives is in the order of the appends."""
    batches = [
        [_make_record(0, 0, 1), _make_record(0, 1, 4)],
        [_make_record(1, 0, 2), _make_record(1, 1, 3)],
    ]
    assert [record.timestamp for record in merge(batches)] == [1, 2, 3, 4]


def _make_record(partition: int, offset: int, at_ms: int) -> Record:
    return ConsumerRecord("rows", partition, offset, at_ms, 1, b"key", b"", None, 3, 0, ())
