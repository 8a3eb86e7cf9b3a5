"""Restrictions of an account: what a refusal means, how long it lasts, and what lifts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts import restriction as restrictions
from streams.domain.accounts.new_chats import NewChatLimits, Quota
from streams.domain.accounts.restriction import (
    PAUSE_RESET_S,
    RESTRICTION_CODES,
    RESTRICTION_DURATION_S,
    Restriction,
    after_session,
    is_about_account,
    restriction_after,
)
from streams.domain.errors import CODES, Error, ErrorClass
from streams.domain.sending.refusals import error_for_refusal

NOW_S = 1_000_000.0
NO_LIMITS = NewChatLimits()
LOCKED = NewChatLimits(is_timelocked=True, time_lock_until_s=NOW_S + 600)
USED_UP = NewChatLimits(quota=Quota(100, 100, NOW_S + 700, is_used_up=True))


def restrict(
    server_code: int,
    limits: NewChatLimits = NO_LIMITS,
    previous: Restriction | None = None,
    now_s: float = NOW_S,
) -> Restriction:
    """The restriction that this refusal means."""
    error = error_for_refusal(server_code)
    return restriction_after(error, "link-1", now_s, limits=limits, previous=previous)


@pytest.mark.parametrize(
    ("server_code", "code", "error_class"),
    [
        (404, "recipient_not_on_whatsapp", ErrorClass.PERMANENT),
        (421, "server_error", ErrorClass.TRANSIENT),
        (429, "account_rate_limited", ErrorClass.THROTTLED),
        (463, "reachout_timelocked", ErrorClass.RESTRICTED),
        (475, "new_chats_capped", ErrorClass.RESTRICTED),
        (479, "account_rate_limited", ErrorClass.THROTTLED),
        (500, "server_error", ErrorClass.TRANSIENT),
    ],
)
def test_what_the_servers_code_means(server_code: int, code: str, error_class: ErrorClass) -> None:
    """The number stays in the detail; one that is not in the table is retried."""
    error = error_for_refusal(server_code, "why")
    assert error == Error(code, f"{server_code}: why")
    assert error.error_class is error_class


def test_which_refusals_restrict_the_account() -> None:
    """Those of the class `restricted`, and those that ask for a pause; any other is about one message."""
    assert set(RESTRICTION_CODES) == {
        "reachout_timelocked",
        "new_chats_capped",
        "spam_flagged",
        "account_rate_limited",
    }
    restricting = [code for code in CODES if is_about_account(Error(code))]
    assert sorted(restricting) == sorted(RESTRICTION_CODES)


@pytest.mark.parametrize(
    ("server_code", "limits", "scope", "duration_s"),
    [
        (463, NO_LIMITS, "new_chats", RESTRICTION_DURATION_S),
        (463, LOCKED, "new_chats", 600),
        (463, USED_UP, "new_chats", RESTRICTION_DURATION_S),
        (475, NO_LIMITS, "new_chats", RESTRICTION_DURATION_S),
        (475, USED_UP, "new_chats", 700),
        (475, LOCKED, "new_chats", RESTRICTION_DURATION_S),
        (429, LOCKED, "everything", 60),
        (479, NO_LIMITS, "everything", 60),
    ],
)
def test_scope_and_end(
    server_code: int, limits: NewChatLimits, scope: str, duration_s: float
) -> None:
    """A lock on new chats ends when the session says; only its own kind of lock counts."""
    restriction = restrict(server_code, limits)
    assert (restriction.scope, restriction.until_s) == (scope, NOW_S + duration_s)


def test_an_end_that_is_over_is_not_believed() -> None:
    """The server has just refused a message, so the session's time lock is out of date."""
    restriction = restrict(463, NewChatLimits(is_timelocked=True, time_lock_until_s=NOW_S - 1))
    assert restriction.until_s == NOW_S + RESTRICTION_DURATION_S


def test_spam_stops_everything_for_a_day() -> None:
    """WhatsApp does not say when that is over, and no session can lift it."""
    spam = Error("spam_flagged")
    restriction = restriction_after(spam, "link-1", NOW_S, limits=LOCKED, previous=None)
    assert (restriction.scope, restriction.until_s) == ("everything", NOW_S + 86_400)
    assert after_session(after_session(restriction, LOCKED, NOW_S), NO_LIMITS, NOW_S) == restriction


