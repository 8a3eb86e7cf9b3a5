"""A worker whose records are commands to its agent: to fail in the middle of an event.

`raise`, `block` (the event loop) and `hang` (for ever); `crash` crashes the app from elsewhere while the event is in
progress, so that the agent is cancelled; `revoked` does the same, and the event finds its partition gone. With
`HEALTHY` in the environment, no record fails. The values of finished events are published. `GRACE_S` shortens the
timeouts of the watchdog, `STOP_GRACE_S` that of a stop. With `REPORT_FAILS`, the last words fail.

`python -m tests.runtime.programs.failing NAME`, with settings from the environment.
"""

import asyncio
import os
import sys
import time

from streams.kafka.topics import dispatch_app_id, names
from streams.runtime import watchdog, worker
from streams.runtime.broker.publisher import PartitionRevoked
from streams.runtime.factory import create_app
from streams.runtime.watchdog import WatchdogTimeouts
from streams.settings import load


def fail_to_report(_: object) -> list[str]:
    raise RuntimeError("the tasks cannot be described")


def main(name: str) -> int:
    settings = load()
    topics = names(settings)
    app = create_app(
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

    async def fail(failure: bytes) -> None:
        print(f"starting {failure.decode()}", flush=True)
        match failure:
            case b"raise":
                raise ValueError("what an event contained")
            case b"block":
                time.sleep(600)  # noqa: ASYNC251
            case b"hang":
                await asyncio.sleep(600)
            case b"crash":
                await app.crash(RuntimeError("elsewhere"))
                await asyncio.sleep(60)
            case b"revoked":
                await app.crash(RuntimeError("elsewhere"))
                raise PartitionRevoked("partition 0 is not open any more")

    @app.agent(app.raw_topic(topics.outbound), name="failing", isolated_partitions=True)
    async def failing(stream):
        async for event in stream.events():
            if "HEALTHY" not in os.environ:
                await fail(event.value)
            await app.publisher.publish(topics.status, event.value, partition=0)

    return worker.run(app, settings)


if __name__ == "__main__":
    if "REPORT_FAILS" in os.environ:
        watchdog.describe_tasks = worker.describe_tasks = fail_to_report
    sys.exit(main(sys.argv[1]))
