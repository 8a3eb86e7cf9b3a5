"""The record of a send topic, `wa.internal.send.<account>`: a command to the account's sender.

It is stored on Kafka: a field may be added with a default, and no field is renamed. Times are epoch
seconds.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.domain.stored import Codec, Stored


class SendCommand(Stored, frozen=True):
    """Submit this message before `deadline_s` and never later; publish an `Outcome` in any case."""

    phone: str
    id: str
    dispatch_number: int  # grows with each dispatch of this message; the outcome names it
    account: str
    deadline_s: float
    content: bytes  # the contract's `content`, as JSON
    reply_to: str | None = None
    chat_id: str | None = None  # WhatsApp's last answer for this phone: saves the look-up
    allow_duplicate: bool = False  # a person allowed it although an earlier outcome is unknown
    trace: tuple[tuple[str, bytes], ...] = ()


_codec: Codec[SendCommand] = Codec(SendCommand)


def encode(command: SendCommand) -> bytes:
    """The record's value."""
    return _codec.encode(command)


def decode(data: bytes) -> SendCommand:
    """The command.

    Raises:
        msgspec.DecodeError: the bytes are not such a record.
    """
    return _codec.decode(data)


_content_decoder = msgspec.json.Decoder(dict[str, Any])


def decode_content(data: bytes) -> Mapping[str, object] | None:
    """The command's content; None: it cannot be read."""
    try:
        return _content_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
