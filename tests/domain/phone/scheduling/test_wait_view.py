"""Whether a recipient waits for anything, read from a part of its stored row."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.phone.scheduling.wait_view import WaitView, decode_wait_view, is_idle
from streams.domain.phone.state import (
    InFlight,
    Parked,
    Phone,
    PriorityQueue,
    Wait,
    encode_phone,
)

rows = st.builds(
    Phone,
    phone=st.just("+905550000000"),
    waits=st.sampled_from([(), (Wait(reason="no_account"),)]),
    timer_at_s=st.sampled_from([0.0, 5.0]),
    queues=st.sampled_from(
        [
            {},
            {"normal": PriorityQueue(head=3, tail=3, count=0)},
            {"bulk": PriorityQueue(head=3, tail=4, count=1)},
        ]
    ),
    parked=st.sampled_from([(), (Parked(id="id", priority="normal"),)]),
    scheduled_count=st.integers(0, 2),
    in_flight=st.sampled_from([None, InFlight(id="id", account="main", dispatch_number=1)]),
    send_times_s=st.sampled_from([(), (1.0,)]),
    last_active_s=st.sampled_from([0.0, 9.0]),
)


@given(row=rows)
def test_a_row_is_idle_if_nothing_of_it_waits(row: Phone):
    """The same as by the whole row: the scheduler and the queues have nothing to learn from it."""
    has_message = row.waiting_count > 0 or row.in_flight is not None
    is_to_be_woken = bool(row.waits or row.timer_at_s)
    has_queued = any(queue.count for queue in row.queues.values())
    expected = not (has_message or is_to_be_woken or has_queued)
    assert is_idle(row) is is_idle(decode_wait_view(encode_phone(row))) is expected


def test_every_field_of_the_view_is_one_of_the_row():
    """A field of another name would never be found."""
    assert set(WaitView.__struct_fields__) <= set(Phone.__struct_fields__)
