"""Dead letters, as records of `wa.dlq`. Decides nothing: every field was decided elsewhere.

A record that the topic does not take whole is cut, and its status says so (`describe_cut`).
"""

from typing import Final

from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import Headers, get_last
from streams.contract.timestamps import format_rfc3339
from streams.contract.topics import PUBLIC_TOPICS
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishDeadLetter
from streams.domain.phone.events import SourceRecord

# What `wa.dlq` takes at the least (admin.py checks it), with a reserve for the batch around the record.
MAX_BYTES: Final = (
    next(topic for topic in PUBLIC_TOPICS if topic.name == "dlq").max_message_bytes - 4096
)


class DeadLetterRecords:
    """Makes the records of the dead letter topic."""

    def __init__(self, topic: str, max_bytes: int = MAX_BYTES) -> None:
        self._topic = topic
        self._max_bytes = max_bytes

    def map_effect(
        self, account: str | None, effect: PublishDeadLetter, record: SourceRecord | None
    ) -> OutgoingRecord:
        """The dead letter of a message that `account` had, if any had it. None: the original record is lost."""
        if record is None:
            lost = self._make_letter(account, effect, _make_lost_record(effect.dead_letter_id))
            return self._make_record(lost.cut_everything())
        return self._make_record(
            self._make_letter(account, effect, record).shorten(self._max_bytes)
        )

    def _make_letter(
        self, account: str | None, effect: PublishDeadLetter, record: SourceRecord
    ) -> DeadLetter:
        details = dead_letter.DeadLetterInfo(
            id=effect.dead_letter_id,
            reason=effect.error.code,
            error_class=effect.error.error_class.value,
            message=_format_error(effect.error),
            attempts=effect.attempts,
            first_failed_at=format_rfc3339(effect.first_failed_at_s),
            last_failed_at=format_rfc3339(effect.last_failed_at_s),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp_ms,
            outcome=effect.outcome,
            request_id=effect.id,
            replay_count=effect.replay_count,
            account=account,
        )
        return DeadLetter(info=details, key=record.key, value=record.value, headers=record.headers)

    def _make_record(self, letter: DeadLetter) -> OutgoingRecord:
        headers = tuple(letter.build_record_headers())
        return OutgoingRecord(self._topic, letter.value, key=letter.key, headers=headers)

    def map_unattempted(
        self,
        request_id: str,
        record: SourceRecord,
        error: Error,
        replay_count: int,
        now_s: float,
    ) -> OutgoingRecord:
        """The dead letter of a record for which there was no attempt to send."""
        effect = PublishDeadLetter(
            id=request_id,
            dead_letter_id=record.coordinates,
            error=error,
            attempts=0,
            first_failed_at_s=now_s,
            last_failed_at_s=now_s,
            replay_count=replay_count,
        )
        return self.map_effect(None, effect, record)


def _make_lost_record(coordinates: str) -> SourceRecord:
    """The original record at this position (`topic:partition:offset`), of which nothing else is left here."""
    place, _, member = coordinates.partition("/")
    topic, partition, offset = place.rsplit(":", 2)
    return SourceRecord(
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        member=int(member) if member else None,
        value=b"",
    )


def describe_cut(headers: Headers) -> str:
    """What a dead letter with these headers says of its truncation, as a text; empty if it is whole."""
    cuts = {
        "the first part of the value": get_last(headers, "wa-dlq-truncated"),
        "the first part of the key": get_last(headers, "wa-dlq-truncated-key"),
        "the first headers": get_last(headers, "wa-dlq-truncated-headers"),
    }
    parts = [part for part, value in cuts.items() if value is not None]
    return f"the dead letter holds only {', '.join(parts)}" if parts else ""


def _format_error(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
