"""Who gets a message: one person by a phone number, or a group by WhatsApp's id of it. Pure.

A recipient is the key of a row, of the records of the phone log and of the statuses: a number in E.164
(`+60123456789`), or the id of a group (`120363041234567890@g.us`). Whether WhatsApp has it is not decided here.
"""

import re
from functools import lru_cache
from typing import Final

from streams.domain.numbers import InvalidPhone, to_e164, to_key

_SUFFIX: Final = "@g.us"
# A group is named by one number; groups from before 2021 by the number of their creator and the time.
_GROUP: Final = re.compile(r"(?:[0-9]{15,20}|[0-9]{5,15}-[0-9]{5,12})@g\.us")
_SHAPE: Final = "a group is 15 to 20 digits, or two numbers with a hyphen, before @g.us"


def is_group(recipient: str) -> bool:
    """Whether this recipient is a group."""
    return recipient.endswith(_SUFFIX)


@lru_cache(maxsize=16_384)
def to_recipient(text: str, default_region: str | None = None) -> str:
    """The recipient that this text names; of numbers see `to_e164`.

    Raises:
        InvalidPhone: it names neither one person nor a group.
    """
    plain = text.strip().lower()
    if not is_group(plain):
        return to_e164(text, default_region)
    if not _GROUP.fullmatch(plain):
        raise InvalidPhone(f"is not the id of a group: {_SHAPE}")
    return plain


def to_recipient_key(text: str) -> str:
    """One record key for the spellings of a recipient."""
    plain = text.strip().lower()
    return plain if _GROUP.fullmatch(plain) else to_key(text)
