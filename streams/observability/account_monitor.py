"""Follows `wa.accounts` and knows what each account can do now, for probes and metrics. Decides nothing.

Every process follows it by itself, so that each of them gives the same answer. While no broker answers, no
heartbeat comes: after three of them the accounts are down here too, because nobody knows better.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.contract import account as wire
from streams.contract.account import AccountRecord
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.malformed import MalformedRecords
from streams.kafka.reader import Record, TopicNotFound, open_reader
from streams.kafka.topics import names
from streams.observability.account_status import STATES, AccountStatus
from streams.settings import Settings

log = logging.getLogger(__name__)

_RETRY_DELAY_S: Final = 1.0


class AccountMonitor:
    """The last record of each account, and its age by the broker's clock, which `now_s` tells."""

    def __init__(self, settings: Settings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._now_s = now_s
        self._records: dict[str, tuple[AccountRecord, float]] = {}
        self.malformed = MalformedRecords(names(settings).accounts)

    async def run(self) -> None:
        """Until cancelled. An outage is logged once."""
        is_broken = False
        while True:
            try:
                async with open_reader(self._settings, names(self._settings).accounts) as reader:
                    is_broken = False
                    async for record in reader.follow():
                        self.apply_record(record)
            except (KafkaError, KafkaUnreachable, TopicNotFound, OSError) as error:
                if not is_broken:
                    log.warning("the accounts' heartbeats cannot be read: %s", error)
                is_broken = True
            await asyncio.sleep(_RETRY_DELAY_S)

    def apply_record(self, record: Record) -> None:
        """A record of the topic; one without a value means that the account was removed."""
        name = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._records.pop(name, None)
            return
        try:
            decoded = wire.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):  # another program wrote it
            self.malformed.add(record.partition, record.offset, "not an account record")
        else:
            self._records[name] = decoded, record.timestamp / 1000

    def get_statuses(self) -> dict[str, AccountStatus]:
        """Every account that is set or has ever published a record."""
        now_s = self._now_s()
        statuses = {name: AccountStatus(name) for name in self._settings.accounts}
        for name, (record, appended_s) in self._records.items():
            statuses[name] = AccountStatus(name, record, max(0.0, now_s - appended_s))
        return statuses


class AccountCollector(Collector):
    """The accounts' states and the age of their heartbeats, read at each scrape."""

    def __init__(
        self,
        registry: CollectorRegistry,
        read: Callable[[], Iterable[AccountStatus]],
        malformed: Iterable[MalformedRecords] = (),
    ) -> None:
        """`malformed`: those of each topic about the accounts."""
        self._read = read
        self._malformed = tuple(malformed)
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry needs no sample to know the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One sample for each state of an account: 1 for the current one, 0 for the others."""
        state = GaugeMetricFamily(
            "wa_account_state",
            "1 for the current state of an account, 0 for the others; down: its sender is silent",
            labels=["account", "state"],
        )
        age_s = GaugeMetricFamily(
            "wa_account_heartbeat_age_seconds",
            "Age of an account's last heartbeat, by the broker's clock",
            labels=["account"],
        )
        for status in self._read():
            for name in STATES:
                state.add_metric([status.name, name], float(name == status.state))
            if status.record is not None:
                age_s.add_metric([status.name], status.age_s)
        yield state
        yield age_s
        yield GaugeMetricFamily(
            "wa_account_records_malformed",
            "Records about the accounts that could not be read and were skipped, since the start",
            value=sum(records.count for records in self._malformed),
        )
