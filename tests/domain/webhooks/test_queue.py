"""The queue of an endpoint, compared with what a list of all events says."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.webhooks.queue import DeliveryQueue


def test_a_failed_event_holds_up_only_its_recipient() -> None:
    """The next event of the recipient comes after it, and those of others before."""
    queue = DeliveryQueue()
    for number, recipient in enumerate("aabb"):
        queue.add(number, recipient, 1.0)
    assert queue.take(1.0) == 0
    queue.put_back(0, 60.0)
    assert [queue.take(2.0), queue.take(2.0)] == [2, None]
    queue.remove(2)
    assert queue.take(2.0) == 3
    assert (queue.next_due_s(), len(queue), queue.in_flight) == (60.0, 3, 1)
    assert queue.take(60.0) == 0
    queue.remove(0)
    assert queue.take(60.0) == 1


def test_an_event_is_not_taken_before_its_time() -> None:
    """Neither the first one of a recipient nor the next one."""
    queue = DeliveryQueue()
    queue.add(1, "a", 5.0)
    queue.add(2, "a", 7.0)
    assert (queue.take(4.9), queue.take(5.0), queue.take(9.0)) == (None, 1, None)
    queue.remove(1)
    assert (queue.take(6.9), queue.take(7.0)) == (None, 2)


def test_what_is_due_longest_comes_first() -> None:
    """A retry that is due is not behind every newer event."""
    queue = DeliveryQueue()
    queue.add(1, "a", 1.0)
    assert queue.take(1.0) == 1
    queue.put_back(1, 5.0)
    queue.add(2, "b", 4.0)
    queue.add(3, "c", 6.0)
    assert [queue.take(9.0) for _ in range(3)] == [2, 1, 3]


@given(
    st.lists(st.sampled_from(["add a", "add b", "add c", "take", "fail", "done"]), max_size=60),
)
def test_the_order_of_a_recipient_is_kept(steps: list[str]) -> None:
    """Whatever fails in between: each recipient's events end in their order, and one is in flight at a time."""
    queue, now_s, number = DeliveryQueue(), 0.0, 0
    added: dict[str, list[int]] = {}
    ended: dict[str, list[int]] = {}
    owners: dict[int, str] = {}
    in_flight: list[int] = []
    for step in steps:
        now_s += 1.0
        if step.startswith("add"):
            number += 1
            owners[number] = step[-1]
            added.setdefault(step[-1], []).append(number)
            queue.add(number, step[-1], now_s)
        elif step == "take":
            taken = queue.take(now_s)
            assert taken is not None or not queue.next_due_s() or queue.next_due_s() > now_s
            if taken is not None:
                assert owners[taken] not in [owners[other] for other in in_flight]
                in_flight.append(taken)
        elif in_flight and step == "fail":
            queue.put_back(in_flight.pop(0), now_s + 3.0)
        elif in_flight:
            done = in_flight.pop(0)
            queue.remove(done)
            ended.setdefault(owners[done], []).append(done)
    for recipient, numbers in ended.items():
        assert numbers == added[recipient][: len(numbers)]
    assert len(queue) == number - sum(map(len, ended.values()))
