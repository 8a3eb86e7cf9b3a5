"""Whether an account's messages arrive: counted by recipient, against a naive count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.deliveries import Delivery, DeliveryCount, count_deliveries
from streams.domain.accounts.new_chats import NewChatLimits, Quota
from streams.domain.accounts.restriction import after_session, restriction_for_undelivered

HOUR_S, DAY_S = 3600, 86_400


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2 * DAY_S), st.booleans()), max_size=40),
    st.integers(0, 2 * DAY_S),
)
def test_each_recipient_counts_once(sent: list[tuple[int, int, bool]], since_s: int) -> None:
    """Of the messages that are between an hour and a day old, and were sent after the last alarm."""
    now_s = 2 * DAY_S
    counted = [
        (chat, is_delivered)
        for chat, at_s, is_delivered in sent
        if at_s > since_s and now_s - DAY_S < at_s <= now_s - HOUR_S
    ]
    chats = {chat for chat, _ in counted}
    reached = {chat for chat, is_delivered in counted if is_delivered}
    deliveries = [Delivery(str(chat), at_s, delivered) for chat, at_s, delivered in sent]
    count = count_deliveries(deliveries, now_s, since_s)
    assert count == DeliveryCount(len(chats), len(chats - reached))


@pytest.mark.parametrize(
    ("recipients", "undelivered", "max_percent", "is_alarming"),
    [
        (20, 17, 80, True),
        (20, 16, 80, False),
        (19, 19, 80, False),
        (1000, 801, 80, True),
        (1000, 1000, 0, False),
        (1000, 1000, 100, False),
    ],
)
def test_when_it_is_alarming(
    recipients: int, undelivered: int, max_percent: int, is_alarming: bool
) -> None:
    """Most of many recipients got nothing; a few recipients say nothing, and 0 means never."""
    assert DeliveryCount(recipients, undelivered).is_alarming(max_percent) == is_alarming


def test_no_session_lifts_our_own_alarm() -> None:
    """WhatsApp knows nothing of it: neither a quota nor its end changes it."""
    alarm = restriction_for_undelivered("link-1", 1000.0)
    used_up = NewChatLimits(quota=Quota(10, 10, 2000.0, is_used_up=True))
    assert after_session(after_session(alarm, used_up, 1001.0), NewChatLimits(), 1002.0) == alarm
    assert (alarm.scope, alarm.until_s) == ("new_chats", 1000.0 + DAY_S)
