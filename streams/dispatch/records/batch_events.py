"""What a batch learns of its members, as records of the batch log. Decides nothing: statuses are decided elsewhere."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from streams.contract.errors import PartialRequest
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.records.context import EchoSource
from streams.domain.batch import events as batch_events
from streams.domain.batch.events import BatchEvent, MembersChanged, MemberStatus
from streams.domain.phone.effects import PublishStatus, Status
from streams.domain.phone.events import BatchMember, Event, RequestReceived
from streams.domain.phone.state import Message

MemberChange: TypeAlias = tuple[BatchMember, MemberStatus]  # this member has this status now

# The other statuses have the same name. `queued` says nothing new about a message that was accepted.
_MEMBER_STATUSES: Final[dict[Status, MemberStatus]] = {
    "accepted": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
    "rejected": "rejected",
    "expired": "expired",
    "cancelled": "cancelled",
    "unknown": "unknown",
}


class BatchRecords:
    """Makes the records of the batch log."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def map_status(
        self, effect: PublishStatus, source: EchoSource, event: Event
    ) -> list[MemberChange]:
        """A message, or a request that has no row, has this status: its batches count it."""
        if isinstance(source, PartialRequest):
            return []
        repeated = event.request.members if isinstance(event, RequestReceived) else ()
        if not source.members and not repeated:
            return []  # most messages belong to no batch
        changes = list(self._map_duplicates(source, event))
        status = _MEMBER_STATUSES.get(effect.status)
        if status is None and isinstance(event, RequestReceived):
            status = "accepted"  # a repeat of a message that waits: it may be new to this batch
        if status is not None:
            changes.extend((member, status) for member in source.members)
        return changes

    def _map_duplicates(self, source: EchoSource, event: Event) -> Iterator[MemberChange]:
        """The request repeats a message that is another member of the same batch."""
        if not isinstance(event, RequestReceived) or not isinstance(source, Message):
            return
        if event.request.id != source.id:
            return
        indexes = {member.batch_id: member.index for member in source.members}
        for member in event.request.members:
            if indexes.get(member.batch_id, member.index) != member.index:
                yield member, "duplicate"

    def join(self, changes: Iterable[MemberChange]) -> list[OutgoingRecord]:
        """One record for each batch, however many of its members a commit has changed."""
        by_batch: dict[str, list[tuple[int, MemberStatus]]] = {}
        for member, status in changes:
            by_batch.setdefault(member.batch_id, []).append((member.index, status))
        return [
            self.make_record(MembersChanged(batch_id=batch_id, changes=tuple(statuses)))
            for batch_id, statuses in by_batch.items()
        ]

    def make_record(self, event: BatchEvent) -> OutgoingRecord:
        """The record of an event; its key chooses the partition of the batch."""
        return OutgoingRecord(
            self._topic, batch_events.encode(event), key=event.batch_id.encode(errors="replace")
        )
