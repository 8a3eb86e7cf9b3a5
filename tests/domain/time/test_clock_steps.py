"""Rows from the future: what a step makes of them after the broker's clock was set back, or jumped ahead."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.clock_steps import MAX_HOLD_S, correct_message, correct_phone
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Sent, TimerFired
from streams.domain.phone.scheduling.scheduler import EARLY_TIMER_DELAY_S, Scheduler
from streams.domain.phone.state import Chat, Closure, InFlight, Message, Phone
from streams.domain.policy import Policy
from streams.domain.rate_limit import WINDOW_S
from streams.testing.phone_world import PHONE, PhoneWorld

NOW_S = 1_700_000_000.0
POLICY = Policy(rate_limit_per_minute=5)
HOUR_S, DAY_S = 3600.0, 86_400.0

times_s = st.one_of(st.just(0.0), st.floats(NOW_S - 1e9, NOW_S + 1e9))
chats = st.builds(
    Chat, chat_id=st.sampled_from([None, "60123456789@c.us"]), valid_until_s=times_s.map(abs)
)
phones = st.builds(
    Phone,
    phone=st.just(PHONE),
    last_active_s=times_s,
    timer_at_s=times_s,
    send_times_s=st.lists(st.floats(NOW_S - 1e9, NOW_S + 1e9), max_size=5).map(
        lambda values: tuple(sorted(values))
    ),
    chat=st.none() | chats,
    closures=st.dictionaries(
        st.sampled_from("ab"), st.builds(Closure, until_s=times_s, retry_at_s=times_s)
    ),
)
MESSAGE_TIMES = (
    "changed_s",
    "not_before_s",
    "in_doubt_since_s",
    "held_back_until_s",
    "first_failed_at_s",
    "completed_at_s",
    "send_at_s",
    "expires_at_s",
)
messages = st.builds(
    Message, id=st.just("a"), offset=st.just(0), **dict.fromkeys(MESSAGE_TIMES, times_s)
)


@given(phones)
def test_no_time_of_a_phone_is_later_than_its_rule_allows(row: Phone) -> None:
    """Whatever is stored: nothing was sent after now, nothing is remembered or held for longer than it may be."""
    corrected = correct_phone(row, NOW_S, POLICY)
    assert all(at_s <= NOW_S for at_s in (*corrected.send_times_s, corrected.last_active_s))
    assert len(corrected.send_times_s) == len(row.send_times_s)
    assert corrected.timer_at_s <= NOW_S + MAX_HOLD_S
    for closure in corrected.closures.values():
        assert max(closure.until_s, closure.retry_at_s) <= NOW_S + MAX_HOLD_S
    if corrected.chat is not None:
        is_on_whatsapp = corrected.chat.chat_id is not None
        remembered_s = POLICY.lookup_cache_found_s if is_on_whatsapp else POLICY.lookup_cache_s
        assert corrected.chat.valid_until_s <= NOW_S + remembered_s
    assert correct_phone(corrected, NOW_S, POLICY) == corrected


@given(messages)
def test_no_time_of_a_message_is_later_than_its_rule_allows(row: Message) -> None:
    """What happened is not after now; what a caller chose is as it was."""
    corrected = correct_message(row, NOW_S)
    for at_s in (
        corrected.changed_s,
        corrected.in_doubt_since_s,
        corrected.first_failed_at_s,
        corrected.completed_at_s,
    ):
        assert at_s <= NOW_S
    assert max(corrected.not_before_s, corrected.held_back_until_s) <= NOW_S + MAX_HOLD_S
    assert (corrected.send_at_s, corrected.expires_at_s) == (row.send_at_s, row.expires_at_s)
    assert correct_message(corrected, NOW_S) == corrected


@given(phones, st.floats(0, 1e9))
def test_a_row_waits_no_longer_than_when_it_was_written(row: Phone, back_s: float) -> None:
    """After a step back, each time is at most as far ahead as it was at the moment of writing."""
    row = replace(row, last_active_s=NOW_S)
    corrected = correct_phone(row, NOW_S - back_s, POLICY)
    waits_s = [(row.timer_at_s, corrected.timer_at_s)]
    waits_s += [
        (row.closures[name].until_s, closure.until_s)
        for name, closure in corrected.closures.items()
    ]
    for before_s, after_s in waits_s:
        assert after_s - (NOW_S - back_s) <= max(before_s - NOW_S, 0) + 1e-3


def test_a_row_of_the_past_is_not_changed() -> None:
    """The rows of a clock that goes on are read as they are."""
    row = Phone(
        phone=PHONE,
        last_active_s=NOW_S - 5,
        timer_at_s=NOW_S + 55,
        send_times_s=(NOW_S - 65, NOW_S - 5),
        chat=Chat(chat_id="60123456789@c.us", valid_until_s=NOW_S + 600),
        closures={"a": Closure(until_s=NOW_S + DAY_S, retry_at_s=NOW_S + 30)},
    )
    assert correct_phone(row, NOW_S, POLICY) is row
    message = Message(id="a", offset=0, changed_s=NOW_S - 5, not_before_s=NOW_S + 300)
    assert correct_message(message, NOW_S) is message


def make_world(**fields: Any) -> PhoneWorld:
    return PhoneWorld(policy=POLICY, now_s=NOW_S, **fields)


def send_all(world: PhoneWorld, count: int, prefix: str = "m") -> None:
    """So many messages are requested, and each that is dispatched is sent at once."""
    for number in range(count):
        world.submit(f"{prefix}{number}")
    while world.row is not None and world.row.in_flight is not None:
        world.conclude(Sent(at_s=0.0))


def test_the_limit_counts_from_the_append_of_the_outcome() -> None:
    """What a sender says about the time decides nothing: neither too early nor too late."""
    for sender_s in (0.0, NOW_S - DAY_S, NOW_S + DAY_S):
        world = make_world()
        for number in range(6):
            world.submit(f"m{number}")
        for result in (Sent(at_s=sender_s), OutcomeUnknown(at_s=sender_s, error=Error("x"))) * 3:
            if world.row is not None and world.row.in_flight is not None:
                world.conclude(result)
        assert world.row is not None
        assert world.row.send_times_s == (NOW_S,) * 5
        assert len(world.dispatched_ids()) == 5


def test_statuses_have_the_append_time() -> None:
    """Also those of receipts and of outcomes whose sender has another clock."""
    world = make_world()
    send_all(world, 1)
    assert {e.at_s for e in world.effects if isinstance(e, PublishStatus)} == {NOW_S}


@given(st.floats(1, 1e8))
def test_a_step_back_holds_a_recipient_for_a_window_at_most(back_s: float) -> None:
    """A recipient at its limit waits for a window from the first event after the step, and not until the old time."""
    world = make_world()
    send_all(world, 6)
    world.now_s += 10 - back_s
    world.fire_timer()
    assert len(world.dispatched_ids()) == 5
    world.now_s += WINDOW_S + POLICY.clock_skew_s
    world.fire_timer()
    assert len(world.dispatched_ids()) == 6


@given(st.floats(60, 1e8))
def test_a_jump_ahead_lets_no_more_through(ahead_s: float) -> None:
    """The jump is not accepted for a window, and what is sent meanwhile counts at its append time afterwards."""
    world = make_world()
    send_all(world, 12)
    assert len(world.dispatched_ids()) == 5
    for second in range(1, 60):
        world.now_s = NOW_S + second
        world.append_s = world.now_s + ahead_s
        world.fire_timer()
        send_all(world, 0)
    assert len(world.dispatched_ids()) == 5
    world.now_s = NOW_S + 59.9 + POLICY.clock_skew_s
    world.append_s = world.now_s + ahead_s
    world.fire_timer()
    send_all(world, 0)
    sent_before = len(world.dispatched_ids())
    world.now_s, world.append_s = world.append_s + 1, None
    world.fire_timer()
    send_all(world, 0)
    assert len(world.dispatched_ids()) in (5, 10)
    assert sent_before in (5, 10)
    world.now_s += 30
    world.fire_timer()
    send_all(world, 0)
    assert len(world.dispatched_ids()) == 10, "ten in the last minute, or five"


def test_what_is_sent_before_a_jump_is_accepted_counts_afterwards() -> None:
    """Five go in the last second before the jump is accepted; no other one goes in the second after."""
    world = make_world()
    world.append_s = NOW_S + HOUR_S
    send_all(world, 6)
    assert len(world.dispatched_ids()) == 5
    world.now_s, world.append_s = NOW_S + HOUR_S + 1, None
    world.fire_timer()
    assert len(world.dispatched_ids()) == 5
    world.now_s += WINDOW_S
    world.fire_timer()
    assert len(world.dispatched_ids()) == 6


def test_a_retry_after_a_step_back_is_not_late() -> None:
    """It waits as long as it had to, and not until the old time comes again."""
    world = make_world()
    world.submit("a")
    world.conclude(Failed(error=Error("server_error")))
    world.now_s += 0.001 - DAY_S
    world.fire_timer()
    assert world.row is not None
    assert world.row.timer_at_s <= world.now_s + POLICY.retry_delay_s
    world.now_s += POLICY.retry_delay_s
    world.fire_timer()
    assert world.dispatched_ids() == ["a", "a"]


def test_a_doubt_after_a_step_back_ends_in_time() -> None:
    """`unknown` comes after `unknown_after_s` from the step at the latest."""
    world = make_world()
    world.submit("a")
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    world.now_s -= DAY_S
    world.accounts = {}
    world.fire_timer()
    world.now_s += POLICY.unknown_after_s + 1
    world.fire_timer()
    assert world.statuses("a")[-1] == "unknown"


def test_a_timer_that_fires_early_does_not_loop() -> None:
    """If the clock of the timers is ahead, the next event of the same timer comes half a second later."""
    scheduler = Scheduler(8)
    row = Phone(phone=PHONE, timer_at_s=NOW_S + 10, timer_version=1)
    scheduler.update(PHONE, row)
    fired = scheduler.pop_due_events(NOW_S + 10)
    assert fired == [TimerFired(phone=PHONE, timer_version=1)]
    scheduler.update(PHONE, replace(row, timer_version=2))
    assert scheduler.pop_due_events(NOW_S + 10) == []
    assert scheduler.next_timer_at_s() == NOW_S + 10 + EARLY_TIMER_DELAY_S
    [again] = scheduler.pop_due_events(NOW_S + 10 + EARLY_TIMER_DELAY_S)
    scheduler.update(PHONE, replace(row, timer_version=3, timer_at_s=NOW_S + 20))
    assert again == TimerFired(phone=PHONE, timer_version=2)
    assert scheduler.next_timer_at_s() == NOW_S + 20


def test_timers_keep_what_is_left_of_them() -> None:
    """After a step of the clock, each fires when it would have fired."""
    scheduler = Scheduler(8)
    scheduler.update(PHONE, Phone(phone=PHONE, timer_at_s=NOW_S + 10, timer_version=1))
    scheduler.shift_timers(-HOUR_S)
    assert scheduler.pop_due_events(NOW_S - HOUR_S + 9) == []
    assert len(scheduler.pop_due_events(NOW_S - HOUR_S + 10)) == 1


def test_an_overdue_flight_is_given_up_as_early_as_when_it_was_marked() -> None:
    """After a step back the mark moves along; the deadline does not, because the command still has it."""
    in_flight = InFlight(
        id="a",
        account="main",
        dispatch_number=1,
        since_s=NOW_S - 40,
        deadline_s=NOW_S - 10,
        overdue_since_s=NOW_S,
    )
    row = Phone(phone=PHONE, last_active_s=NOW_S, in_flight=in_flight)
    corrected = correct_phone(row, NOW_S - DAY_S, POLICY).in_flight
    assert corrected == replace(in_flight, overdue_since_s=NOW_S - DAY_S)
