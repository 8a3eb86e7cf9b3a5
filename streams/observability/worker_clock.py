"""The broker's clock of a worker: fed by every produce response of its app, and its jumps counted.

It ends the worker if a topic does not stamp append times any more: without them nothing could tell the time.
"""

from collections.abc import Callable

from aiokafka.structs import RecordMetadata
from prometheus_client import CollectorRegistry, Counter

from streams.kafka import topics
from streams.kafka.admin import InvalidTopics
from streams.kafka.broker_clock import BrokerClock, require_append_time
from streams.runtime.app import App
from streams.runtime.exit_codes import ExitCode, terminate
from streams.settings import Settings


def create_worker_clock(
    app: App,
    settings: Settings,
    registry: CollectorRegistry,
    on_jump: Callable[[float], None] = lambda jump_s: None,
) -> BrokerClock:
    """The clock of this app, which starts it before it joins its group. `on_jump`: see `BrokerClock`."""
    jumps = Counter(
        "wa_broker_clock_jumps",
        "Jumps of the broker's clock, or between the clocks of two brokers, that this worker noticed",
        registry=registry,
    )
    topic = topics.names(settings).clock

    async def publish_probe(value: bytes) -> RecordMetadata:
        return await app.publisher.publish(topic, value, partition=0)

    def count_jump(jump_s: float) -> None:
        jumps.inc()
        on_jump(jump_s)

    clock = BrokerClock(settings, publish_probe, on_jump=count_jump)

    def observe_response(
        metadata: RecordMetadata, sent_mono_s: float, received_mono_s: float
    ) -> None:
        try:
            append_s = require_append_time(metadata)
        except InvalidTopics as error:
            terminate(ExitCode.TOPIC_MISCONFIGURED, str(error))
        clock.observe(append_s, sent_mono_s, received_mono_s)

    app.on_produce_response = observe_response
    app.stale_stores.broker_time_s = clock.latest_s
    app.before_join(clock.start)
    app.task(clock.run)
    return clock
