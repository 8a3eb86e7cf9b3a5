"""The claims of an account, read from the changelog of its sender's table, up to a barrier (barrier.py).

When the broker has acknowledged the barrier, everything that was appended before it can be read by everybody: a record
that is appended and not yet replicated is not, and a broker that was frozen may still show an old end. Nothing is
written here.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.dispatch.flights.barrier import PARTITION, BarrierWriter
from streams.domain.sending import claim as stored
from streams.domain.sending.claim import Claim
from streams.kafka import topics
from streams.kafka.broker_clock import require_append_time
from streams.kafka.connection import (
    KafkaUnreachable,
    client_options,
    start_consumer,
    stop_consumer,
)
from streams.settings import Settings
from streams.system.tasks import keep_cancellation

log = logging.getLogger(__name__)

STALL_TIMEOUT_S: Final = 15.0  # without a record
_POLL_MS: Final = 500
_MAX_RECORDS: Final = 2000  # at once: a few milliseconds
# A row that cannot be read: the message may have been sent.
_UNREADABLE: Final = Claim(phone="", id="", dispatch_number=0)


class ClaimsUnreadable(Exception):
    """The claims cannot be read now; the text says why. `is_missing`: there are none to be read."""

    def __init__(self, detail: str, *, is_missing: bool = False) -> None:
        super().__init__(detail)
        self.is_missing = is_missing


class ClaimsRead(NamedTuple):
    """Rows by id, as they were at the barrier, whose append time is `appended_s`.

    `is_last_word`: no claim behind the barrier counts, whatever the clocks say.
    """

    rows: Mapping[str, Claim | None]
    appended_s: float
    is_last_word: bool


class Claims(Protocol):
    """What the resolver needs of the claims."""

    async def read(self, account: str, whatsapp_ids: Collection[str]) -> ClaimsRead:
        """The rows of these ids, with every claim that was appended before this call.

        Raises:
            ClaimsUnreadable: nothing was read.
        """
        ...

    async def close(self, except_accounts: Collection[str] = ()) -> None:
        """Keep open only what is read for these accounts."""
        ...


class ClaimReader:
    """Reads changelogs, and goes on where it was while the same ids are asked for."""

    def __init__(self, settings: Settings, barriers: BarrierWriter) -> None:
        """`barriers` may wait for as long as the broker does not answer."""
        self._settings = settings
        self._barriers = barriers
        self._changelogs: dict[str, _Changelog] = {}

    async def read(self, account: str, whatsapp_ids: Collection[str]) -> ClaimsRead:
        """See `Claims`."""
        changelog = self._changelogs.pop(account, None)
        try:
            changelog = changelog or await self._open(account)
            rows = await changelog.read(whatsapp_ids)
        except (KafkaError, KafkaUnreachable, OSError, TimeoutError) as error:
            await _stop(changelog)
            raise ClaimsUnreadable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            await _stop(changelog)
            raise
        self._changelogs[account] = changelog
        return rows

    async def _open(self, account: str) -> "_Changelog":
        app_id = topics.sender_app_id(self._settings, account)
        topic = topics.changelog_topic(app_id, topics.SENDS)
        changelog = _Changelog(self._settings, account, topic, self._barriers)
        await changelog.start()
        return changelog

    async def close(self, except_accounts: Collection[str] = ()) -> None:
        """See `Claims`."""
        for account in [name for name in self._changelogs if name not in except_accounts]:
            await _stop(self._changelogs.pop(account))


class _Changelog:
    """One changelog. It keeps the rows that were asked for, and no others."""

    def __init__(
        self, settings: Settings, account: str, topic: str, barriers: BarrierWriter
    ) -> None:
        self._account = account
        self._topic = topic
        self._partition = TopicPartition(topic, PARTITION)
        self._barriers = barriers
        self._has_send_topic = True
        self._rows: dict[bytes, bytes | None] = {}
        self._consumer = AIOKafkaConsumer(
            **client_options(settings), enable_auto_commit=False, auto_offset_reset="none"
        )

    async def start(self) -> None:
        """Raises ClaimsUnreadable: there is no such topic, and none is created by looking for it."""
        async with asyncio.timeout(STALL_TIMEOUT_S):
            await start_consumer(self._consumer)
            existing = await self._consumer.topics()
        self._has_send_topic = self._barriers.get_send_topic(self._account) in existing
        if self._topic not in existing:
            await stop_consumer(self._consumer)
            raise ClaimsUnreadable(f"there is no topic {self._topic}", is_missing=True)
        self._consumer.assign([self._partition])

    async def stop(self) -> None:
        await stop_consumer(self._consumer)

    async def read(self, whatsapp_ids: Collection[str]) -> ClaimsRead:
        keys = {whatsapp_id.encode(): whatsapp_id for whatsapp_id in whatsapp_ids}
        if not keys.keys() <= self._rows.keys():
            self._rows = dict.fromkeys(keys)
            await self._consumer.seek_to_beginning(self._partition)
        async with asyncio.timeout(STALL_TIMEOUT_S):
            barrier = await self._barriers.write(
                self._account, self._topic, has_send_topic=self._has_send_topic
            )
        await self._read_through(barrier.offset)
        rows = {keys[key]: _decode(self._rows[key]) for key in keys}
        return ClaimsRead(rows, require_append_time(barrier), self._has_send_topic)

    async def _read_through(self, last_offset: int) -> None:
        progress_s = time.monotonic()
        while await self._consumer.position(self._partition) <= last_offset:
            with keep_cancellation():
                batches = await self._consumer.getmany(
                    self._partition, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS
                )
            for record in batches.get(self._partition, ()):
                progress_s = time.monotonic()
                if record.key in self._rows:
                    self._rows[record.key] = record.value
            if time.monotonic() - progress_s > STALL_TIMEOUT_S:
                raise TimeoutError(f"no record of {self._topic} for {STALL_TIMEOUT_S:g} s")


async def _stop(changelog: _Changelog | None) -> None:
    if changelog is not None:
        await changelog.stop()


def _decode(data: bytes | None) -> Claim | None:
    if data is None:
        return None
    try:
        return stored.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.error("a claim cannot be read, so its message stays in doubt")  # noqa: TRY400 - the bytes may hold a number
        return _UNREADABLE
