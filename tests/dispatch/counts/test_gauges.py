"""Counts of phones: a walk beside the work gives what a count of all rows would, whatever happens meanwhile."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.dispatch import gauges
from streams.dispatch.gauges import Gauges
from streams.domain.phone.state import Chat, Phone, PriorityQueue

NAMES = (gauges.PHONES, gauges.CACHED_LOOKUPS, gauges.RATE_LIMITED, gauges.CONVERSATIONS)
PARTITION = 0

phones = st.sampled_from([f"+90{number}" for number in range(8)])
# A walk over so many phones; or a phone that an event changes, and whether it is removed, has an answer of
# WhatsApp, and has messages. `late`: the walk passes between the write and the end of the event.
steps = st.lists(
    st.one_of(
        st.integers(1, 3),
        st.tuples(phones, st.booleans(), st.booleans(), st.integers(0, 2), st.booleans()),
    ),
    max_size=30,
)


class Model:
    """Rows of one partition, and the counts."""

    def __init__(self) -> None:
        self.rows: dict[str, Phone] = {}
        self.gauges = Gauges()
        self.offset = 0

    def walk(self, count: int) -> None:
        """Count so many more phones."""
        if PARTITION not in self.gauges.uncounted_partitions():
            return
        after = self.gauges.get_position(PARTITION)
        keys = [key for key in sorted(self.rows) if key > after][:count]
        self.gauges.count_slice(PARTITION, [self.rows[key] for key in keys])

    def change(
        self, phone: str, is_removed: bool, is_looked_up: bool, queued: int, *, walked: int = 0
    ) -> None:
        """Apply an event."""
        self.offset += 1
        before = self.rows.get(phone)
        after = replace(
            before or Phone(phone=phone),
            offset=self.offset,
            is_removed=is_removed,
            chat=Chat(chat_id=None, valid_until_s=1.0) if is_looked_up else None,
            queues={"normal": PriorityQueue(head=0, tail=queued, count=queued)},
        )
        if is_removed:
            self.rows.pop(phone, None)
        else:
            self.rows[phone] = after
        if walked:
            self.walk(walked)
        self.gauges.update(PARTITION, before, after)

    def recover(self) -> None:
        """Begin anew with these rows."""
        self.gauges.clear()
        self.gauges.begin(PARTITION)
        for row in self.rows.values():
            self.gauges.load_waiting(row)


@given(before=steps, after=steps)
def test_the_counts_are_those_of_the_rows(before: list, after: list):
    """What waits is known at once, and the rest as soon as the walk is at its end."""
    model = Model()
    for step in before:
        if isinstance(step, tuple):
            model.change(*step[:4])
    model.recover()
    for step in after:
        if isinstance(step, tuple):
            model.change(*step[:4], walked=2 if step[4] else 0)
        else:
            model.walk(step)
        assert model.gauges.queued == sum(row.waiting_count for row in model.rows.values())
    while model.gauges.uncounted_partitions():
        assert model.gauges[gauges.PHONES] is None
        model.walk(3)
    expected = Gauges()
    for row in model.rows.values():
        expected.update(PARTITION, None, row)
    assert [model.gauges[name] for name in NAMES] == [expected[name] for name in NAMES]
