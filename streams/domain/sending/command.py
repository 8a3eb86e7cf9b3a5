"""A release on an account's lane: the record of `wa.internal.send.<account>`, a command to its sender.

It is stored on Kafka: fields may be added with a default, none renamed. Times are epoch seconds.
"""

import msgspec

from streams.domain.phone.events import Stored


class SendCommand(Stored, frozen=True):
    """Submit this message until `deadline_s`, and never later; answer with an `Outcome` in any case."""

    phone: str
    id: str
    dispatch_number: int  # of this message, growing; the outcome names it
    account: str
    deadline_s: float
    content: bytes  # the contract's `content`, as JSON
    reply_to: str | None = None
    chat_id: str | None = (
        None  # what WhatsApp answered last for this phone: nothing need be looked up
    )
    allow_duplicate: bool = False  # a person asked for it although an earlier outcome is unknown
    trace: tuple[tuple[str, bytes], ...] = ()


_decoder = msgspec.msgpack.Decoder(SendCommand)
_encoder = msgspec.msgpack.Encoder()


def encode(command: SendCommand) -> bytes:
    """The record's value."""
    return _encoder.encode(command)


def decode(data: bytes) -> SendCommand:
    """The command.

    Raises:
        msgspec.DecodeError: the bytes are no such record.
    """
    return _decoder.decode(data)
