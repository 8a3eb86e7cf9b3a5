"""The times of scheduled and expiring messages, against a model."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.phone.scheduling.message_times import MessageTimes

messages = st.tuples(st.sampled_from(["+1", "+2"]), st.sampled_from("abc"))
changes = st.tuples(messages, st.sampled_from([0.0, 5.0, 10.0, 15.0]))


@given(st.lists(changes, max_size=30), st.floats(0, 20))
def test_due_messages_come_once_and_in_order(
    given_changes: list[tuple[tuple[str, str], float]], now_s: float
) -> None:
    """The last time of each message counts; a message without a time is never due."""
    times, model = MessageTimes(), dict[tuple[str, str], float]()
    for (phone, request_id), at_s in given_changes:
        times.set(phone, request_id, at_s)
        model[phone, request_id] = at_s
    pending = sorted((at_s, key) for key, at_s in model.items() if at_s)
    assert times.next_at_s() == min((at_s for at_s, _ in pending), default=float("inf"))
    due = [(event.phone, event.id) for event in times.pop_due(now_s)]
    assert due == [key for at_s, key in pending if at_s <= now_s]
    assert list(times.pop_due(now_s)) == []
    assert len(times) == len(pending) - len(due)


def test_memory_is_bounded_by_the_messages_that_have_a_time() -> None:
    """A hundred thousand messages that were sent long before they expire leave nothing behind."""
    times = MessageTimes()
    for number in range(100_000):
        times.set("+1", str(number), 1e9 + number)
        times.set("+1", str(number), 0.0)
    assert len(times) == 0
    assert len(times._heap) <= 1001  # pyright: ignore[reportPrivateUsage]
