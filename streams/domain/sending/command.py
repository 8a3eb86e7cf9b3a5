"""The record of a send topic, `wa.internal.send.<account>`: a command to the account's sender.

It is stored on Kafka: a field may be added with a default, and no field is renamed. Its deadline counts from the
time at which the broker appended the record: no clock of a host has a part in it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from streams.domain.stored import Codec, Stored


class SendCommand(Stored, frozen=True):
    """Submit this message within `timeout_s` and never later; publish an `Outcome` in any case."""

    phone: str
    id: str
    dispatch_number: int  # grows with each dispatch of this message; the outcome names it
    account: str
    timeout_s: float  # from the append time of this record
    content: bytes  # the contract's `content`, as JSON
    submit_before_s: float = 0.0  # nor is it submitted at or after this time; 0: no such time
    reply_to: str | None = None
    chat_id: str | None = None  # WhatsApp's last answer for this phone: saves the look-up
    allow_duplicate: bool = False  # a person allowed it although an earlier outcome is unknown
    generation: int = 0  # of the message: a replay makes the next one, with a permission of its own
    was_claimed: bool = (
        False  # by this account, and the doubt goes on: its row is there, or was lost
    )
    accepted_offset: int = -1  # of the message: a later message with the same id has a higher one
    trace: tuple[tuple[str, bytes], ...] = ()
    # Of this record: set by `decode`, and never written.
    appended_at_s: float = 0.0
    offset: int = 0

    @property
    def deadline_s(self) -> float:
        """The claim of the message must be appended before this time, by the broker's clock."""
        latest_s = self.appended_at_s + self.timeout_s
        return min(latest_s, self.submit_before_s) if self.submit_before_s else latest_s


_codec: Codec[SendCommand] = Codec(SendCommand)


def encode(command: SendCommand) -> bytes:
    """The record's value."""
    return _codec.encode(command)


def decode(data: bytes, appended_at_s: float = 0.0, offset: int = 0) -> SendCommand:
    """The command in a record that the broker appended at this time; without it, its deadline is long over.

    `offset`: of the record in the send topic.

    Raises:
        msgspec.DecodeError: the bytes are not such a record.
    """
    return replace(_codec.decode(data), appended_at_s=appended_at_s, offset=offset)


_content_decoder = msgspec.json.Decoder(dict[str, Any])


def decode_content(data: bytes) -> Mapping[str, object] | None:
    """The command's content; None: it cannot be read."""
    try:
        return _content_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
