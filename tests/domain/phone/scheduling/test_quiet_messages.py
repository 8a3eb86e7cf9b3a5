"""Marketing messages in the quiet hours of their recipient: they wait for the end, and hold up nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import Deferred, Failed, ScheduleDue, Sent
from streams.domain.phone.state import State
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.phone.waiting import explain
from streams.domain.policy import Policy
from streams.domain.quiet_hours import parse_quiet_hours
from streams.testing.phone_world import PhoneWorld

PHONE = "+905550000001"  # Istanbul: UTC+3 all year
EVENING_S = datetime(2026, 11, 27, 17, 59, tzinfo=UTC).timestamp()  # 20:59
NIGHT_S = EVENING_S + 3600
MORNING_S = datetime(2026, 11, 28, 5, 0, tzinfo=UTC).timestamp()  # 8:00
POLICY = Policy(quiet_hours=parse_quiet_hours("21:00-08:00"))


@pytest.fixture
def world() -> PhoneWorld:
    """A recipient in Istanbul, at night."""
    return PhoneWorld(phone=PHONE, policy=POLICY, now_s=NIGHT_S)


def submit(world: PhoneWorld, request_id: str, **fields: Any) -> None:
    world.submit(request_id, category="marketing", **fields)


def wake(world: PhoneWorld) -> None:
    """The phone's timer fires at its time."""
    assert world.row is not None
    assert world.row.timer_at_s
    world.wait_for_timer()


def last_queued(world: PhoneWorld) -> tuple[str | None, float]:
    statuses = [e for e in world.effects if isinstance(e, PublishStatus) and e.status == "queued"]
    return statuses[-1].reason, statuses[-1].due_at_s


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_marketing_message_waits_for_the_morning(world: PhoneWorld, priority: Any) -> None:
    """An urgent one too. It says so, with the time, and is sent at the end of the hours."""
    submit(world, "a", priority=priority)
    assert last_queued(world) == ("quiet_hours", MORNING_S)
    assert world.row is not None
    assert explain(world.row, world.messages["a"])[:2] == ("quiet_hours", MORNING_S)
    wake(world)
    assert world.now_s == MORNING_S
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a") == ["accepted", "queued", "sent"]


def test_other_messages_are_not_held_up(world: PhoneWorld) -> None:
    """A transactional message of the same priority that came later is sent at once."""
    submit(world, "ad", priority="urgent")
    submit(world, "second ad")
    world.submit("code")
    assert world.dispatched_ids() == ["code"]
    assert world.row is not None
    assert explain(world.row, world.messages["second ad"]).reason == "quiet_hours"
    world.conclude(Sent(at_s=world.now_s))
    world.submit("next code", account="main")
    assert world.dispatched_ids() == ["code", "next code"]


def test_marketing_messages_stay_in_order(world: PhoneWorld) -> None:
    """In the morning, and with those of other categories by arrival."""
    submit(world, "a")
    submit(world, "b")
    wake(world)
    world.submit("c")
    for _ in range(3):
        world.conclude(Sent(at_s=world.now_s))
    assert world.dispatched_ids() == ["a", "b", "c"]


def test_each_waiting_message_reports_the_reason(world: PhoneWorld) -> None:
    """Not only the first one."""
    submit(world, "a")
    submit(world, "b")
    assert world.statuses("b") == ["accepted", "queued"]


@pytest.mark.parametrize("expires_at_s", [NIGHT_S + 60, MORNING_S])
def test_a_message_that_would_expire_first_expires_at_once(
    world: PhoneWorld, expires_at_s: float
) -> None:
    """Also behind another one. At its expiry it may not be sent any more."""
    submit(world, "a")
    submit(world, "b", expires_at_s=expires_at_s)
    submit(world, "c", expires_at_s=MORNING_S + 1)
    assert world.statuses("b") == ["accepted", "expired"]
    assert world.statuses("c") == ["accepted", "queued"]


def test_a_waiting_message_expires_when_the_hours_begin(world: PhoneWorld) -> None:
    """It is known from then on that it is not sent in time."""
    world.now_s = EVENING_S
    world.accounts = {}
    submit(world, "a", expires_at_s=NIGHT_S + 3600)
    assert last_queued(world)[0] == "no_account"
    world.now_s = NIGHT_S
    submit(world, "b")
    assert world.statuses("a")[-1] == "expired"


