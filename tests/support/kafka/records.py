"""Reads a partition from its beginning to its end, as any consumer would."""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


async def read_all(options: dict[str, Any], partition: TopicPartition) -> list[ConsumerRecord]:
    """Every committed record that the partition holds at the call."""
    async with AIOKafkaConsumer(
        **options, enable_auto_commit=False, isolation_level="read_committed"
    ) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        records: list[ConsumerRecord] = []
        while await consumer.position(partition) < end:
            records += (await consumer.getmany(partition, timeout_ms=500)).get(partition, [])
        return records
