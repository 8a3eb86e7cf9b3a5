"""Which fault hits whom, and how often. No process."""

import pytest

from streams.sandbox.state.faults import FAULT_KINDS, Faults, InvalidFault

ME = "+905550000001"
PEER = "+905551112233"


def faults(*asked: dict[str, object]) -> Faults:
    there = Faults()
    for one in asked:
        there.add(one)
    return there


def test_without_a_count_it_lasts() -> None:
    """Until it is taken back."""
    there = faults({"ack_lost": True})
    assert [there.consume("ack_lost", ME, PEER) for _ in range(3)] == [True, True, True]
    there.clear()
    assert there.consume("ack_lost", ME, PEER) is None


def test_a_count_is_used_up() -> None:
    """By hits alone: who asks in vain uses nothing."""
    there = faults({"send_error": 463, "count": 2, "account": ME})
    assert there.consume("send_error", "+905550000002", PEER) is None
    assert [there.consume("send_error", ME, PEER) for _ in range(3)] == [463, 463, None]


def test_several_at_once() -> None:
    """Each has its own count."""
    there = faults({"ack_delay_ms": 5, "ack_lost": True, "count": 1})
    assert (there.consume("ack_delay_ms", ME, PEER), there.consume("ack_lost", ME, PEER)) == (
        5,
        True,
    )
    assert (there.consume("ack_delay_ms", ME, PEER), there.consume("ack_lost", ME, PEER)) == (
        None,
        None,
    )


def test_the_last_one_asked_for_comes_first() -> None:
    """So a narrow exception can be laid over a fault that lasts."""
    there = faults({"ack_delay_ms": 100}, {"ack_delay_ms": 0, "number": PEER})
    assert there.consume("ack_delay_ms", ME, PEER) == 0
    assert there.consume("ack_delay_ms", ME, "+905551112244") == 100


def test_a_blow_for_a_number_waits_for_a_message_to_it() -> None:
    """And does not fall when a page merely connects."""
    there = faults({"drop_socket": True, "number": PEER})
    assert there.consume("drop_socket", ME) is None
    assert there.consume("drop_socket", ME, PEER) is True
    assert there.consume("drop_socket", ME, PEER) is None


def test_a_blow_for_connections_spares_messages() -> None:
    """It has fallen before any message comes; with a count the next connections are hit too."""
    there = Faults()
    (once,) = there.add({"drop_socket": True})
    assert (once.is_momentary, once.is_for_connections) == (True, True)
    assert there.consume("drop_socket", ME) is None
    there.add({"drop_socket": True, "count": 2})
    assert there.consume("drop_socket", ME, PEER) is None
    assert [there.consume("drop_socket", ME) for _ in range(3)] == [True, True, None]


def test_false_asks_for_nothing() -> None:
    """A client may say which faults it does not want."""
    assert faults().add({"ack_lost": False}) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"ack_lots": True},
        {"count": 1},
        {"ack_delay_ms": True},
        {"ack_delay_ms": -1},
        {"ack_lost": 1},
        {"send_error": "463"},
        {"ack_lost": True, "count": 0},
        {"ack_lost": True, "count": True},
        {"never_ready": True, "account": ME},
        {"ack_lost": True, "ack_lots": True},
        {"ack_lost": True, "number": "90555"},
    ],
)
def test_what_makes_no_sense_changes_nothing(asked: dict[str, object]) -> None:
    """Not even the part of the request that would make sense."""
    there = Faults()
    with pytest.raises(InvalidFault):
        there.add(asked)
    assert [there.consume(name, ME) for name in FAULT_KINDS] == [None] * len(FAULT_KINDS)
