"""Dead letters, as records of `wa.dlq`. Decides nothing: every field was decided elsewhere."""

from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishDeadLetter
from streams.domain.phone.events import SourceRecord


class DeadLetterRecords:
    """Makes the records of the dead letter topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def map_effect(
        self, account: str | None, effect: PublishDeadLetter, record: SourceRecord
    ) -> OutgoingRecord:
        """The dead letter of a message that `account` had, if any had it."""
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
        letter = DeadLetter(
            info=details, key=record.key, value=record.value, headers=record.headers
        )
        headers = tuple(letter.build_record_headers())
        return OutgoingRecord(self._topic, record.value, key=record.key, headers=headers)

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


def _format_error(error: Error) -> str:
    return f"{error.title}: {error.detail}" if error.detail else error.title
