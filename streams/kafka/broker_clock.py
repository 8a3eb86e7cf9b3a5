"""The broker's clock in a process: append times from produce responses, and a monotonic clock between them.

The decisions are in `streams/domain/log_clock.py`. What this file adds: a probe record on `wa.internal.clock` at the
start and every few seconds, so that the time is known while nothing else is produced; and what the last process on
this host had observed, so that a jump of the broker's clock is noticed across a restart. It uses no Faust: the
caller brings the producer. No host's wall clock is read.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from aiokafka.structs import RecordMetadata

from streams.domain.log_clock import Bounds, LogClock
from streams.kafka.admin import InvalidTopics, misconfigured
from streams.kafka.connection import KafkaUnreachable, bootstrap_servers, translate_errors
from streams.kafka.producing import open_producer, translate_refusals
from streams.kafka.reader import open_reader
from streams.kafka.topics import APPEND_TIME, APPEND_TIME_TYPE, TIMESTAMP_TYPE, names
from streams.settings import ClientSettings, Settings

log = logging.getLogger(__name__)

PROBE_INTERVAL_S: Final = 10.0
START_TIMEOUT_S: Final = 60.0
_LOG_INTERVAL_S: Final = 60.0
_MAX_READ_RECORDS: Final = 64  # from the end of the topic: the last ones of a few workers
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

PublishProbe = Callable[[bytes], Awaitable[RecordMetadata]]


class _Probe(msgspec.Struct, frozen=True):
    """The value of a probe: what its process had observed before it. Its monotonic clock is that of one boot."""

    boot_id: str
    low_s: float
    high_s: float
    at_mono_s: float


class BrokerClock:
    """The broker's time, for one process. Call `start` before anything else; all in one event loop."""

    def __init__(
        self,
        settings: Settings,
        publish: PublishProbe,
        *,
        on_jump: Callable[[float], None] = lambda jump_s: None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`publish` produces a value to `wa.internal.clock`, and retries until it succeeds.

        `on_jump` is called with the seconds by which the broker's clock jumped; it must not block.
        """
        self._settings = settings
        self._topic = names(settings).clock
        self._publish = publish
        self._on_jump = on_jump
        self._monotonic_s = monotonic_s
        self._clock = LogClock(settings.clock_skew_ms / 1000)
        self._last_logged_s = float("-inf")
        self._observed_mono_s = monotonic_s()
        self._boot_id = _read_boot_id()

    async def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Measure the broker's time once.

        Raises:
            KafkaUnreachable: no broker has stamped a record within `timeout_s`.
            TopicNotFound, InvalidTopics: the topic is missing, or does not stamp append times.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._restore()
                await self._probe()
        except TimeoutError as error:
            raise KafkaUnreachable(
                f"no broker has confirmed a record on {self._topic} within {timeout_s:.0f} s, so the time is not "
                "known: see whether the brokers run, and have enough replicas in sync"
            ) from error

    async def run(self) -> None:
        """Publish probes until cancelled."""
        while True:
            await asyncio.sleep(PROBE_INTERVAL_S)
            await self._probe()

    def observe(self, append_s: float, sent_mono_s: float, received_mono_s: float) -> None:
        """A produce response brought this append time; its request was sent, and it was received, at these times."""
        self._observed_mono_s = max(self._observed_mono_s, received_mono_s)
        jump_s = self._clock.observe(append_s, sent_mono_s, received_mono_s)
        if jump_s is None:
            return
        self._on_jump(jump_s)
        if received_mono_s - self._last_logged_s >= _LOG_INTERVAL_S:
            self._last_logged_s = received_mono_s
            log.error(_describe_jump(jump_s))

    # -- reading

    def now_s(self) -> float:
        """What the broker's clock shows, as epoch seconds, by the best estimate. For people, metrics and ages."""
        return self._clock.now_s(self._monotonic_s())

    def passed_s(self) -> float:
        """A time that has passed for decisions, whatever the error of the estimate. For timers."""
        return self._clock.passed_s(self._monotonic_s())

    def latest_s(self) -> float:
        """A time that the broker's clock has not passed yet. What was appended before now has an earlier one."""
        return self._clock.latest_s(self._monotonic_s())

    def accept_s(self, append_s: float) -> float:
        """The time of a decision about a record with this append time: the same, unless the clock has jumped ahead."""
        return self._clock.accept_s(append_s, self._monotonic_s())

    def silence_s(self) -> float:
        """How long ago (seconds) a broker last confirmed a record. While `run` runs and Kafka answers, it is short."""
        return self._monotonic_s() - self._observed_mono_s

    # -- probes

    async def _probe(self) -> None:
        sent_mono_s = self._monotonic_s()
        metadata = await self._publish(self._encode_probe())
        self.observe(require_append_time(metadata), sent_mono_s, self._monotonic_s())

    def _encode_probe(self) -> bytes:
        if not self._clock.is_set:
            return b""
        bounds = self._clock.bounds
        return msgspec.json.encode(_Probe(self._boot_id, *bounds))

    async def _restore(self) -> None:
        """Take over what the last process of this host has observed, if the topic still has that."""
        async with open_reader(self._settings, self._topic) as reader:
            starts, ends = await reader.beginning_offsets(), await reader.end_offsets()
            reader.seek(
                {part: max(starts[part], end - _MAX_READ_RECORDS) for part, end in ends.items()}
            )
            values = [record.value async for record in reader.read_to_end()]
        for value in reversed(values):
            bounds = self._decode_bounds(value)
            if bounds is not None:
                return self._clock.restore(bounds)

    def _decode_bounds(self, value: bytes | None) -> Bounds | None:
        """None: the record is of another host, of an earlier boot, or not a probe."""
        try:
            probe = msgspec.json.decode(value or b"", type=_Probe)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if probe.boot_id != self._boot_id or probe.at_mono_s > self._monotonic_s():
            return None
        return Bounds(probe.low_s, probe.high_s, probe.at_mono_s)


def require_append_time(metadata: RecordMetadata) -> float:
    """The broker's time in a produce response, as epoch seconds.

    Raises:
        InvalidTopics: the topic does not stamp append times.
    """
    if metadata.timestamp is None or metadata.timestamp_type != APPEND_TIME_TYPE:
        raise unstamped(metadata.topic)
    return metadata.timestamp / 1000


def unstamped(topic: str) -> InvalidTopics:
    """The error of a topic whose records have the producers' times, and what to do."""
    return InvalidTopics([misconfigured(topic, TIMESTAMP_TYPE, "CreateTime", APPEND_TIME)])


async def fetch_broker_time_s(settings: ClientSettings) -> float:
    """The broker's time now, as epoch seconds, from one record on `wa.internal.clock`. For commands.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicNotFound, TopicForbidden, InvalidTopics: the topic is missing, may not be written, or does not stamp
            append times.
    """
    topic = names(settings).clock
    async with open_producer(settings, topic) as producer:
        with translate_errors(bootstrap_servers(settings)), translate_refusals(topic):
            sent_mono_s = time.monotonic()
            metadata = await producer.send_and_wait(topic, b"", partition=0)
            # The append was in the middle of this time, as far as anybody knows.
            return require_append_time(metadata) + (time.monotonic() - sent_mono_s) / 2


def _read_boot_id() -> str:
    """What names the time since this host was started: its monotonic clock counts from there; "": unknown."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _describe_jump(jump_s: float) -> str:
    if jump_s < 0:
        return f"the broker's clock was set back by {-jump_s:.1f} s: the new time counts at once"
    return (
        f"the broker's clock jumped ahead by {jump_s:.1f} s, or the brokers' clocks differ: the new time counts in "
        "a minute, so that no recipient gets too many messages"
    )
