"""The limit per recipient, to the second."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain import rate_limit


def test_below_the_limit_nothing_waits() -> None:
    """If the log is shorter than the limit, the next message may be sent now."""
    assert rate_limit.next_send_at_s((1.0, 2.0), 3, 0.5) == 0.0


def test_at_the_limit_the_oldest_must_leave_the_window() -> None:
    """The next message may be sent a minute and the margin after the first of the last N."""
    assert rate_limit.next_send_at_s((1.0, 2.0, 3.0), 3, 0.5) == 61.5


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.integers(1, 5))
def test_no_window_holds_more_than_the_limit(wishes: list[float], limit: int) -> None:
    """Waiting for `next_send_at_s` never gives N+1 messages within 60 seconds."""
    times: tuple[float, ...] = ()
    sent: list[float] = []
    now = 0.0
    for wish in wishes:
        now = max(now + wish, rate_limit.next_send_at_s(times, limit, 0.0))
        sent.append(now)
        times = rate_limit.add_send_time(times, now, limit)
    # As a sum, not a difference: a float's last bit would be lost in `late - early`.
    assert all(late >= early + 60 for early, late in zip(sent, sent[limit:], strict=False))


@given(st.lists(st.floats(0, 1e6), max_size=50), st.integers(1, 10))
def test_the_log_is_sorted_and_bounded(times: list[float], limit: int) -> None:
    """This holds even if the clocks of two accounts differ."""
    log: tuple[float, ...] = ()
    for at_s in times:
        log = rate_limit.add_send_time(log, at_s, limit)
    assert list(log) == sorted(times)[-limit:] if len(times) <= limit else list(log) == sorted(log)
    assert len(log) <= limit
