"""How many recipients never got what was sent to them: a sign that people block the account, or that WhatsApp hides it.

WhatsApp tells nobody that they were blocked: their messages only never arrive. A phone that is switched off looks the
same, so one recipient says nothing and most of many do. Pure. Times are epoch seconds by the broker's clock.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

MIN_AGE_S: Final = 3600.0  # a younger message may only be on its way
MAX_AGE_S: Final = 86_400.0
MIN_RECIPIENTS: Final = 20  # fewer say nothing


class Delivery(NamedTuple):
    """A message that WhatsApp's server has."""

    chat_id: str
    sent_at_s: float
    is_delivered: bool


class DeliveryCount(NamedTuple):
    """The recipients of the messages that count, and those of them who got none of these."""

    recipients: int
    undelivered: int

    def is_alarming(self, max_percent: int) -> bool:
        """Whether more than this part got nothing; 0: never."""
        is_enough = self.recipients >= MIN_RECIPIENTS
        return (
            is_enough and max_percent > 0 and self.undelivered * 100 > self.recipients * max_percent
        )


def is_counted(sent_at_s: float, now_s: float, since_s: float) -> bool:
    """Whether a message counts that was sent then. `since_s`: the end of the last alarm."""
    return sent_at_s > since_s and MIN_AGE_S <= now_s - sent_at_s < MAX_AGE_S


def count_deliveries(
    deliveries: Iterable[Delivery], now_s: float, since_s: float = 0.0
) -> DeliveryCount:
    """Count each recipient once, however many messages they got."""
    has_any: dict[str, bool] = {}
    for chat_id, sent_at_s, is_delivered in deliveries:
        if is_counted(sent_at_s, now_s, since_s):
            has_any[chat_id] = has_any.get(chat_id, False) or is_delivered
    return DeliveryCount(len(has_any), sum(not is_any for is_any in has_any.values()))
