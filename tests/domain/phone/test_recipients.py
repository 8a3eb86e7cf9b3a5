"""Two numbers of one chat are one recipient: one id history, one limit, one order. Nothing is lost or loops."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone import forwarding
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import Deferred, Failed, Moved, RetentionElapsed, Sent
from streams.domain.phone.handlers.retention import is_idle
from streams.domain.policy import Policy
from streams.testing.phone_world import PhoneWorld, make_outcome
from tests.domain.phone.recipients import Recipients

WITH_NINE, WITHOUT = "+5541988887777", "+554188887777"
THIRD = "+5541988880000"
LIMIT = 5
IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)


@pytest.fixture
def recipients() -> Recipients:
    """WhatsApp has the number without the ninth digit."""
    policy = Policy(rate_limit_per_minute=LIMIT, clock_skew_s=0.0)
    return Recipients(policy=policy, canonical={WITH_NINE: WITHOUT})


def test_a_request_goes_on_to_the_number_that_whatsapp_has(recipients: Recipients) -> None:
    """It is accepted once, under the number that was asked for, and sent under the other."""
    recipients.submit(WITH_NINE, "a", metadata=b"{}", priority="urgent")
    recipients.settle()
    assert recipients.shown_ids() == ["a"]
    assert recipients.statuses_of("a") == [(WITH_NINE, "accepted"), (WITHOUT, "sent")]
    assert not recipients.get(WITH_NINE).messages
    assert not recipients.get(WITH_NINE).payloads
    message = recipients.get(WITHOUT).messages["a"]
    assert (message.metadata, message.priority) == (b"{}", "urgent")
    assert message.forwarding is not None
    assert message.forwarding.requested_phone == WITH_NINE


def test_the_hop_is_made_once_for_each_spelling(recipients: Recipients) -> None:
    """The alias knows the number, so a later request is not dispatched there, and is accepted once."""
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    recipients.submit(WITH_NINE, "b")
    recipients.settle()
    assert recipients.get(WITH_NINE).dispatched_ids() == ["a"]
    assert recipients.statuses_of("b") == [(WITHOUT, "accepted"), (WITHOUT, "sent")]


@pytest.mark.parametrize("first", [WITH_NINE, WITHOUT])
def test_an_id_under_both_spellings_is_one_message(recipients: Recipients, first: str) -> None:
    """The second one is answered as a repeat, whichever comes first."""
    second = WITHOUT if first == WITH_NINE else WITH_NINE
    recipients.submit(first, "a")
    recipients.settle()
    recipients.submit(second, "a")
    recipients.settle()
    assert recipients.shown_ids() == ["a"]
    assert recipients.statuses_of("a")[-1] == (WITHOUT, "sent")


def test_both_spellings_have_one_limit(recipients: Recipients) -> None:
    """Sixty requests under two spellings: in no 60 seconds are more shown than the limit allows."""
    for i in range(60):
        recipients.submit((WITH_NINE, WITHOUT)[i % 2], f"m{i}")
    recipients.settle()
    assert sorted(recipients.shown_ids()) == sorted(f"m{i}" for i in range(60))
    times_s = [at_s for _, _, at_s in recipients.shown]
    assert all(b - a >= 60 for a, b in zip(times_s, times_s[LIMIT:], strict=False))


def test_what_was_sent_before_the_alias_was_known_counts(recipients: Recipients) -> None:
    """WhatsApp gives the chat another number within the minute: the limit holds across both."""
    recipients.canonical.clear()
    recipients.policy = Policy(
        rate_limit_per_minute=LIMIT, clock_skew_s=0.0, lookup_cache_found_s=0
    )
    for i in range(4):
        recipients.submit(WITH_NINE, f"a{i}")
        recipients.answer(WITH_NINE)
    recipients.canonical[WITH_NINE] = WITHOUT
    for i in range(4):
        recipients.submit(WITH_NINE, f"b{i}")
    recipients.settle()
    times_s = [at_s for _, _, at_s in recipients.shown]
    assert len(times_s) == 8
    assert all(b - a >= 60 for a, b in zip(times_s, times_s[LIMIT:], strict=False))


def test_a_long_queue_is_forwarded_in_order(recipients: Recipients) -> None:
    """In slices, so that no event has too many effects; what arrives meanwhile stays behind."""
    count = 3 * forwarding.MAX_FORWARDED_PER_EVENT
    for i in range(count):
        recipients.submit(WITH_NINE, f"m{i:03}")
    recipients.answer(WITH_NINE)
    assert len(recipients.log) == forwarding.MAX_FORWARDED_PER_EVENT
    recipients.submit(WITH_NINE, "last")
    recipients.settle()
    assert recipients.shown_ids() == [*(f"m{i:03}" for i in range(count)), "last"]


def test_a_full_queue_does_not_refuse_what_was_accepted(recipients: Recipients) -> None:
    """It was accepted already. A new request is refused under its own number."""
    recipients.policy = Policy(max_queue=2)
    for phone in (WITH_NINE, WITHOUT):
        for i in range(3):
            recipients.submit(phone, f"{phone}-{i}")
    recipients.answer(WITH_NINE)
    while recipients.log:
        recipients.deliver()
    recipients.submit(WITH_NINE, "late")
    recipients.deliver()
    assert recipients.statuses_of("late") == [(WITHOUT, "rejected")]
    recipients.settle()
    assert len(recipients.shown) == 6


def test_an_attempt_in_doubt_stays_with_its_number(recipients: Recipients) -> None:
    """Its WhatsApp id belongs to that number. What is behind it waits, so that the order is kept."""
    recipients.submit(WITH_NINE, "doubt")
    recipients.submit(WITH_NINE, "behind")
    world = recipients.get(WITH_NINE)
    recipients.conclude(WITH_NINE, IN_DOUBT)
    recipients.submit(WITH_NINE, "urgent", "urgent")
    recipients.answer(WITH_NINE)
    assert [event.request.id for event in recipients.log] == ["urgent"]
    recipients.wake(WITH_NINE)
    assert world.row
    assert world.row.in_flight
    assert world.row.in_flight.id == "doubt"
    recipients.conclude(WITH_NINE, Sent(at_s=recipients.now_s))
    recipients.settle()
    assert recipients.shown_ids() == ["urgent", "behind"]


def forget_chat(world: PhoneWorld) -> None:
    """The next dispatch needs a look-up."""
    assert world.row
    world.row = replace(world.row, chat=None)


def test_an_attempt_that_left_nothing_ends_the_doubt(recipients: Recipients) -> None:
    """`moved` is certain: the sender has no open claim, so the message may be forwarded."""
    recipients.submit(WITH_NINE, "a")
    recipients.conclude(WITH_NINE, IN_DOUBT)
    recipients.wake(WITH_NINE)
    recipients.answer(WITH_NINE)
    assert [event.request.id for event in recipients.log] == ["a"]
    recipients.settle()
    assert recipients.shown_ids() == ["a"]


def test_a_retry_keeps_its_attempts_and_its_time(recipients: Recipients) -> None:
    """A message that failed under the first number does not begin again."""
    recipients.submit(WITH_NINE, "a")
    recipients.conclude(WITH_NINE, Failed(error=Error("lookup_failed")))
    recipients.wake(WITH_NINE)
    recipients.answer(WITH_NINE)
    recipients.deliver()
    assert recipients.get(WITHOUT).messages["a"].attempts == 1


def test_a_repeat_between_hop_and_dispatch_is_answered(recipients: Recipients) -> None:
    """A message that was accepted under the other number has a status to repeat."""
    recipients.get(WITHOUT).accounts = {}
    recipients.submit(WITHOUT, "first")
    recipients.submit(WITH_NINE, "a")
    recipients.answer(WITH_NINE)
    recipients.deliver()
    recipients.submit(WITHOUT, "a")
    assert recipients.statuses_of("a") == [(WITH_NINE, "accepted"), (WITHOUT, "accepted")]


def test_an_alias_that_turns_round_ends(recipients: Recipients) -> None:
    """WhatsApp moves the chat to the other number and back: the newest answer wins, and nothing loops."""
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    recipients.now_s += recipients.policy.lookup_cache_found_s - 1
    recipients.canonical = {WITHOUT: WITH_NINE}
    forget_chat(recipients.get(WITHOUT))
    recipients.submit(WITHOUT, "b")
    recipients.settle()
    recipients.submit(WITH_NINE, "c")
    recipients.submit(WITHOUT, "d")
    recipients.settle()
    assert recipients.shown_ids(f"chat of {WITH_NINE}") == ["b", "c", "d"]


def test_answers_that_contradict_each_other_end(recipients: Recipients) -> None:
    """Each number is said to be the other: after a few hops, the message is sent all the same."""
    recipients.canonical = {WITH_NINE: WITHOUT, WITHOUT: THIRD, THIRD: WITH_NINE}
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    assert recipients.shown_ids() == ["a"]
    assert recipients.hop_count <= forwarding.MAX_HOPS + 1


def test_an_alias_is_asked_for_again_after_its_time(recipients: Recipients) -> None:
    """A number that got a new owner is a recipient of its own again."""
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    recipients.now_s += recipients.policy.lookup_cache_found_s
    recipients.canonical.clear()
    recipients.submit(WITH_NINE, "b")
    recipients.settle()
    assert recipients.shown_ids(f"chat of {WITH_NINE}") == ["b"]
    row = recipients.get(WITH_NINE).row
    assert row
    assert row.alias is None


def test_an_alias_outlives_the_idempotency_window(recipients: Recipients) -> None:
    """Until then a repeat may come; afterwards the row is forgotten, and learned again."""
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    world = recipients.get(WITH_NINE)
    assert world.row
    recipients.now_s += recipients.policy.idempotency_window_s - 1
    assert not is_idle(world.row, recipients.now_s, recipients.policy)
    recipients.now_s += 1
    assert is_idle(world.row, recipients.now_s, recipients.policy)
    recipients.get(WITH_NINE).apply(RetentionElapsed(phone=WITH_NINE))
    assert world.row is None


def test_an_outcome_of_the_old_dispatch_changes_nothing(recipients: Recipients) -> None:
    """The sender repeats `moved` after a crash: the message is elsewhere already."""
    recipients.submit(WITH_NINE, "a")
    recipients.settle()
    repeated = make_outcome(Moved(phone=WITHOUT), phone=WITH_NINE)
    assert recipients.get(WITH_NINE).apply(repeated) == []


requests = st.lists(
    st.tuples(
        st.sampled_from([WITH_NINE, WITHOUT, THIRD]),
        st.sampled_from([f"m{i}" for i in range(8)]),
        st.sampled_from(["normal", "urgent", "bulk"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=120, deadline=None)
@given(requests=requests, has_duplicates=st.booleans(), data=st.data())
def test_nothing_is_lost_or_shown_twice(
    requests: list[tuple[str, str, Any, int]], has_duplicates: bool, data: st.DataObject
) -> None:
    """Three spellings of one chat, in any order, with every effect published once or twice."""
    recipients = Recipients(
        policy=Policy(rate_limit_per_minute=3, clock_skew_s=0.0),
        canonical={WITH_NINE: WITHOUT, THIRD: WITHOUT},
        has_duplicates=has_duplicates,
    )
    for phone, request_id, priority, steps in requests:
        recipients.submit(phone, request_id, priority)
        for _ in range(steps):
            _do_something(recipients, data)
    recipients.settle()
    shown = recipients.count_shown()
    assert set(shown) == {(f"chat of {WITHOUT}", request[1]) for request in requests}
    assert set(shown.values()) <= {1}
    times_s = [at_s for _, _, at_s in recipients.shown]
    assert all(b - a >= 60 for a, b in zip(times_s, times_s[3:], strict=False))
    _check_answers(recipients)


def _do_something(recipients: Recipients, data: st.DataObject) -> None:
    busy = [p for p, w in recipients.phones.items() if w.row and w.row.in_flight]
    choices = (["deliver"] if recipients.log else []) + sorted(busy)
    if choices:
        choice = data.draw(st.sampled_from(choices))
        recipients.deliver() if choice == "deliver" else recipients.answer(choice)


def _check_answers(recipients: Recipients) -> None:
    """One fact has one event id, and `sent` is published under the number of the chat alone."""
    facts: dict[tuple[str, str, str, str], PublishStatus] = {}
    for phone, status in recipients.statuses:
        event_id = (phone, status.id, status.status, status.event_id_suffix)
        assert facts.setdefault(event_id, status) == status
        assert status.status != "sent" or phone == WITHOUT
