"""The order in which a member of a consumer group hands on what it has fetched."""

from unittest.mock import AsyncMock, Mock

from aiokafka import ConsumerRecord, TopicPartition

from streams.client.groups import _Member

TOPIC = "wa.status"
PARTITION = TopicPartition(TOPIC, 0)
TIMES_MS = (7_200_000, 3_600_000)  # the broker's clock was set back by an hour between these two


async def test_an_event_is_not_committed_before_the_events_ahead_of_it() -> None:
    """After a step back of the broker's clock, a crash of the caller skips no event."""
    records = [
        ConsumerRecord(TOPIC, 0, offset, at_ms, 1, b"+60123456789", b"", None, 12, 0, ())
        for offset, at_ms in enumerate(TIMES_MS)
    ]
    consumer = Mock(
        getmany=AsyncMock(side_effect=[{PARTITION: records}, {}]),
        commit=AsyncMock(),
        assignment=Mock(return_value={PARTITION}),
    )
    member = _Member(consumer, TOPIC, commit_interval_s=0.0)
    events = member.follow()
    for offset in range(len(TIMES_MS)):
        assert (await anext(events)).offset == offset
        committed = [call.args[0][PARTITION] for call in consumer.commit.await_args_list]
        assert committed == list(range(1, offset + 1))
