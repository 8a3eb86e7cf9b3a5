"""The progress of a batch: a record of `wa.batches`. The last one of a key counts; one without a value removes it."""

from typing import Annotated

import msgspec
import orjson
from msgspec import Meta

from streams.contract.status import Timestamp

_Count = Annotated[int, Meta(ge=0)]


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is. A message counts in each status that it has reached: `sent` includes `delivered`."""

    batch_id: str
    total: Annotated[
        int, Meta(ge=0, description="Different messages: one that occurs twice counts once.")
    ]
    accepted: _Count = 0
    sent: _Count = 0
    delivered: _Count = 0
    read: Annotated[int, Meta(ge=0, description="Read or played.")] = 0
    failed: _Count = 0
    rejected: _Count = 0
    expired: _Count = 0
    cancelled: _Count = 0
    unknown: _Count = 0
    started_at: Timestamp
    finished_at: (
        Annotated[
            Timestamp, Meta(description="When the last message was sent, or ended otherwise.")
        ]
        | None
    ) = None

    @property
    def done(self) -> int:
        """Messages that were sent or have ended otherwise."""
        ended = self.failed + self.rejected + self.expired + self.cancelled + self.unknown
        return self.sent + ended


_decoder = msgspec.json.Decoder(BatchProgress)


def encode(progress: BatchProgress) -> bytes:
    """The progress as a record's value."""
    return orjson.dumps(msgspec.to_builtins(progress))


def decode(data: bytes) -> BatchProgress:
    """The progress in a record of `wa.batches`.

    Raises:
        msgspec.DecodeError: the bytes are not such a record.
    """
    return _decoder.decode(data)
