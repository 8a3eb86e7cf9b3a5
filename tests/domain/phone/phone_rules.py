"""What can happen to a phone: the rules of a state machine that a property test checks. Checks nothing itself."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import CODES, Error
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import (
    CancelRequested,
    Deferred,
    Failed,
    OutcomeUnknown,
    ReceiptSeen,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    SourceRecord,
    TimerFired,
)
from streams.domain.phone.state import OPEN_STATES, State
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld
from tests.domain.phone.forgetting.forget_rules import ForgetRules

ACCOUNTS = ("main", "other")
ids = st.sampled_from([f"m{i}" for i in range(12)])
errors = st.sampled_from(sorted(CODES)).map(Error)
MAX_WAIT_S = 200.0
delays = st.floats(0, 5)


class PhoneRules(ForgetRules):
    """A phone whose caller, sender, clock and accounts do anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PhoneWorld(
            policy=Policy(
                rate_limit_per_minute=3,
                max_queue=6,
                clock_skew_s=0.5,
                idempotency_window_s=120.0,
                unknown_after_s=100.0,
            )
        )
        self.forced: Counter[str] = Counter()  # how often a person has insisted on a replay
        self.facts: dict[tuple[str, str, str], PublishStatus] = {}  # by event id
        self.request_count = 0
        self.seen_effects = 0
        self.seen_claims = 0  # effects of which it was checked that they claim nothing wrong
        self.seen_changes = 0
        self.published: dict[str, list[PublishStatus]] = {}  # of remembered requests
        # (id, offset of its row) → priority and account
        self.first_dispatches: dict[tuple[str, int], tuple[str, str]] = {}

    @initialize(free=st.integers(1, 2))
    def begin(self, free: int) -> None:
        self.world.accounts = {
            name: Capacity(name == "main", free if name == "main" else 0) for name in ACCOUNTS
        }

    @rule(
        priority=st.sampled_from(PRIORITIES),
        wait_s=st.sampled_from([0.0, 0.0, 0.0, 20.0]),
        live_s=st.sampled_from([0.0, 0.0, 0.0, 30.0]),
        account=st.sampled_from([None, None, None, *ACCOUNTS]),
        category=st.sampled_from(["transactional", "marketing"]),
    )
    def submit(
        self, priority: str, wait_s: float, live_s: float, account: str | None, category: str
    ) -> None:
        """Without quiet hours, the category changes nothing, although each has queues of its own."""
        now_s = self.world.now_s
        self.request_count += 1
        self.world.submit(
            f"f{self.request_count:04}",
            priority,  # pyright: ignore[reportArgumentType]
            send_at_s=now_s + wait_s if wait_s else 0.0,
            expires_at_s=now_s + live_s if live_s else 0.0,
            account=account,
            category=category,
        )

    @rule(request_id=ids)
    def submit_again(self, request_id: str) -> None:
        self.world.submit(request_id)

    @precondition(lambda self: any(self.world.messages[i].dead_letter_id for i in self.real_ids()))
    @rule(data=st.data(), is_forced=st.booleans())
    def replay(self, data: st.DataObject, *, is_forced: bool) -> None:
        """As `dlq replay` does: one whose outcome is unknown only if a person insists."""
        messages = [self.world.messages[i] for i in self.real_ids()]
        dead = [message for message in messages if message.dead_letter_id]
        message = data.draw(st.sampled_from(dead))
        letters = [d for d in self.world.dead_letters() if d.id == message.id]
        if letters[-1].outcome == "unknown" and not is_forced:
            return
        if is_forced:
            self.forced[message.id] += 1
        self.world.submit(
            message.id,
            message.priority,
            replay_of=message.dead_letter_id,
            allow_duplicate=is_forced,
        )

    @precondition(lambda self: self.real_ids())
    @rule(data=st.data(), kind=st.sampled_from(["one", "one", "member", "all"]))
    def cancel(self, data: st.DataObject, kind: str) -> None:
        """A caller withdraws one message or all, or the batch of one is cancelled."""
        request_id = data.draw(st.sampled_from(self.real_ids()))
        place = self.world.offset + 1
        record = SourceRecord(topic="wa.outbound", partition=1, offset=place)
        self.world.apply(
            CancelRequested(
                phone=PHONE,
                id=None if kind == "all" else request_id,
                cancel_id=f"c{place}",
                source_record=None if kind == "member" else record,
            )
        )

    @rule(by_s=st.floats(0, 40))
    def time_passes(self, by_s: float) -> None:
        self.world.now_s += by_s

    @rule(
        name=st.sampled_from(ACCOUNTS),
        ready=st.sampled_from([True, True, True, False]),
        free=st.sampled_from([2, 1, 1, 0]),
        new_chats=st.sampled_from([True, True, True, False]),
    )
    def account_changes(self, name: str, *, ready: bool, free: int, new_chats: bool) -> None:
        self.world.accounts = {**self.world.accounts, name: Capacity(ready, free, new_chats)}

    # -- the sender and WhatsApp

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(took_s=delays, late_s=delays)
    def sent(self, took_s: float, late_s: float) -> None:
        """The message arrives after the dispatch; the reported time is never before the arrival."""
        self.world.now_s += took_s
        self.arrive_in_flight()
        self.world.now_s += late_s
        self.world.conclude(Sent(at_s=self.world.now_s))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors)
    def fails(self, error: Error) -> None:
        """A sender says so only if it is certain: never of a message that has arrived."""
        if error.error_class.value == "unknown":
            self.arrive_in_flight()
        elif self.has_arrived_in_flight():
            return
        self.world.conclude(Failed(error=error))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(error=errors, in_doubt=st.booleans(), arrives=st.booleans(), late_s=delays)
    def deferred(self, error: Error, *, in_doubt: bool, arrives: bool, late_s: float) -> None:
        """A message in doubt may have arrived with its attempt."""
        if in_doubt and arrives:
            self.arrive_in_flight()
        in_doubt = in_doubt or self.has_arrived_in_flight()
        self.world.now_s += late_s
        self.world.conclude(Deferred(error=error, in_doubt=in_doubt))

    @precondition(lambda self: any(m.pinned_to for m in self.world.messages.values()))
    @rule(data=st.data())
    def pending_is_sent(self, data: st.DataObject) -> None:
        """A page connects again, and sends a message in doubt that was pending in it."""
        in_doubt = sorted(m.id for m in self.world.messages.values() if m.pinned_to)
        self.arrive(data.draw(st.sampled_from(in_doubt)))

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule()
    def unknown(self) -> None:
        self.arrive_in_flight()
        self.world.conclude(OutcomeUnknown(at_s=self.world.now_s, error=Error("outcome_unknown")))

    @precondition(lambda self: self.world.row)
    @rule(stale=st.booleans())
    def timer_fires(self, stale: bool) -> None:
        assert self.world.row
        self.world.apply(
            TimerFired(phone=PHONE, timer_version=self.world.row.timer_version - stale)
        )

    @precondition(lambda self: self.world.row and self.world.row.timer_at_s)
    @rule()
    def timer_is_due(self) -> None:
        """Time passes until the phone wants to be woken."""
        row = self.world.row
        assert row
        self.world.now_s = max(self.world.now_s, min(row.timer_at_s, self.world.now_s + MAX_WAIT_S))
        self.world.fire_timer()

    @rule()
    def schedule_is_due(self) -> None:
        for message in list(self.world.messages.values()):
            if message.wake_at_s and message.wake_at_s <= self.world.now_s:
                self.world.apply(ScheduleDue(phone=PHONE, id=message.id))

    @precondition(lambda self: self.real_ids())
    @rule(data=st.data(), receipt=st.sampled_from(["sent", "delivered", "read", "played"]))
    def receipt_is_seen(self, data: st.DataObject, receipt: str) -> None:
        """A late ack or a receipt: of any message, at any time, in any order, and repeated."""
        message = self.world.messages[data.draw(st.sampled_from(self.real_ids()))]
        if message.state is State.DISPATCHED or message.pinned_to:
            self.arrive(message.id)  # at the latest: the receipt proves it
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
        if was_tried and message.state not in (State.FAILED, State.EXPIRED, State.CANCELLED):
            self.proved.add(message.offset)

    @rule()
    def retention_elapses(self) -> None:
        self.world.apply(RetentionElapsed(phone=PHONE, ids=tuple(self.world.messages)))