def test_pauses_double_up_to_an_hour() -> None:
    """Each refusal within an hour of the last pause doubles it; later ones begin with a minute."""
    now_s, durations_s = NOW_S, list[float]()
    pause: Restriction | None = None
    for _ in range(8):
        pause = restrict(429, previous=pause, now_s=now_s)
        durations_s.append(pause.until_s - now_s)
        now_s = pause.until_s + 1
    assert durations_s == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert pause is not None
    late_s = pause.until_s + PAUSE_RESET_S
    assert restrict(479, previous=pause, now_s=late_s).until_s == late_s + 60


def test_a_pause_holds_messages_back_and_a_restriction_names_itself() -> None:
    """The error of a message that waits says what holds it."""
    assert restrict(429).denial == Error("account_rate_limited")
    assert restrict(463).denial == Error("account_restricted", "reachout_timelocked")


def test_the_sessions_lock_ends_a_restriction() -> None:
    """It is lifted when the lock was shown and is gone, and its end is the one that the session tells."""
    restriction = restrict(463)
    assert after_session(restriction, NO_LIMITS, NOW_S + 1) == restriction
    shown = after_session(restriction, LOCKED, NOW_S + 1)
    assert shown.until_s == NOW_S + 600
    lifted = after_session(shown, NO_LIMITS, NOW_S + 2)
    assert not lifted.is_in_force("link-1", NOW_S + 2)


@given(since_s=st.floats(0, 100), duration_s=st.floats(0, 100), has_no_end=st.booleans())
def test_what_is_in_force_goes_on_under_the_link_of_a_standby(
    since_s: float, duration_s: float, has_no_end: bool
) -> None:
    """Until the same end; one that has ended does not begin again."""
    until_s = NOW_S - 100 + since_s + duration_s
    before = Restriction("spam_flagged", NOW_S - 100, until_s, "link-1", has_no_end=has_no_end)
    after = restrictions.keep_under(before, "link-2", NOW_S)
    assert after.is_in_force("link-2", NOW_S) == before.is_in_force("link-1", NOW_S)
    assert after.until_s == before.until_s


def test_a_row_of_an_earlier_version_restricts_everything() -> None:
    """Its fields are read, and what they do not say is what they meant then."""
    old = Restriction(code="reachout_timelocked", since_s=NOW_S, until_s=NOW_S + 5, link="link-1")
    assert old.scope == "everything"
    assert restrictions.decode(restrictions.encode(old)) == old
    assert after_session(old, LOCKED, NOW_S) == old


limits = st.builds(
    NewChatLimits,
    is_timelocked=st.booleans(),
    time_lock_until_s=st.sampled_from([0.0, NOW_S - 10, NOW_S + 100, NOW_S + 10**6]),
    quota=st.none()
    | st.builds(
        Quota,
        total=st.just(10),
        used=st.integers(0, 10),
        resets_at_s=st.sampled_from([0.0, NOW_S - 10, NOW_S + 100, NOW_S + 10**6]),
        is_used_up=st.booleans(),
    ),
)


@given(
    server_code=st.sampled_from([463, 475, 429, 479]),
    at_refusal=limits,
    later=st.lists(st.tuples(st.floats(0, 50), limits), max_size=6),
)
def test_nothing_but_its_own_lock_shortens_a_restriction(
    server_code: int,
    at_refusal: NewChatLimits,
    later: list[tuple[float, NewChatLimits]],
) -> None:
    """While the session shows WhatsApp's own lock, the restriction is in force; it is never lifted unseen."""
    restriction = restrict(server_code, at_refusal)
    assert restriction.is_in_force("link-1", NOW_S)
    assert not restriction.is_in_force("link-2", NOW_S)
    now_s = NOW_S
    for by_s, told in later:
        now_s += by_s
        was_shown, was_in_force = restriction.is_shown, restriction.is_in_force("link-1", now_s)
        restriction = after_session(restriction, told, now_s)
        is_locked = (
            told.is_timelocked if server_code == 463 else bool(told.quota and told.quota.is_used_up)
        )
        if was_in_force and (restriction.scope == "everything" or is_locked or not was_shown):
            assert restriction.is_in_force("link-1", now_s)
