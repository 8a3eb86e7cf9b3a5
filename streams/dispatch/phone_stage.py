"""The phone stage: applies the events of the phone log to rows, then publishes what follows.

It is a thin shell around `step`: rows first, effects after, and only then are the records acknowledged. Events that
arrive together share a commit, but never two events of one phone: the second one must see what the first one wrote.
An event older than its phone's row was applied before and is dropped. The effects of the event that
wrote the row are published again from the row's journal. A newer event is applied. So every crash point
replays to the same result, however the events are grouped the next time. No content of an event makes this stage
raise, and nothing that it logs holds a phone number. An event on which this program fails is counted and logged with
its position, and the message that it is about ends (domain/abandonment.py).
"""

import logging
from collections.abc import Callable, Sequence

import msgspec

from streams.dispatch.accounts import Accounts
from streams.dispatch.commits.committer import Committer
from streams.dispatch.commits.decider import Decider
from streams.dispatch.commits.decision import (
    EventDisposition,
    StageMetrics,
    split_by_size,
)
from streams.dispatch.conversion import LogRecord
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.publisher import Publisher
from streams.dispatch.records.mapper import RecordMapper
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.domain.phone.scheduling.grouping import take_first_of_each
from streams.domain.policy import Policy

log = logging.getLogger(__name__)


class PhoneStage:
    """Applies the events of one partition after another; it keeps nothing of an event when it is done."""

    def __init__(
        self,
        policy: Policy,
        accounts: Accounts,
        timer_service: TimerService,
        gauges: Gauges,
        record_mapper: RecordMapper,
        publisher: Publisher,
        metrics: StageMetrics,
        accept_s: Callable[[float], float],
    ) -> None:
        """`accept_s` gives the time of a decision about an event with this append time."""
        self.timer_service = timer_service
        self.publisher = publisher
        self.metrics = metrics
        self._decider = Decider(policy, accounts, timer_service, record_mapper, metrics, accept_s)
        self._committer = Committer(
            self._decider, timer_service, gauges, record_mapper, publisher, metrics
        )

    async def handle(
        self, store: PhoneStore, offset: int, data: bytes | None, append_s: float
    ) -> EventDisposition:
        """Apply one record of the partition's log: a group of one. Raises as `handle_group` does."""
        [disposition] = await self.handle_group(store, [LogRecord(offset, data, append_s)])
        return disposition

    async def handle_group(
        self, store: PhoneStore, records: Sequence[LogRecord]
    ) -> list[EventDisposition]:
        """Apply records of the partition's log, in their order; return when everything that follows is published.

        A record is decided on once: what was committed is never decided again, so a crash changes no time.

        Raises:
            PartitionRevoked, AppStopped: the events are read again, by the next owner of the partition.
        """
        dispositions: dict[int, EventDisposition] = {}
        remaining: list[tuple[Event, LogRecord]] = []
        for record in records:
            event = _decode_event(store.partition, record)
            if event is None:
                self.metrics.count_internal_error("malformed")
                dispositions[record.offset] = EventDisposition.MALFORMED
            else:
                remaining.append((event, record))
        while remaining:
            group, remaining = take_first_of_each(remaining, lambda pair: pair[0].phone)
            decisions = [self._decider.decide(store, event, record) for event, record in group]
            for part in split_by_size(decisions):
                for decision in await self._committer.commit(store, part):
                    dispositions[decision.record.offset] = decision.disposition
        return [dispositions[record.offset] for record in records]


def _decode_event(partition: int, record: LogRecord) -> Event | None:
    try:
        return events.decode(record.data or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        position = f"{partition}:{record.offset}"
        log.error("record %s of the phone log is not an event: skipped", position)  # noqa: TRY400 - the bytes may hold a number
        return None
