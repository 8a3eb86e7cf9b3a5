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
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
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

    def __init__(
        self,
        settings: Settings,
        now_s: Callable[[], float],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called after each record; it must not block."""
        self._settings = settings
        self._now_s = now_s
        self._on_change = on_change
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
                        self._on_change()
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
        gauges = {
            name: GaugeMetricFamily(f"wa_account_{name}", meaning, labels=["account"])
            for name, meaning in _ACCOUNT_GAUGES.items()
        }
        for status in self._read():
            for name in STATES:
                state.add_metric([status.name, name], float(name == status.state))
            for name, value in _measure(status).items():
                gauges[name].add_metric([status.name], value)
        yield state
        yield from gauges.values()
        yield CounterMetricFamily(
            "wa_account_records_malformed",
            "Records about the accounts that could not be read and were skipped, since the start",
            value=sum(records.count for records in self._malformed),
        )


_ACCOUNT_GAUGES: Final = {
    "heartbeat_age_seconds": "Age of an account's last heartbeat, by the broker's clock",
    "limited": "1 while WhatsApp, or a sign of a block, keeps an account from sending all it could",
    "sent_today": "Messages that an account has sent in the last 24 hours",
    "daily_cap": "Messages that an account may send in any 24 hours; absent: no cap",
}


def _measure(status: AccountStatus) -> dict[str, float]:
    """The gauges of one account: none if it has never run, and of a silent one only how long it is silent."""
    record = status.record
    if record is None:
        return {}
    values = {"heartbeat_age_seconds": status.age_s}
    if status.is_stale:
        return values
    # A ready account has a reason only if something limits it.
    is_limited = record.state == "restricted" or bool(record.state == "ready" and record.reason)
    values |= {"limited": float(is_limited), "sent_today": float(record.sent_today)}
    return values if record.daily_cap is None else values | {"daily_cap": float(record.daily_cap)}
