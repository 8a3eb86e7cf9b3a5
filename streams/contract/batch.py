"""The progress of a batch: a record of `wa.batches`. The last one of a key counts; one without a value removes it."""

from typing import Annotated

import msgspec
import orjson
from msgspec import Meta

from streams.contract.status import Timestamp


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is. A message counts in each status that it has reached: `sent` includes `delivered`."""

    batch_id: Annotated[str, Meta(description="The caller's name for the batch.")]
    total: Annotated[
        int, Meta(ge=0, description="Different messages: one that occurs twice counts once.")
    ]
    accepted: Annotated[int, Meta(ge=0, description="Accepted.")] = 0
    sent: Annotated[int, Meta(ge=0, description="Sent.")] = 0
    delivered: Annotated[int, Meta(ge=0, description="Delivered to the recipient's phone.")] = 0
    read: Annotated[int, Meta(ge=0, description="Read or played.")] = 0
    failed: Annotated[int, Meta(ge=0, description="Failed: not sent.")] = 0
    rejected: Annotated[
        int, Meta(ge=0, description="Rejected: the request is not valid or not allowed.")
    ] = 0
    expired: Annotated[int, Meta(ge=0, description="Not sent in time.")] = 0
    cancelled: Annotated[int, Meta(ge=0, description="Cancelled before they were sent.")] = 0
    unknown: Annotated[int, Meta(ge=0, description="Nobody knows whether they were sent.")] = 0
    started_at: Annotated[Timestamp, Meta(description="When its first record was read.")]
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
