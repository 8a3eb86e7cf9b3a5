"""Reads a partition from its beginning to its end, as any consumer would."""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


async def read_all(options: dict[str, Any], part: TopicPartition) -> list[ConsumerRecord]:
    """Every committed record that the partition holds at the call."""
    async with AIOKafkaConsumer(
        **options, enable_auto_commit=False, isolation_level="read_committed"
    ) as consumer:
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        end = (await consumer.end_offsets([part]))[part]
        records: list[ConsumerRecord] = []
        while await consumer.position(part) < end:
            records += (await consumer.getmany(part, timeout_ms=500)).get(part, [])
        return records
