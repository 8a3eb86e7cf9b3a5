"""Recovers the tables after each rebalance: Faust's service, with another way from a changelog into a store.

Faust's own applies what the changelog still has to whatever the store holds, record by record. That is slow, and wrong
for a store that was unused for too long (store/stale.py), and for a changelog that was deleted and recreated: its
records would hide the change. Here the changelogs are read by a consumer of their own (changelogs.py). There are no
standby replicas.

Nothing is written into the store of a partition that was revoked: each chunk belongs to one assignment.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import Any, Final, cast

from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsistencyError
from faust.tables.recovery import E_PERSISTED_OFFSET, RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustRecovery
from faust.types import TP
from mode import Service

from streams.kafka.topic_ids import recreated_message
from streams.runtime.broker.broker_requests import AskingApp, read_topic_ids, repeat_until_answered
from streams.runtime.broker.publisher import AppStopped
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.recovery.changelogs import ChangelogReader, Chunk
from streams.runtime.recovery.progress import Progress
from streams.runtime.store.local_store import LocalStore
from streams.runtime.store.stale import StoreState

log = logging.getLogger(__name__)

_LOG_INTERVAL_S: Final = 5.0


class Recovery(FaustRecovery):
    """Brings the stores of the assigned partitions up to date, and then lets events be delivered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.progress: Progress | None = None  # while records are read
        self._last_logged_s = time.monotonic()

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Faust's own reading, which `_load` replaces."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Faust's own log lines."""

    @Service.task
    async def _restart_recovery(self) -> None:
        """After each rebalance, until the app stops. A rebalance in the middle of a recovery begins it anew."""
        while not self.should_stop:
            signal: Any = self.signal_recovery_start
            if await self.wait_for_stopped(signal):
                break
            signal.clear()
            try:
                await self._recover(self._generation_id)
            except (RebalanceAgain, IllegalStateError):
                continue
            except ServiceStopped:
                break

    async def _recover(self, generation: int) -> None:
        if not self.tables:
            return await self._resume_streams(generation_id=generation)
        consumer, timeout_s = self.app.consumer, self.app.conf.broker_request_timeout
        self._set_recovery_started()
        await self._wait(
            self._build_highwaters(consumer, self.active_tps, self.active_highwaters, "active"),
            timeout=timeout_s,
        )
        await self._wait(
            self._build_offsets(consumer, self.active_tps, self.active_offsets, "active"),
            timeout=timeout_s,
        )
        self._check_offsets()
        await self._wait(self._load(generation))
        self.app.flow_control.resume()
        consumer.resume_flow()
        await cast("Any", self.app)._fetcher.maybe_start()
        await self._wait(self.on_recovery_completed(generation))

    def _check_offsets(self) -> None:
        for partition in self.active_tps:
            offset, end = self.active_offsets[partition], self.active_highwaters[partition]
            if offset > end:
                raise ConsistencyError(E_PERSISTED_OFFSET.format(partition, offset, end))

    # -- from the changelogs into the stores

    async def _load(self, generation: int) -> None:
        spans = {
            partition: (self.active_offsets[partition] + 1, self.active_highwaters[partition] + 1)
            for partition in self.active_tps
            if self.active_offsets[partition] < self.active_highwaters[partition]
        }
        reader = ChangelogReader(cast("Any", self.app).consumer_options, spans)
        self.progress = Progress(
            sum(end - start for start, end in spans.values()), time.monotonic()
        )

        async def read() -> None:
            async with contextlib.aclosing(reader.read()) as chunks:
                async for chunk in chunks:
                    self._store_chunk(chunk, generation)
                    await asyncio.sleep(0)  # lets probes be answered, and a rebalance be noticed

        try:
            if spans:
                await repeat_until_answered(self._asking_app, read, "the reading of the changelogs")
        except AppStopped as error:
            raise ServiceStopped from error
        finally:
            self.progress = None

    def _store_chunk(self, chunk: Chunk, generation: int) -> None:
        if generation != self.app.consumer_generation_id:
            raise RebalanceAgain  # the store may be another process's by now
        partition = chunk.partition
        self._get_store(partition).load(partition.partition, chunk.records, chunk.next_offset)
        assert self.progress is not None
        self.progress.advance(chunk.next_offset - 1 - self.active_offsets[partition])
        self.active_offsets[partition] = chunk.next_offset - 1
        self._log_progress()

    def _log_progress(self) -> None:
        assert self.progress is not None
        now_s = time.monotonic()
        if now_s - self._last_logged_s >= _LOG_INTERVAL_S:
            self._last_logged_s = now_s
            log.info("%s", self.progress.describe(now_s))

    # -- before a changelog is read

    async def _build_offsets(
        self, consumer: Any, tps: set[TP], destination: Counter[TP], title: str
    ) -> None:
        # If the brokers do not answer for too long, Faust gives this recovery up, and the watchdog ends the process.
        self._discard_old_indexes(tps, destination)
        offsets = {tp: destination[tp] for tp in tps if destination[tp] is not None}
        behind = {tp: at for tp, at in offsets.items() if at < self.active_highwaters[tp]}
        if behind:
            try:
                await self._check_changelog_ids(behind)
                await self._discard_stale(consumer, behind, destination)
            except AppStopped as error:
                raise ServiceStopped from error
        await super()._build_offsets(consumer, tps, destination, title)

    def _discard_old_indexes(self, tps: set[TP], destination: Counter[TP]) -> None:
        for tp in tps:
            is_filled = destination[tp] is not None
            if is_filled and self._get_store(tp).discard_old_index(tp.partition):
                destination[tp] = None  # type: ignore[assignment]  # as below

    async def _discard_stale(
        self, consumer: Any, behind: dict[TP, int], destination: Counter[TP]
    ) -> None:
        stores = {
            tp: StoreState(offset, self._get_store(tp).read_appended_s(tp.partition))
            for tp, offset in behind.items()
        }
        max_ages_s: dict[TP, float] = {}

        async def find() -> None:
            stale_stores: Any = self.app.stale_stores  # type: ignore[attr-defined]
            read_offsets_at = consumer._thread.read_offsets_at
            max_ages_s.update(await stale_stores.find(stores, read_offsets_at))

        await repeat_until_answered(self._asking_app, find, "the request for the age of the stores")
        for partition, max_age_s in max_ages_s.items():
            self._get_store(partition).discard_stale(partition.partition, max_age_s)
            destination[partition] = None  # type: ignore[assignment]  # as Faust's `_add`: read from the beginning

    async def _check_changelog_ids(self, behind: dict[TP, int]) -> None:
        topics = sorted({partition.topic for partition in behind})
        ids = await read_topic_ids(self._asking_app, topics)
        for partition in behind:
            stored_id = self._get_store(partition).read_topic_id(partition)
            if stored_id not in (None, ids[partition.topic]):
                group = self.app.conf.id
                terminate(ExitCode.TOPIC_RECREATED, recreated_message(partition.topic, group))

    @property
    def _asking_app(self) -> AskingApp:
        return cast("AskingApp", self.app)

    def _get_store(self, partition: TP) -> LocalStore:
        table: Any = self.tp_to_table[partition]
        return table.data
