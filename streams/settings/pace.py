"""The settings of an account's pace: how fast it sends, and how carefully. Reads nothing.

What each figure is based on is in docs/operating.md (Staying unbanned).
"""

from dataclasses import dataclass

from streams.settings.types import AtLeast0, AtLeast1, Percent
from streams.settings.types import setting as _setting


@dataclass(frozen=True, kw_only=True)
class PaceSettings:
    """The pace of each account."""

    send_interval_ms: AtLeast0 = _setting(
        100, "Shortest time between two sends of an account, in milliseconds."
    )
    account_rate_per_minute: AtLeast0 = _setting(
        60,
        "Messages of one account in any 60 seconds; 0 means no limit. "
        "A high rate may get the account restricted.",
    )
    account_daily_cap: AtLeast0 = _setting(
        0, "Messages of one account in any 24 hours; 0 means no limit."
    )
    send_jitter_percent: Percent = _setting(
        50,
        "Each time between two sends is longer by a random part of this share of it; never shorter.",
    )
    new_chat_interval_ms: AtLeast0 | None = _setting(
        None,
        "Shortest time between two messages of an account to people who never wrote to it, in milliseconds. "
        "Without it: one minute divided by WA_ACCOUNT_RATE_PER_MINUTE, at most 2 seconds, so that no burst of "
        "them goes out.",
    )
    typing: bool = _setting(
        False,
        "Whether a recipient is shown that the account is typing, before a message with text.",
    )
    typing_max_ms: AtLeast1 = _setting(
        5000,
        "Longest time for which it is shown, in milliseconds. It is shown for a third of a second per character.",
    )
    warm_up: str = _setting(
        "off",
        "How much a new account may send: off, default, or steps like 1:20/50,4:50/150,8:0/0. Each is: from this "
        "day after the first link of its number, so many new recipients / so many messages in any 24 hours; "
        "0 means no limit.",
    )
    max_undelivered_percent: Percent = _setting(
        80,
        "If more than this part of the recipients of a day (20 at least) got nothing within an hour, messages to "
        "strangers stop for a day; 0 means never.",
    )
    slow_return: bool = _setting(
        True,
        "After WhatsApp has restricted an account, its pace is a quarter, then half, then normal again.",
    )
