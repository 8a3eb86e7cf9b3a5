"""A worker whose records are commands to its agent: to get into trouble in the middle of an event.

`raise`, `block` (the event loop) and `hang` (for ever); `crash` crashes the app from elsewhere while the
event is open, so that the agent is cancelled in its middle. With `WELL` in the environment every record is just done.
Values that are done are published. `GRACE_S` shortens the watchdog's patience, `STOP_GRACE_S` that of a stop.

`python -m tests.runtime.programs.troubled NAME`, settings from the environment.
"""

import asyncio
import os
import sys
import time

from streams.kafka.topics import dispatch_app_id, names
from streams.runtime import factory as safe_app
from streams.runtime import worker
from streams.runtime.watchdog import WatchdogTimeouts
from streams.settings import load


def main(name: str) -> int:
    settings = load()
    topics = names(settings)
    app = safe_app.create_app(
        dispatch_app_id(settings),
        settings,
        name=name,
        partitions=settings.partitions,
        event_timeout_s=1.0,
    )
    grace_s = float(os.environ.get("GRACE_S", "30"))
    app.watchdog.timeouts = WatchdogTimeouts(
        grace_s, grace_s, loop_timeout_s=grace_s, check_interval_s=0.2
    )

    worker._STOP_GRACE_PERIOD_S = float(os.environ.get("STOP_GRACE_S", worker._STOP_GRACE_PERIOD_S))

    async def get_into(trouble: bytes) -> None:
        print(f"getting into {trouble.decode()}", flush=True)
        match trouble:
            case b"raise":
                raise ValueError("what an event held")
            case b"block":
                time.sleep(600)  # noqa: ASYNC251
            case b"hang":
                await asyncio.sleep(600)
            case b"crash":
                await app.crash(RuntimeError("elsewhere"))
                await asyncio.sleep(60)

    @app.agent(app.raw_topic(topics.outbound), name="troubled", isolated_partitions=True)
    async def troubled(stream):
        async for event in stream.events():
            if "WELL" not in os.environ:
                await get_into(event.value)
            await app.publisher.publish(topics.status, event.value, partition=0)

    return worker.run(app, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
