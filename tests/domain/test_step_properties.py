"""What must hold for a phone whatever happens to it, in whatever order."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import CODES, Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import (
    PRIORITIES,
    Deferred,
    Event,
    Failed,
    Outcome,
    OutcomeUnknown,
    ReceiptSeen,
    RequestInfo,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    SourceRecord,
    TimerFired,
)
from streams.domain.phone.state import OPEN_STATES, Phone
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld

FINAL = {"failed", "rejected", "expired", "cancelled", "unknown"}
ids = st.sampled_from([f"m{i}" for i in range(12)])
errors = st.sampled_from(sorted(CODES)).map(Error)
delays = st.floats(0, 5)


class APhone(RuleBasedStateMachine):
    """A phone under a caller, a sender, a clock and accounts that do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PhoneWorld(
            policy=Policy(rate_limit_per_minute=3, max_queue=6, clock_skew_s=0.5)
        )
        self.arrivals: list[float] = []
        self.fresh = 0

    @initialize(free=st.integers(0, 2))
    def begin(self, free: int) -> None:
        self.world.accounts = {"main": Capacity(True, free)}

    @rule(
        priority=st.sampled_from(PRIORITIES),
        wait_s=st.sampled_from([0.0, 0.0, 20.0]),
        live_s=st.sampled_from([0.0, 0.0, 30.0]),
    )
    def submit(self, priority: str, wait_s: float, live_s: float) -> None:
        now_s = self.world.now_s
        self.fresh += 1
        self.world.submit(
            f"f{self.fresh:04}",
            priority,  # pyright: ignore[reportArgumentType]
            send_at_s=now_s + wait_s if wait_s else 0.0,
            expires_at_s=now_s + live_s if live_s else 0.0,
        )

    @rule(request_id=ids)
    def submit_again(self, request_id: str) -> None:
        self.world.submit(request_id)

    @rule(by_s=st.floats(0, 40))
    def time_passes(self, by_s: float) -> None:
        self.world.now_s += by_s

    @rule(ready=st.booleans(), free=st.integers(0, 2))
    def account_changes(self, ready: bool, free: int) -> None:
        self.world.accounts = {"main": Capacity(ready, free)}

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(took_s=delays, late_s=delays)
    def sent(self, took_s: float, late_s: float) -> None:
        """It arrives some time after the release; the time reported is never before the arrival."""
        self.world.now_s += took_s
        self.arrivals.append(self.world.now_s)
        self.world.now_s += late_s
        self.world.conclude(Sent(at_s=self.world.now_s))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors)
    def fails(self, error: Error) -> None:
        if error.error_class.value == "unknown":
            self.arrivals.append(self.world.now_s)
        self.world.conclude(Failed(error=error))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors, claimed=st.booleans())
    def deferred(self, error: Error, claimed: bool) -> None:
        self.world.conclude(Deferred(error=error, in_doubt=claimed))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule()
    def lost(self) -> None:
        self.arrivals.append(self.world.now_s)
        self.world.conclude(OutcomeUnknown(at_s=self.world.now_s, error=Error("outcome_unknown")))

    @precondition(lambda self: self.world.row)
    @rule(stale=st.booleans())
    def woken(self, stale: bool) -> None:
        assert self.world.row
        self.world.apply(
            TimerFired(phone=PHONE, timer_version=self.world.row.timer_version - stale)
        )

    @rule()
    def due(self) -> None:
        for message in list(self.world.messages.values()):
            if message.send_at_s and message.send_at_s <= self.world.now_s:
                self.world.apply(ScheduleDue(phone=PHONE, id=message.id))

    @rule(request_id=ids, ack=st.sampled_from(["delivered", "read", "played"]))
    def acked(self, request_id: str, ack: str) -> None:
        event = ReceiptSeen(
            phone=PHONE,
            id=request_id,
            account="main",
            whatsapp_id="x",
            receipt=ack,  # pyright: ignore[reportArgumentType]
            at_s=self.world.now_s,
        )
        self.world.apply(event)

    @rule()
    def aged(self) -> None:
        self.world.apply(RetentionElapsed(phone=PHONE, ids=tuple(self.world.messages)))

    @invariant()
    def never_over_the_limit(self) -> None:
        limit = self.world.policy.rate_limit_per_minute
        times = sorted(self.arrivals)
        assert all(late - early > 60 for early, late in zip(times, times[limit:], strict=False))

    @invariant()
    def the_queue_is_true(self) -> None:
        """Lanes, slots, counts and messages tell the same story."""
        row = self.world.row or Phone(phone=PHONE)
        waiting = [m for m in self.world.messages.values() if m.state in OPEN_STATES and m.seq >= 0]
        assert len(self.world.slots) == len(waiting)
        assert {m.id for m in waiting} == set(self.world.slots.values())
        for priority in PRIORITIES:
            lane = row.queue(priority)
            assert lane.count == sum(m.priority == priority for m in waiting)
            assert all(lane.head <= m.seq < lane.tail for m in waiting if m.priority == priority)
        assert self.world.payloads == {
            m.id for m in self.world.messages.values() if m.state in OPEN_STATES
        }

    @invariant()
    def what_waits_is_waited_for(self) -> None:
        """A phone with messages has one in flight, a time to look again, or a reason: none is stuck."""
        row = self.world.row
        if row is not None and row.waiting_count - row.scheduled_count > 0:
            assert row.in_flight or row.timer_at_s or row.waits

    @invariant()
    def one_final_status(self) -> None:
        said = Counter(
            (e.id, e.event_id_suffix)
            for e in self.world.effects
            if isinstance(e, PublishStatus) and e.status in FINAL
        )
        facts = {
            (e.id, e.status, e.event_id_suffix)
            for e in self.world.effects
            if isinstance(e, PublishStatus)
        }
        for request_id, n in said:
            assert len({s for i, s, k in facts if (i, k) == (request_id, n) and s in FINAL}) == 1

    def teardown(self) -> None:
        """Messages of one priority were first released in the order of their acceptance."""
        first: list[str] = []
        for effect in self.world.effects:
            if isinstance(effect, Dispatch) and effect.id not in first:
                first.append(effect.id)
        plain = {m.id: m for m in self.world.messages.values() if not m.send_at_s}
        for priority in PRIORITIES:
            order = [plain[i].offset for i in first if i in plain and plain[i].priority == priority]
            assert all(early < late for early, late in pairwise(order))


