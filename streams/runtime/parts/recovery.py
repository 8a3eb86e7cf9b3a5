"""Faust's recovery of the tables, which rebuilds a store that cannot be brought up to date. Reads no row.

Faust's own applies what the changelog still has to whatever the store holds. That is wrong for a store that was unused
for too long (store/stale.py), and for a changelog that was deleted and recreated: its records would hide the change.
"""

from collections import Counter
from typing import Any, cast

from faust.tables.recovery import Recovery as FaustRecovery
from faust.tables.recovery import ServiceStopped
from faust.types import TP

from streams.kafka.topic_ids import recreated_message
from streams.runtime.broker.broker_requests import AskingApp, read_topic_ids, repeat_until_answered
from streams.runtime.broker.publisher import AppStopped
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.store.local_store import LocalStore
from streams.runtime.store.stale import StoreState


class Recovery(FaustRecovery):
    """Discards stores before a changelog is read, where that is necessary."""

    async def _build_offsets(
        self, consumer: Any, tps: set[TP], destination: Counter[TP], title: str
    ) -> None:
        # If the brokers do not answer for too long, Faust gives this recovery up, and the watchdog ends the process.
        offsets = {tp: destination[tp] for tp in tps if destination[tp] is not None}
        behind = {tp: at for tp, at in offsets.items() if at < self.active_highwaters[tp]}
        if behind:
            try:
                await self._check_changelog_ids(behind)
                await self._discard_stale(consumer, behind, destination)
            except AppStopped as error:
                raise ServiceStopped from error
        await super()._build_offsets(consumer, tps, destination, title)

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