def test_a_scheduled_message_is_judged_at_its_time(world: PhoneWorld) -> None:
    """Its `send_at` lies in the night."""
    world.now_s = EVENING_S
    submit(world, "a", send_at_s=NIGHT_S)
    submit(world, "b", send_at_s=NIGHT_S, expires_at_s=MORNING_S)
    world.now_s = NIGHT_S
    for request_id in ("a", "b"):
        world.apply(ScheduleDue(phone=PHONE, id=request_id))
    assert last_queued(world) == ("quiet_hours", MORNING_S)
    assert world.messages["b"].state is State.EXPIRED


def test_a_retry_is_judged_too(world: PhoneWorld) -> None:
    """The first attempt was before the hours."""
    world.now_s = EVENING_S
    submit(world, "a")
    world.now_s = NIGHT_S
    world.conclude(Failed(error=Error("server_error")))
    assert last_queued(world) == ("quiet_hours", MORNING_S)
    assert world.dispatched_ids() == ["a"]


def test_no_sender_submits_it_after_the_hours_have_begun(world: PhoneWorld) -> None:
    """The dispatch carries the time: a dispatcher or a sender may lag behind."""
    world.now_s = EVENING_S
    submit(world, "a", expires_at_s=MORNING_S + 60)
    (dispatch,) = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert dispatch.submit_before_s == EVENING_S + 60
    world.now_s = EVENING_S + 60
    world.conclude(Deferred(error=Error("deadline_exceeded")))
    assert last_queued(world)[0] == "quiet_hours"


def test_a_message_in_doubt_is_looked_for_at_night(world: PhoneWorld) -> None:
    """It is not submitted again, and does not become unknown because it is night."""
    world.now_s = EVENING_S
    submit(world, "a")
    world.now_s = NIGHT_S
    in_doubt = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)
    world.conclude(in_doubt)
    wake(world)
    dispatches = [effect for effect in world.effects if isinstance(effect, Dispatch)]
    assert dispatches[-1].submit_before_s == world.now_s < MORNING_S
    world.conclude(in_doubt)
    assert world.messages["a"].held_back_until_s == MORNING_S
    world.now_s = MORNING_S - 1
    world.apply(ScheduleDue(phone=PHONE, id="a"))
    assert world.messages["a"].state is not State.UNKNOWN


def test_hours_without_end_fail(world: PhoneWorld) -> None:
    """A number that may be anywhere in Russia, and hours that leave one hour a day."""
    world = PhoneWorld(
        phone="+79161234567", policy=Policy(quiet_hours=parse_quiet_hours("12:00-11:00"))
    )
    submit(world, "a")
    assert world.statuses("a") == ["accepted", "failed"]
    assert [letter.error.code for letter in world.dead_letters()] == ["no_sending_hours"]


def test_the_next_night_has_another_end(world: PhoneWorld) -> None:
    """A message that had no account all day reports the new time."""
    submit(world, "a")
    world.accounts = {}
    wake(world)
    assert last_queued(world)[0] == "no_account"
    world.now_s = NIGHT_S + 86_400
    world.submit("b")
    assert last_queued(world) == ("no_account", 0.0)
    queued = [e for e in world.effects if isinstance(e, PublishStatus) and e.id == "a"]
    assert (queued[-1].reason, queued[-1].due_at_s) == ("quiet_hours", MORNING_S + 86_400)


Step = tuple[str, Any]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("code"), st.sampled_from(PRIORITIES)),
        st.tuples(st.just("ad"), st.sampled_from(PRIORITIES)),
        st.tuples(st.just("sent"), st.none()),
        st.tuples(st.just("time"), st.sampled_from([10.0, 600.0, 7200.0])),
    ),
    max_size=30,
)


def run(script: list[Step], *, with_ads: bool) -> list[tuple[str, float]]:
    """The dispatches, with their times, of a recipient whose quiet hours never end in the script."""
    world = PhoneWorld(phone=PHONE, policy=POLICY, now_s=NIGHT_S)
    dispatches: list[tuple[str, float]] = []
    for number, (action, value) in enumerate(script):
        seen = len(world.dispatched_ids())
        if action == "code" or (action == "ad" and with_ads):
            category = "marketing" if action == "ad" else "transactional"
            world.submit(f"{action}{number}", value, category=category)
        elif action == "time" and world.now_s + value < MORNING_S:
            world.now_s += value
        elif action == "sent" and world.row and world.row.in_flight:
            world.conclude(Sent(at_s=world.now_s))
        dispatches += [(request_id, world.now_s) for request_id in world.dispatched_ids()[seen:]]
    return dispatches


@settings(max_examples=100, deadline=None)
@given(script=steps)
def test_quiet_messages_change_nothing_for_the_others(script: list[Step]) -> None:
    """The others go at the same times and in the same order as if there were no marketing."""
    assert run(script, with_ads=True) == run(script, with_ads=False)
