"""New chats: the quota with its reserve, our own count, and the time lock."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.new_chats import (
    NewChatBlock,
    NewChatCount,
    NewChatLimits,
    Quota,
    block_by_limits,
    decode,
    encode,
    has_quota_left,
    keep_unreadable,
    reserve,
)

NOW_S = 1_000_000.0
RESET_S = NOW_S + 1000


def quota(used: int, total: int = 100, resets_at_s: float = RESET_S) -> Quota:
    """A quota that is not used up."""
    return Quota(total, used, resets_at_s)


def test_a_reserve_is_kept() -> None:
    """A twentieth of the quota is left, and at least one new chat."""
    assert [reserve(quota(0, total)) for total in (0, 1, 20, 21, 100)] == [1, 1, 1, 2, 5]
    none = NewChatCount()
    assert has_quota_left(quota(94), none, NOW_S)
    assert not has_quota_left(quota(95), none, NOW_S)
    assert not has_quota_left(Quota(100, 0, RESET_S, is_used_up=True), none, NOW_S)
    assert has_quota_left(quota(95), none, RESET_S), "a new period has begun"
    assert has_quota_left(None, none, NOW_S)


def test_our_own_count_closes_the_quota_before_the_next_report() -> None:
    """WhatsApp's count comes late; the higher one of the two counts within one period."""
    count = NewChatCount().with_report(quota(90), "link-1")
    for number in range(5):
        assert has_quota_left(quota(90), count, NOW_S)
        for _ in range(2):  # WhatsApp counts the chat, not its messages
            count = count.with_message(f"{number}@lid")
    assert not has_quota_left(quota(90), count, NOW_S)
    assert count.with_report(quota(92), "link-1").used == 95
    assert count.with_report(quota(97), "link-1").used == 97
    assert count.with_report(quota(3, resets_at_s=RESET_S + 1), "link-1").used == 3
    assert count.with_report(quota(3), "link-2").used == 3
    assert decode(encode(count)) == count


def test_what_blocks_new_chats() -> None:
    """A time lock counts for as long as the page shows it, even past its end."""
    none = NewChatCount()
    lock = NewChatLimits(is_timelocked=True, time_lock_until_s=NOW_S - 5)
    assert block_by_limits(lock, none, NOW_S) == NewChatBlock("reachout_timelocked", NOW_S - 5)
    assert block_by_limits(NewChatLimits(quota=quota(95)), none, NOW_S) == NewChatBlock(
        "new_chats_capped", RESET_S
    )
    assert block_by_limits(NewChatLimits(quota=quota(3)), none, NOW_S) is None
    assert block_by_limits(NewChatLimits(), none, NOW_S) is None


@given(total=st.integers(0, 60), reports=st.lists(st.integers(0, 60), max_size=20))
def test_the_quota_is_never_used_up_by_us(total: int, reports: list[int]) -> None:
    """Whatever WhatsApp's reports say and however late they come, the last new chat is never used."""
    count, opened = NewChatCount(), 0
    report = quota(0, total)
    for used in [0, *reports]:
        report = quota(min(used, opened), total)
        count = count.with_report(report, "link-1")
        if has_quota_left(report, count, NOW_S):
            opened += 1
            count = count.with_message(f"{opened}@lid")
    assert opened <= max(0, total - 1)


def test_a_cycle_without_an_end_ends_with_a_smaller_report() -> None:
    """Else the count of the first cycle would forbid new chats for ever. An old report is not smaller."""
    count = NewChatCount().with_report(quota(90, resets_at_s=0.0), "link-1")
    count = count.with_message("1@lid").with_report(quota(90, resets_at_s=0.0), "link-1")
    assert count.used == 91
    assert count.with_report(quota(2, resets_at_s=0.0), "link-1").used == 2


def test_what_an_unreadable_page_does_not_tell_is_kept() -> None:
    """A time lock until its end, or for a day if that is not known; a quota until its reset."""
    none, before = NewChatLimits(), NewChatLimits(True, NOW_S + 50, quota(95))
    assert keep_unreadable(none, before, NOW_S, 100.0) == before
    assert keep_unreadable(none, before, NOW_S + 50, 100.0) == NewChatLimits(quota=quota(95))
    endless = keep_unreadable(none, NewChatLimits(True), NOW_S, 100.0)
    assert endless == NewChatLimits(True, NOW_S + 100)
    assert keep_unreadable(none, endless, NOW_S + 100, 100.0) == none
    told = NewChatLimits(True, NOW_S + 9, quota(1))
    assert keep_unreadable(told, before, NOW_S, 100.0) == told
