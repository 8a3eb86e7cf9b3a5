"""A restriction of an account by WhatsApp: when it begins and when it is over. No clock and no I/O.

An account that WhatsApp has restricted sends nothing until the restriction is over. WhatsApp does not
say when that is, so a restriction ends after `RESTRICTION_DURATION_S`, or when a person links the
account again. The row is stored: a field may be added with a default, and no field is renamed. Times
are epoch seconds.
"""

from typing import Final

from streams.domain.errors import Error, ErrorClass
from streams.domain.stored import Codec, Stored

RESTRICTION_DURATION_S: Final = 86_400.0


class Restriction(Stored, frozen=True):
    """WhatsApp refused a message of the account because of what the account did."""

    code: str
    since_s: float
    until_s: float
    link: str | None = None  # a new link is a new beginning

    def is_in_force(self, link: str | None, now_s: float) -> bool:
        """Whether the account, under this link, must not send now."""
        return self.link == link and now_s < self.until_s


def restriction_after(error: Error, link: str | None, now_s: float) -> Restriction | None:
    """The restriction that this refusal means for the account; None if it concerns only the message."""
    if error.error_class is not ErrorClass.RESTRICTED:
        return None
    until_s = now_s + RESTRICTION_DURATION_S
    return Restriction(code=error.code, since_s=now_s, until_s=until_s, link=link)


_codec: Codec[Restriction] = Codec(Restriction)


def encode(restriction: Restriction) -> bytes:
    """The row as it is stored."""
    return _codec.encode(restriction)


def decode(data: bytes) -> Restriction:
    """The row.

    Raises:
        msgspec.DecodeError: the bytes are not such a row.
    """
    return _codec.decode(data)
