"""What a silent sender adds to the life of a phone: for the machine in test_step_properties.py."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from streams.domain.phone.events import Sent
from streams.testing.phone_world import PhoneWorld, make_outcome


class OverdueRules(RuleBasedStateMachine):
    """Dispatches that no sender answers in time, and what has arrived at WhatsApp."""

    world: PhoneWorld

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[float] = []
        # Generations of messages, by the offset of the event that made their row.
        self.arrived: set[int] = set()
        self.proved: set[int] = set()
        self.copies: Counter[str] = Counter()  # how many generations of each message have arrived

    def arrive(self, request_id: str) -> None:
        """WhatsApp has the message of this generation, since now if it has not had it before."""
        offset = self.world.messages[request_id].offset
        if offset not in self.arrived:
            self.arrived.add(offset)
            self.copies[request_id] += 1
            self.arrivals.append(self.world.now_s)

    def has_arrived_in_flight(self) -> bool:
        """Whether WhatsApp has the message in flight, from an earlier attempt."""
        assert self.world.row
        assert self.world.row.in_flight
        return self.world.messages[self.world.row.in_flight.id].offset in self.arrived

    def arrive_in_flight(self) -> None:
        """The message in flight arrives."""
        assert self.world.row
        assert self.world.row.in_flight
        self.arrive(self.world.row.in_flight.id)

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule()
    def flight_is_overdue(self) -> None:
        """No sender answers. What is given up as unknown may have arrived."""
        assert self.world.row
        assert self.world.row.in_flight
        overdue_since_s = self.world.row.in_flight.overdue_since_s
        if (
            overdue_since_s
            and self.world.now_s >= overdue_since_s + self.world.policy.unknown_after_s
        ):
            self.arrive_in_flight()
        self.world.report_overdue()

    @precondition(lambda self: any(m.pinned_to for m in self.world.messages.values()))
    @rule(data=st.data())
    def late_sent(self, data: st.DataObject) -> None:
        """A frozen sender wakes, and answers a dispatch that was ended without it."""
        in_doubt = [m for m in self.world.messages.values() if m.pinned_to]
        message = data.draw(st.sampled_from(in_doubt))
        self.arrive(message.id)
        result = Sent(at_s=self.world.now_s)
        outcome = make_outcome(result, id=message.id, dispatch_number=0)
        self.world.apply(outcome)
        self.proved.add(message.offset)
