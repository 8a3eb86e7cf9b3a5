"""Whether a status event is about a request to this recipient. Pure.

An id belongs to one recipient: another recipient's request may have the same one.
"""

import re
from typing import Final

from streams.contract.status import StatusEvent
from streams.domain.numbers import InvalidPhone, to_key
from streams.domain.recipients import to_recipient

_NOT_DIGITS: Final = re.compile(r"\D")
_MIN_DIGITS: Final = 4  # fewer could end any number


def is_for(event: StatusEvent, to: str, region: str | None = None) -> bool:
    """Whether the event is about a request to the number `to`, in any notation.

    The event names the number in E.164, and the requested one if WhatsApp's chat has another. If no number could be
    read, it repeats the request's text. A number that only the service can read, because it knows the region, is
    compared by its digits.
    """
    numbers = {number for number in (event.to, event.requested_to) if number is not None}
    if not numbers or to in numbers:
        return True
    try:
        return to_recipient(to, region) in numbers
    except InvalidPhone:
        return any(_could_be(number, to) for number in numbers)


def _could_be(number: str, to: str) -> bool:
    if to.startswith(number):  # a long text is cut in the event
        return True
    national = _NOT_DIGITS.sub("", to_key(to)).lstrip("0")
    return len(national) >= _MIN_DIGITS and number.startswith("+") and number.endswith(national)
