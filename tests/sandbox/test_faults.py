"""Which faults take effect, on whom, and how often. No process."""

import pytest

from streams.sandbox.state.faults import FAULT_KINDS, Faults, InvalidFault

ME = "+905550000001"
PEER = "+905551112233"


def make_faults(*requests: dict[str, object]) -> Faults:
    """Faults after these requests."""
    faults = Faults()
    for request in requests:
        faults.add(request)
    return faults


def test_without_a_count_it_lasts() -> None:
    """A fault without a count lasts until it is removed."""
    faults = make_faults({"ack_lost": True})
    assert [faults.consume("ack_lost", ME, PEER) for _ in range(3)] == [True, True, True]
    faults.clear()
    assert faults.consume("ack_lost", ME, PEER) is None


def test_a_count_is_used_up() -> None:
    """A count goes down only when the fault takes effect."""
    faults = make_faults({"send_error": 463, "count": 2, "account": ME})
    assert faults.consume("send_error", "+905550000002", PEER) is None
    assert [faults.consume("send_error", ME, PEER) for _ in range(3)] == [463, 463, None]


def test_several_at_once() -> None:
    """Each fault of a request has its own count."""
    faults = make_faults({"ack_delay_ms": 5, "ack_lost": True, "count": 1})
    assert (faults.consume("ack_delay_ms", ME, PEER), faults.consume("ack_lost", ME, PEER)) == (
        5,
        True,
    )
    assert (faults.consume("ack_delay_ms", ME, PEER), faults.consume("ack_lost", ME, PEER)) == (
        None,
        None,
    )


def test_the_latest_fault_comes_first() -> None:
    """So a narrow exception can be put over a lasting fault."""
    faults = make_faults({"ack_delay_ms": 100}, {"ack_delay_ms": 0, "number": PEER})
    assert faults.consume("ack_delay_ms", ME, PEER) == 0
    assert faults.consume("ack_delay_ms", ME, "+905551112244") == 100


def test_a_one_shot_fault_for_a_number_waits_for_a_message_to_it() -> None:
    """It does not take effect when a page connects."""
    faults = make_faults({"drop_socket": True, "number": PEER})
    assert faults.consume("drop_socket", ME) is None
    assert faults.consume("drop_socket", ME, PEER) is True
    assert faults.consume("drop_socket", ME, PEER) is None


def test_a_one_shot_fault_for_connections_does_not_affect_messages() -> None:
    """It takes effect at once; with a count it also affects the next connections."""
    faults = Faults()
    (once,) = faults.add({"drop_socket": True})
    assert (once.is_immediate, once.is_for_connections) == (True, True)
    assert faults.consume("drop_socket", ME) is None
    faults.add({"drop_socket": True, "count": 2})
    assert faults.consume("drop_socket", ME, PEER) is None
    assert [faults.consume("drop_socket", ME) for _ in range(3)] == [True, True, None]


def test_false_adds_nothing() -> None:
    """A client may name a fault that it does not want."""
    assert make_faults().add({"ack_lost": False}) == []


@pytest.mark.parametrize(
    "request_body",
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
        {"stream_error": 402},
        {"qr_form": 4},
        {"ban": 60, "count": 1},
        {"time_lock": 60, "number": PEER},
        {"socket_down_s": -0.5},
        {"remove_module": True},
    ],
)
def test_an_invalid_request_changes_nothing(request_body: dict[str, object]) -> None:
    """Not even the valid part of the request has an effect."""
    faults = Faults()
    with pytest.raises(InvalidFault):
        faults.add(request_body)
    assert [faults.consume(name, ME) for name in FAULT_KINDS] == [None] * len(FAULT_KINDS)