TestAPhone = APhone.TestCase
TestAPhone.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def _events() -> st.SearchStrategy[Event]:
    number = st.integers(0, 3)
    result = st.one_of(
        st.builds(Sent, at_s=st.just(5.0)),
        st.builds(Failed, error=errors),
        st.builds(Deferred, error=errors, in_doubt=st.booleans()),
        st.builds(OutcomeUnknown, at_s=st.just(5.0), error=errors),
    )
    record = st.builds(SourceRecord, topic=st.just("t"), partition=number, offset=number)
    phone = st.just(PHONE)
    order = st.builds(
        RequestInfo,
        id=ids,
        priority=st.sampled_from(PRIORITIES),
        expires_at_s=st.sampled_from([0.0, 9e5, 2e6]),
    )
    ack = st.sampled_from(["delivered", "read", "played"])
    names = {"account": st.just("main"), "whatsapp_id": st.just("x")}
    return st.one_of(
        st.builds(
            RequestReceived,
            phone=phone,
            request=order,
            source_record=record,
            content=st.just(b"{}"),
        ),
        st.builds(Outcome, phone=phone, id=ids, dispatch_number=number, result=result, **names),
        st.builds(ReceiptSeen, phone=phone, id=ids, receipt=ack, at_s=st.just(6.0), **names),
        st.builds(TimerFired, phone=phone, timer_version=number),
        st.builds(ScheduleDue, phone=phone, id=ids),
        st.builds(RetentionElapsed, phone=phone, ids=st.tuples(ids)),
    )


@given(st.lists(_events(), max_size=40))
@settings(max_examples=200, deadline=None)
def test_step_is_total(events: list[Event]) -> None:
    """Any event on any row gives a row or nothing; it never raises."""
    world = PhoneWorld(policy=Policy(rate_limit_per_minute=2, max_queue=4))
    for event in events:
        world.now_s += 1
        world.apply(event)


@given(st.lists(_events(), max_size=30))
@settings(max_examples=100, deadline=None)
def test_step_is_a_function(events: list[Event]) -> None:
    """The same row and event give the same row: no clock and no dice."""
    once, again = PhoneWorld(), PhoneWorld()
    for event in events:
        assert once.apply(event) == again.apply(event)
        assert once.row == again.row
