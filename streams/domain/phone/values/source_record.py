"""The record with which a caller requested something, and what it may be besides a message. Nothing is decided here.

The record is kept byte for byte, because a dead letter must give it back.
"""

from typing import Literal

from streams.domain.stored import Stored


class SourceRecord(Stored, frozen=True):
    """A record of `wa.outbound` as it came, byte for byte: a dead letter must give it back."""

    topic: str
    partition: int
    offset: int
    member: int | None = None  # of a batch: the index of the member whose request this is
    timestamp_ms: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def coordinates(self) -> str:
        """Its place in the topic: `wa.outbound:3:4711`; of a member of a batch: `wa.outbound:3:4711/5`."""
        place = f"{self.topic}:{self.partition}:{self.offset}"
        return place if self.member is None else f"{place}/{self.member}"


class BatchMember(Stored, frozen=True):
    """The place of a message in a batch, which counts what becomes of it."""

    batch_id: str
    index: int


class MessageChange(Stored, frozen=True):
    """An earlier message of the same recipient is edited or revoked. `whatsapp_id`: that of it, once it is known."""

    kind: Literal["edit", "revoke"]
    changed_id: str
    whatsapp_id: str = ""
