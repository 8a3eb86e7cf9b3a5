"""The pace of an account: no window ever has more messages than the limit."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.pacing import DAY_S, MINUTE_S, Pace, Pacer

paces = st.builds(
    Pace,
    interval_s=st.sampled_from([0.0, 0.5, 2.0]),
    per_minute=st.integers(0, 4),
    per_day=st.integers(0, 7),
)


@given(paces, st.lists(st.tuples(st.floats(0, 50), st.floats(0, 5)), max_size=40))
def test_no_window_holds_more_than_the_pace(pace: Pace, steps: list[tuple[float, float]]) -> None:
    """Waiting until the given moment keeps the interval, the limit per minute and the cap per day."""
    pacer, now_s = Pacer(pace), 1_000_000.0
    submits: list[float] = []
    acks: list[float] = []
    for pause_s, took_s in steps:
        now_s = now_s + pause_s + pacer.next_wait_s(now_s + pause_s)[0]
        pacer.record_submit(now_s)
        submits.append(now_s)
        now_s += took_s
        pacer.record_answer(now_s, may_be_sent=True)
        acks.append(now_s)
    for earlier, later in pairwise(submits):
        assert later - earlier >= pace.interval_s - 1e-6
    for limit, window_s in ((pace.per_minute, MINUTE_S), (pace.per_day, DAY_S)):
        for first, ack in enumerate(acks):
            if limit and first + limit < len(submits):
                assert submits[first + limit] - ack >= window_s - 1e-6


@given(st.floats(0, 10), st.floats(0, 3), st.floats(0, 1, exclude_max=True))
def test_jitter_only_adds(interval_s: float, jitter: float, random_fraction: float) -> None:
    """An interval is never shorter than the shortest one, and longer by the jitter's share at most."""
    pacer = Pacer(Pace(interval_s=interval_s, per_minute=0, jitter=jitter))
    pacer.record_submit(100.0, random_fraction)
    wait_s = pacer.next_wait_s(100.0)[0]
    assert interval_s - 1e-6 <= wait_s <= interval_s * (1 + jitter) + 1e-6


@given(paces, st.lists(st.floats(0, 3000), max_size=60))
def test_a_pacer_is_rebuilt_from_what_was_sent(pace: Pace, gaps: list[float]) -> None:
    """After a restart, the limits and counts are the same as before."""
    now_s, times = 1_000_000.0, []
    for gap_s in gaps:
        now_s += gap_s
        times.append(now_s)
    before, after = Pacer(pace), Pacer(pace)
    for at_s in times:
        before.record_submit(at_s)
        before.record_answer(at_s, may_be_sent=True)
        after.record_sent(at_s)
    now_s += pace.interval_s
    assert before.next_wait_s(now_s) == after.next_wait_s(now_s)
    assert before.count_last_minute(now_s) == after.count_last_minute(now_s)
    assert before.count_last_day(now_s) == after.count_last_day(now_s)


def test_what_was_sent_is_counted() -> None:
    """The last 60 seconds, and the last 24 hours to the minute; without a pace nothing is held back."""
    pacer = Pacer(Pace(interval_s=0.0, per_minute=0, per_day=0))
    for at_s in (0.0, 50.0, 100.0):
        pacer.record_sent(at_s)
    assert pacer.next_wait_s(100.0) == (0.0, "")
    assert (pacer.count_last_minute(100.0), pacer.count_last_day(100.0)) == (2, 3)
    assert pacer.count_last_minute(161.0) == 0
    assert pacer.count_last_day(DAY_S + 60.0) == 1
    assert pacer.count_last_day(2 * DAY_S) == 0


@given(paces, st.integers(0, 10), st.booleans())
def test_a_message_without_an_ack_takes_its_place(
    pace: Pace, unanswered: int, may_be_sent: bool
) -> None:
    """It may arrive at any moment: it counts from its submit, and afterwards if it may have been sent."""
    pacer, now_s = Pacer(pace), 1_000_000.0
    limit = min((limit for limit in (pace.per_minute, pace.per_day) if limit), default=99)
    for _ in range(unanswered):
        pacer.record_submit(now_s)
    now_s += pace.interval_s
    assert (pacer.next_wait_s(now_s)[0] > 0) == (unanswered >= limit)
    for _ in range(unanswered):
        pacer.record_answer(now_s, may_be_sent=may_be_sent)
    assert (pacer.next_wait_s(now_s)[0] > 0) == (may_be_sent and unanswered >= limit)
