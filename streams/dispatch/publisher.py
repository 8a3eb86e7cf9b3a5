"""How the dispatcher publishes: the `Publisher` protocol, and the one that writes to Kafka.

Records are acknowledged by the broker in the order given. Order matters inside one partition of one
topic: a status never goes back. Nothing is decided here; what is published is counted.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from streams.contract import cloudevents
from streams.contract.headers import get_text
from streams.kafka.topics import Names
from streams.observability.metrics import DispatcherMetrics
from streams.runtime.broker import publisher
from streams.runtime.broker.publisher import OutgoingRecord as OutgoingRecord

__all__ = ["KafkaPublisher", "OutgoingRecord", "Publisher"]

log = logging.getLogger(__name__)

# None of them holds anything personal.
_LOGGED_HEADERS: Final = ("id", "reason", "class", "outcome", "attempts", "account")
_OUTCOMES: Final = {"not_sent": "not sent", "unknown": "outcome UNKNOWN"}


class Publisher(Protocol):
    """Where records go."""

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """Return once the broker has all of them. A failure that may pass is retried, never raised.

        Returns the records that their topics do not take, because they are too large. They are counted.
        """
        ...


class KafkaPublisher:
    """Publishes with the app's producer, and counts statuses and dead letters."""

    def __init__(
        self,
        producer: publisher.Publisher,
        names: Names,
        metrics: DispatcherMetrics,
        shorten: Callable[[OutgoingRecord], OutgoingRecord | None],
    ) -> None:
        """`shorten` gives a smaller form of a record that is too large, or None."""
        self._producer = producer
        self._shorten = shorten
        self._names = names
        self._metrics = metrics

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        """See `Publisher`."""
        refused = await self._producer.publish_shortened(records, self._shorten)
        for record in refused:
            self._metrics.count_refused_record(record.topic)
        for record in records:
            if not refused or record not in refused:
                self._count(record)
        return refused

    def _count(self, record: OutgoingRecord) -> None:
        if record.topic == self._names.status:
            event_type = get_text(record.headers, cloudevents.TYPE_HEADER) or ""
            self._metrics.count_status(event_type.rpartition(".")[2])
        elif record.topic == self._names.dlq:
            self._metrics.count_dead_letter(get_text(record.headers, "wa-dlq-reason") or "")
            _log_dead_letter(record)


def _log_dead_letter(record: OutgoingRecord) -> None:
    """One line for the person on call. A message of unknown outcome ends in a dead letter too."""
    fields = {name: get_text(record.headers, f"wa-dlq-{name}") for name in _LOGGED_HEADERS}
    account = f" by {fields['account']}" if fields["account"] else ""
    log.warning(
        "dead letter %s: %s (%s), %s after %s attempts%s",
        fields["id"],
        fields["reason"],
        fields["class"],
        _OUTCOMES.get(fields["outcome"] or "", fields["outcome"]),
        fields["attempts"],
        account,
    )
