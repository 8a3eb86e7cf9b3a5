"""The broker's clock from append times: bounds, jumps, and what a decision may take for the time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.log_clock import WINDOW_S, LogClock

SKEW_S = 0.5
EPOCH_S = 1_700_000_000.0

latencies_s = st.floats(0, 3)
steps_s = st.one_of(
    st.just(0.0), st.floats(-90_000, -2), st.floats(2, 90_000), st.sampled_from([31.0, -31.0])
)
# Seconds until the next response, the two ways of a request, and a step of the broker's clock before it. A step
# that is shorter than a request takes cannot be seen.
responses = st.lists(
    st.tuples(st.floats(0.001, 90), st.floats(0, 0.2), st.floats(0, 0.2), steps_s),
    min_size=1,
    max_size=12,
)


class Broker:
    """A broker whose clock a test sets; the monotonic clock is true."""

    def __init__(self) -> None:
        self.mono_s = 1000.0
        self.offset_s = EPOCH_S
        self.clock = LogClock(SKEW_S)
        self.jumps: list[float] = []

    def append_s(self) -> float:
        """The append time of a record that is written now, in whole milliseconds."""
        return int((self.mono_s + self.offset_s) * 1000) / 1000

    def respond(self, request_s: float = 0.001, response_s: float = 0.001) -> float:
        """A produce request is sent now, and its response arrives; returns the append time."""
        sent_s = self.mono_s
        self.mono_s += request_s
        append_s = self.append_s()
        self.mono_s += response_s
        jump_s = self.clock.observe(append_s, sent_s, self.mono_s)
        if jump_s is not None:
            self.jumps.append(jump_s)
        return append_s

    def accept_s(self) -> float:
        """The time of a decision about a record that is appended now."""
        return self.clock.accept_s(self.append_s(), self.mono_s)


@given(st.lists(st.tuples(st.floats(0, 100), latencies_s, latencies_s), min_size=1))
def test_the_true_time_is_within_the_bounds(
    waits: list[tuple[float, float, float]],
) -> None:
    """However slow the responses are, no jump is seen, and append times are accepted as they are."""
    broker = Broker()
    for wait_s, request_s, response_s in waits:
        broker.mono_s += wait_s
        broker.respond(request_s, response_s)
        true_s = broker.mono_s + broker.offset_s
        assert broker.clock.passed_s(broker.mono_s) <= true_s
        assert broker.clock.latest_s(broker.mono_s) >= broker.append_s()
        assert abs(broker.clock.now_s(broker.mono_s) - true_s) <= request_s + response_s + 0.01
        assert broker.accept_s() == broker.append_s()
    assert broker.jumps == []


@given(responses)
def test_no_more_time_passes_for_a_decision_than_has_passed(
    steps: list[tuple[float, float, float, float]],
) -> None:
    """From a record's append to a later decision, at most the true time passes within one window.

    What is stored is the append time, so only a decision that accepts a later time than the true one could let
    another message go too early.
    """
    broker = Broker()
    broker.respond()
    appended: list[tuple[float, float]] = []  # append time, true time
    for wait_s, request_s, response_s, step_s in steps:
        broker.mono_s += wait_s
        broker.offset_s += step_s
        for moment in range(2):  # before this process notices a step, and after
            decision_s = broker.accept_s()
            for append_s, mono_s in appended:
                truly_passed_s = broker.mono_s - mono_s
                if truly_passed_s < WINDOW_S - SKEW_S:
                    assert decision_s - append_s < WINDOW_S + SKEW_S
            appended.append((broker.append_s(), broker.mono_s))
            if moment == 0:
                broker.respond(request_s, response_s)


@given(responses)
def test_nothing_is_held_for_longer_than_a_window(
    steps: list[tuple[float, float, float, float]],
) -> None:
    """One window after the last step was noticed, append times are accepted as they are."""
    broker = Broker()
    for wait_s, request_s, response_s, step_s in steps:
        broker.mono_s += wait_s
        broker.offset_s += step_s
        broker.respond(request_s, response_s)
    broker.respond()
    broker.mono_s += WINDOW_S + 0.01
    assert broker.accept_s() == broker.append_s()
    assert not broker.clock.is_held(broker.mono_s)


def test_a_jump_ahead_counts_after_a_window() -> None:
    """Until then, decisions see the old time go on; people see the new time at once."""
    broker = Broker()
    first_s = broker.respond()
    broker.offset_s += 3600
    broker.respond()
    assert len(broker.jumps) == 1
    assert abs(broker.jumps[0] - 3600) < 0.1
    accepted = []
    for _ in range(6):
        accepted.append(broker.accept_s() - first_s)
        broker.mono_s += 9.9
    assert all(later - earlier < 10 for earlier, later in pairwise(accepted))
    assert broker.clock.now_s(broker.mono_s) - first_s > 3600
    broker.mono_s += 1
    assert broker.accept_s() == broker.append_s() > first_s + 3600


def test_a_step_back_counts_at_once() -> None:
    """Timers and decisions see the new time with the next response."""
    broker = Broker()
    broker.respond()
    broker.offset_s -= 3600
    broker.respond()
    assert len(broker.jumps) == 1
    assert abs(broker.jumps[0] + 3600) < 0.1
    assert broker.accept_s() == broker.append_s()
    assert broker.clock.passed_s(broker.mono_s) <= broker.append_s() + 0.001


def test_a_small_contradiction_is_no_jump() -> None:
    """Two brokers whose clocks differ a little are taken for one; the slower clock counts."""
    broker = Broker()
    for _ in range(10):
        broker.respond()
        broker.offset_s += 0.3
        broker.respond()
        assert broker.accept_s() <= broker.append_s()
        broker.offset_s -= 0.3
    assert broker.jumps == []
    assert broker.accept_s() == broker.append_s()


def test_an_earlier_process_tells_of_a_jump() -> None:
    """Its bounds, on the same monotonic clock, show a jump that happened while nobody ran."""
    broker = Broker()
    first_s = broker.respond()
    bounds = broker.clock.bounds
    broker.clock = LogClock(SKEW_S)
    broker.clock.restore(bounds)
    broker.mono_s += 30
    broker.offset_s += 3600
    broker.respond()
    assert len(broker.jumps) == 1
    assert 29 < broker.accept_s() - first_s < 31
