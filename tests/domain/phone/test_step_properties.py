"""What always holds for a phone, for any events in any order."""

from itertools import pairwise

from hypothesis import settings
from hypothesis.stateful import invariant

from streams.domain.phone.effects import Dispatch, Effect, PublishDeadLetter, PublishStatus
from streams.domain.phone.lifecycle import DISPATCH_TRANSITIONS, TRANSITIONS
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Phone, State
from streams.domain.phone.values.forgetting import remainder_id
from streams.testing.phone_world import PHONE
from tests.domain.phone.phone_rules import PhoneRules

# How far each status is in the life of one generation of a message. Only `queued` may be repeated.
RANKS = {
    "accepted": 0,
    "queued": 1,
    "unknown": 2,
    "sent": 3,
    "failed": 3,
    "expired": 3,
    "cancelled": 3,
    "delivered": 4,
    "read": 5,
    "played": 6,
}
DENIALS = ("failed", "expired", "cancelled")  # they say that nothing was sent
ENDS = ("failed", "unknown", "rejected")  # a replay of the dead letter may follow


class PhoneMachine(PhoneRules):
    """A phone whose caller, sender, clock and accounts do anything at any time."""

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
            assert row.in_flight or row.timer_at_s or row.waits or row.forgetting

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

    @invariant()
    def nothing_shown_is_called_not_sent(self) -> None:
        """Whatever became of the later generations of a message of which one has arrived."""
        for effect in self.world.effects[self.seen_claims :]:
            if isinstance(effect, PublishStatus) and effect.status in DENIALS:
                assert not self.copies[effect.id]
            if isinstance(effect, PublishDeadLetter) and effect.outcome == "not_sent":
                assert not self.copies[effect.id]
        self.seen_claims = len(self.world.effects)
        for gone in self.copies.keys() - self.world.messages.keys():
            del self.copies[gone]

    @invariant()
    def only_force_shows_it_twice(self) -> None:
        """A message arrives once, and once more for each time that a person has insisted on it."""
        for request_id, count in self.copies.items():
            assert count <= 1 + self.forced[request_id]

    def _follow(self, effect: Effect) -> None:
        if isinstance(effect, Dispatch):
            message = self.world.messages[effect.id]
            if not message.send_at_s:
                dispatch = (message.priority, effect.account)
                self.first_dispatches.setdefault((message.id, message.offset), dispatch)
        if not isinstance(effect, PublishStatus):
            return
        if effect.id not in self.world.messages and self._is_forgotten(effect.id):
            return  # the answer to a repeat of a forgotten request
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

    def _is_forgotten(self, request_id: str) -> bool:
        return remainder_id(PHONE, request_id) in self.world.messages

    def teardown(self) -> None:
        """Messages of one priority and account were first dispatched in the order of their acceptance."""
        for dispatch in set(self.first_dispatches.values()):
            order = [at for (_, at), other in self.first_dispatches.items() if other == dispatch]
            assert all(early < late for early, late in pairwise(order))


TestAPhone = PhoneMachine.TestCase
TestAPhone.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
