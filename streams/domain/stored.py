"""What is stored: the base of every row, event and command, and how one becomes bytes.

Rows are stored in tables, events and commands on Kafka, and both outlive the program that wrote them. So:

* A field may be added, with a default. No field is renamed, removed or given another meaning.
* A field at its default is not written, so that rows stay small.
* Values are frozen. A change makes a new value.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The base of everything that is stored."""


class Codec(Generic[T]):
    """MessagePack for one type. `types` is the class, or a union of tagged classes."""

    def __init__(self, types: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(types)

    def encode(self, value: T) -> bytes:
        """The value as it is stored."""
        return self._encoder.encode(value)

    def decode(self, data: bytes) -> T:
        """The value.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError: the bytes are not such a value.
        """
        return self._decoder.decode(data)
