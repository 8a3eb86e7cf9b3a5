"""What always holds for a phone, for any events in any order."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import CODES, Error
from streams.domain.phone.effects import Dispatch, Effect, PublishStatus
from streams.domain.phone.events import (
    PRIORITIES,
    Deferred,
    Failed,
    OutcomeUnknown,
    ReceiptSeen,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    TimerFired,
)
from streams.domain.phone.lifecycle import DISPATCH_TRANSITIONS, TRANSITIONS
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Phone, State
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld

# How far each status is in the life of one generation of a message. Only `queued` may be repeated.
RANKS = {
    "accepted": 0,
    "queued": 1,
    "unknown": 2,
    "sent": 3,
    "failed": 3,
    "expired": 3,
    "delivered": 4,
    "read": 5,
    "played": 6,
}
ENDS = ("failed", "unknown", "rejected")  # a replay of the dead letter may follow
ACCOUNTS = ("main", "other")
ids = st.sampled_from([f"m{i}" for i in range(12)])
errors = st.sampled_from(sorted(CODES)).map(Error)
delays = st.floats(0, 5)


class PhoneMachine(RuleBasedStateMachine):
    """A phone whose caller, sender, clock and accounts do anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PhoneWorld(
            policy=Policy(
                rate_limit_per_minute=3,
                max_queue=6,
                clock_skew_s=0.5,
                idempotency_window_s=120.0,
            )
        )
        self.arrivals: list[float] = []
        # Generations of messages, by the offset of the event that made their row.
        self.arrived: set[int] = set()
        self.proved: set[int] = set()
        self.forced: set[str] = set()  # replayed by a person who insists
        self.facts: dict[tuple[str, str, str], PublishStatus] = {}  # by event id
        self.request_count = 0
        self.seen_effects = 0
        self.seen_changes = 0
        self.published: dict[str, list[PublishStatus]] = {}  # of remembered requests
        # (id, offset of its row) → priority and account
        self.first_dispatches: dict[tuple[str, int], tuple[str, str]] = {}

    @initialize(free=st.integers(0, 2))
    def begin(self, free: int) -> None:
        self.world.accounts = {
            name: Capacity(name == "main", free if name == "main" else 0) for name in ACCOUNTS
        }

    @rule(
        priority=st.sampled_from(PRIORITIES),
        wait_s=st.sampled_from([0.0, 0.0, 20.0]),
        live_s=st.sampled_from([0.0, 0.0, 30.0]),
        account=st.sampled_from([None, None, None, *ACCOUNTS]),
    )
    def submit(self, priority: str, wait_s: float, live_s: float, account: str | None) -> None:
        now_s = self.world.now_s
        self.request_count += 1
        self.world.submit(
            f"f{self.request_count:04}",
            priority,  # pyright: ignore[reportArgumentType]
            send_at_s=now_s + wait_s if wait_s else 0.0,
            expires_at_s=now_s + live_s if live_s else 0.0,
            account=account,
        )

    @rule(request_id=ids)
    def submit_again(self, request_id: str) -> None:
        self.world.submit(request_id)

    @precondition(lambda self: any(m.dead_letter_id for m in self.world.messages.values()))
    @rule(data=st.data(), is_forced=st.booleans())
    def replay(self, data: st.DataObject, *, is_forced: bool) -> None:
        dead = [m for m in self.world.messages.values() if m.dead_letter_id]
        message = data.draw(st.sampled_from(dead))
        if is_forced:
            self.forced.add(message.id)
        self.world.submit(
            message.id,
            message.priority,
            replay_of=message.dead_letter_id,
            allow_duplicate=is_forced,
        )

    @rule(by_s=st.floats(0, 40))
    def time_passes(self, by_s: float) -> None:
        self.world.now_s += by_s

    @rule(
        name=st.sampled_from(ACCOUNTS),
        ready=st.booleans(),
        free=st.integers(0, 2),
        new_chats=st.booleans(),
    )
    def account_changes(self, name: str, *, ready: bool, free: int, new_chats: bool) -> None:
        self.world.accounts = {**self.world.accounts, name: Capacity(ready, free, new_chats)}

    # -- the sender and WhatsApp

    def _arrive(self, request_id: str) -> None:
        """WhatsApp has the message of this generation, since now if it has not had it before."""
        offset = self.world.messages[request_id].offset
        if offset not in self.arrived:
            self.arrived.add(offset)
            self.arrivals.append(self.world.now_s)

    def _arrive_in_flight(self) -> None:
        assert self.world.row and self.world.row.in_flight
        self._arrive(self.world.row.in_flight.id)

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(took_s=delays, late_s=delays)
    def sent(self, took_s: float, late_s: float) -> None:
        """The message arrives after the dispatch; the reported time is never before the arrival."""
        self.world.now_s += took_s
        self._arrive_in_flight()
        self.world.now_s += late_s
        self.world.conclude(Sent(at_s=self.world.now_s))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors)
    def fails(self, error: Error) -> None:
        if error.error_class.value == "unknown":
            self._arrive_in_flight()
        self.world.conclude(Failed(error=error))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors, in_doubt=st.booleans(), arrives=st.booleans(), late_s=delays)
    def deferred(self, error: Error, *, in_doubt: bool, arrives: bool, late_s: float) -> None:
        """A message in doubt may have arrived with its attempt."""
        if in_doubt and arrives:
            self._arrive_in_flight()
        self.world.now_s += late_s
        self.world.conclude(Deferred(error=error, in_doubt=in_doubt))

    @precondition(lambda self: any(m.pinned_to for m in self.world.messages.values()))
    @rule(data=st.data())
    def pending_is_sent(self, data: st.DataObject) -> None:
        """A page connects again, and sends a message in doubt that was pending in it."""
        in_doubt = sorted(m.id for m in self.world.messages.values() if m.pinned_to)
        self._arrive(data.draw(st.sampled_from(in_doubt)))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule()
    def unknown(self) -> None:
        self._arrive_in_flight()
        self.world.conclude(OutcomeUnknown(at_s=self.world.now_s, error=Error("outcome_unknown")))

    @precondition(lambda self: self.world.row)
    @rule(stale=st.booleans())
    def timer_fires(self, stale: bool) -> None:
        assert self.world.row
        self.world.apply(
            TimerFired(phone=PHONE, timer_version=self.world.row.timer_version - stale)
        )

    @rule()
    def schedule_is_due(self) -> None:
        for message in list(self.world.messages.values()):
            if message.send_at_s and message.send_at_s <= self.world.now_s:
                self.world.apply(ScheduleDue(phone=PHONE, id=message.id))

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data(), receipt=st.sampled_from(["sent", "delivered", "read", "played"]))
    def receipt_is_seen(self, data: st.DataObject, receipt: str) -> None:
        """A late ack or a receipt: of any message, at any time, in any order, and repeated."""
        message = self.world.messages[data.draw(st.sampled_from(sorted(self.world.messages)))]
        if message.state is State.DISPATCHED or message.pinned_to:
            self._arrive(message.id)  # at the latest: the receipt proves it
        event = ReceiptSeen(
            phone=PHONE,
            id=message.id,
            account="main",
            whatsapp_id="x",
            receipt=receipt,  # pyright: ignore[reportArgumentType]
            at_s=self.world.now_s,
        )
        self.world.apply(event)
        was_tried = message.dispatches or message.state not in OPEN_STATES
        if was_tried and message.state not in (State.FAILED, State.EXPIRED):
            self.proved.add(message.offset)

    @rule()
    def retention_elapses(self) -> None:
        self.world.apply(RetentionElapsed(phone=PHONE, ids=tuple(self.world.messages)))

    @invariant()
    def never_over_the_limit(self) -> None:
        limit = self.world.policy.rate_limit_per_minute
        times = sorted(self.arrivals)
        assert all(late - early > 60 for early, late in zip(times, times[limit:], strict=False))

    @invariant()
    def what_is_proved_stays_so(self) -> None:
        """It is not in doubt and not unknown any more; in flight, it waits only for its outcome."""
        proved = [m for m in self.world.messages.values() if m.offset in self.proved]
        assert all(m.state in (State.DISPATCHED, *DELIVERY_STATES) for m in proved)

    @invariant()
    def the_queues_are_consistent(self) -> None:
        """Queues, slots, counts and messages agree."""
        row = self.world.row or Phone(phone=PHONE)
        waiting = [m for m in self.world.messages.values() if m.state in OPEN_STATES and m.seq >= 0]
        assert len(self.world.slots) == len(waiting)
        assert {m.id for m in waiting} == set(self.world.slots.values())
        assert set(row.queues) == {m.queue_name for m in waiting}
        for name, queue in row.queues.items():
            seqs = [m.seq for m in waiting if m.queue_name == name]
            assert queue.count == len(seqs)
            assert all(queue.head <= seq < queue.tail for seq in seqs)
        parked = {p.id: p.priority for p in row.parked}
        assert all(self.world.messages[i].priority == p for i, p in parked.items())
        beside = [m for m in self.world.messages.values() if m.state in OPEN_STATES and m.seq < 0]
        assert {m.id for m in beside if m.state is not State.SCHEDULED} == set(parked)
        assert sum(m.state is State.SCHEDULED for m in beside) == row.scheduled_count
        assert self.world.payloads == {
            m.id for m in self.world.messages.values() if m.state in OPEN_STATES
        }

    @invariant()
    def nothing_is_stuck(self) -> None:
        """A phone with messages has one in flight, a timer, or something to wait for."""
        row = self.world.row
        if row is not None and row.waiting_count - row.scheduled_count > 0:
            assert row.in_flight or row.timer_at_s or row.waits

    @invariant()
    def every_change_is_in_the_table(self) -> None:
        """One change by the event itself, and one more if the message was dispatched or given up."""
        for event, before, after in self.world.changes[self.seen_changes :]:
            by_event = {before} | TRANSITIONS[event].get(before, frozenset())
            is_by_dispatch = State.WAITING in by_event and (
                after in DISPATCH_TRANSITIONS[State.WAITING]
            )
            by_receipt = TRANSITIONS[event].get(State.SENT, frozenset())
            is_by_receipt = State.SENT in by_event and after in by_receipt
            assert after in by_event or is_by_dispatch or is_by_receipt
        self.seen_changes = len(self.world.changes)

    @invariant()
    def statuses_come_once_and_in_order(self) -> None:
        """One generation has `accepted`, any number of `queued`, one final status, and receipts after `sent`."""
        for effect in self.world.effects[self.seen_effects :]:
            self._follow(effect)
        self.seen_effects = len(self.world.effects)
        self.published = {
            i: earlier for i, earlier in self.published.items() if i in self.world.messages
        }
        self.facts = {i: fact for i, fact in self.facts.items() if i[0] in self.world.messages}

    def _follow(self, effect: Effect) -> None:
        if isinstance(effect, Dispatch):
            message = self.world.messages[effect.id]
            if not message.send_at_s:
                dispatch = (message.priority, effect.account)
                self.first_dispatches.setdefault((message.id, message.offset), dispatch)
        if not isinstance(effect, PublishStatus):
            return
        earlier = self.published.get(effect.id, [])
        if earlier and effect == earlier[-1]:
            return  # the answer to a repeat
        event_id = (effect.id, effect.status, effect.event_id_suffix)
        assert self.facts.setdefault(event_id, effect) == effect, "two facts have one event id"
        statuses = [status.status for status in earlier if status.status != "rejected"]
        if effect.status in ("rejected", "accepted"):
            may_be_replayed = effect.id in self.forced or (earlier and earlier[-1].status in ENDS)
            assert not earlier or may_be_replayed
        elif statuses[-1] == "unknown":
            assert effect.status == "sent", "only a receipt may follow a final status"
        else:
            is_queued_again = statuses[-1] == effect.status == "queued"
            is_forward = RANKS[effect.status] > RANKS[statuses[-1]]
            assert is_queued_again or is_forward, (statuses[-1], effect.status)
            if RANKS[effect.status] > RANKS["sent"]:
                assert "sent" in statuses
        if effect.status == "accepted":
            assert effect.event_id_suffix == str(self.world.messages[effect.id].generation)
            earlier = []
        self.published[effect.id] = [*earlier, effect]

    def teardown(self) -> None:
        """Messages of one priority and account were first dispatched in the order of their acceptance."""
        for dispatch in set(self.first_dispatches.values()):
            order = [at for (_, at), other in self.first_dispatches.items() if other == dispatch]
            assert all(early < late for early, late in pairwise(order))


TestAPhone = PhoneMachine.TestCase
TestAPhone.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
