"""A worker to be killed: counts the records of each key in a table, and publishes every count.

The row of a key holds its count and the offset of the event that wrote it. An older event is dropped, the event that
wrote the row is published again, a newer one is counted. So whatever is killed at whatever time, each key's last count
is the number of its records.

`python -m tests.runtime.programs.counter NAME`, with settings from the environment; `HOLD_S`: seconds per event.
"""

import asyncio
import os
import sys

import orjson

from streams.kafka.topics import ROWS, dispatch_app_id, names
from streams.runtime import worker
from streams.runtime.factory import create_app
from streams.runtime.table import DurableTable
from streams.settings import load


def main(name: str) -> int:
    settings = load()
    topics = names(settings)
    hold_s = float(os.environ.get("HOLD_S", "0"))
    app = create_app(
        dispatch_app_id(settings),
        settings,
        name=name,
        partitions=settings.partitions,
        event_timeout_s=5.0,
    )
    rows = DurableTable(app, ROWS)

    async def count_event(event) -> None:
        partition, offset = event.message.partition, event.message.offset
        row = rows.get(partition, event.key)
        count, written = orjson.loads(row) if row else (0, -1)
        if offset < written:
            return
        if offset > written:
            count += 1
        if hold_s:
            await asyncio.sleep(hold_s)
        await app.fence.ensure_member()
        await rows.write(partition, [(event.key, orjson.dumps([count, offset]))])
        value = orjson.dumps({"id": event.value.decode(), "count": count, "by": os.getpid()})
        await app.publisher.publish(topics.status, value, key=event.key, partition=partition)

    @app.agent(app.raw_topic(topics.outbound), name="counter", isolated_partitions=True)
    async def counter(stream):
        async for event in stream.events():
            await count_event(event)

    return worker.run(app, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
