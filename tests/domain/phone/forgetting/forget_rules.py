"""What forgetting adds to the life of a phone: for the machine in test_step_properties.py."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import SourceRecord
from streams.domain.phone.values.forgetting import (
    REMAINDER_PREFIX,
    ForgetContinued,
    ForgetRequested,
    remainder_id,
)
from streams.testing.phone_world import PHONE
from tests.domain.phone.overdue_rules import OverdueRules

FORGET_EVERY = 25  # events at least: else nothing gets far enough to be forgotten


class ForgetRules(OverdueRules):
    """The recipient is forgotten at any moment, and what was requested before is requested again."""

    def __init__(self) -> None:
        super().__init__()
        self.to_forget: dict[str, int] = {}  # id and offset of the messages of before
        self.begun_at = -1

    def real_ids(self) -> list[str]:
        """The ids of the messages, without what is left of forgotten ones."""
        return sorted(i for i in self.world.messages if not i.startswith(REMAINDER_PREFIX))

    @precondition(lambda self: self.world.offset >= max(self.begun_at, 0) + FORGET_EVERY)
    @rule(keep_opt_out=st.booleans())
    def forget(self, *, keep_opt_out: bool) -> None:
        place = self.world.offset + 1
        self.to_forget |= {i: self.world.messages[i].offset for i in self.real_ids()}
        self.begun_at = place
        record = SourceRecord(topic="wa.outbound", partition=2, offset=place)
        event = ForgetRequested(
            phone=PHONE,
            request_id=f"g{place}",
            source_record=record,
            keep_opt_out=keep_opt_out,
        )
        self.world.apply(event)
        assert self.world.apply(event) == [], "the record was read twice"

    @precondition(lambda self: self.world.row and self.world.row.forgetting)
    @rule(count=st.integers(1, 3))
    def forgetting_continues(self, count: int) -> None:
        for _ in range(count):
            self.world.apply(ForgetContinued(phone=PHONE))

    @precondition(lambda self: self.world.row and self.world.row.forgotten)
    @rule(data=st.data())
    def forgotten_is_requested_again(self, data: st.DataObject) -> None:
        """Nothing is sent for a message that had ended when it was forgotten."""
        messages = self.world.messages
        ended = [
            i for i in self.to_forget if i not in messages and remainder_id(PHONE, i) in messages
        ]
        if not ended:
            return
        request_id = data.draw(st.sampled_from(sorted(ended)))
        effects = self.world.submit(request_id)
        assert request_id not in self.world.messages
        assert not [e for e in effects if isinstance(e, Dispatch) and e.id == request_id]

    @invariant()
    def nothing_is_left(self) -> None:
        """Once it is done, no message of before has a row; while it goes on, what may be sent has one."""
        row = self.world.row
        if row is None or row.forgetting is not None or row.forgotten is None:
            return
        left = [i for i in self.real_ids() if self.world.messages[i].offset < self.begun_at]
        assert left == []

    @invariant()
    def forgetting_goes_on(self) -> None:
        """It waits only for messages that have not ended."""
        row = self.world.row
        if row is None or row.forgetting is None or not row.forgetting.is_searched:
            return
        ids = row.forgetting.unfinished_ids
        assert all(i in self.world.messages for i in ids)
