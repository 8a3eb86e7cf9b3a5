"""The bucket that limits what an API takes, with a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from streams.console.web.api.token_bucket import WINDOW_S, TokenBucket


def test_what_is_refused_can_be_taken_after_the_wait() -> None:
    """A refusal takes nothing, and names the time after which the same amount is taken."""
    bucket = TokenBucket(60)
    assert bucket.take(60, 0.0) == 0.0
    assert bucket.take(30, 0.0) == 30.0
    assert bucket.take(30, 29.0) == 1.0
    assert bucket.take(30, 30.0) == 0.0
    assert bucket.take(1, 30.5) == 0.5


def test_an_amount_above_the_capacity_is_taken_by_a_full_bucket() -> None:
    """It is paid for afterwards."""
    bucket = TokenBucket(60)
    assert bucket.take(90, 0.0) == 0.0
    assert bucket.take(1, 0.0) == 31.0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Neither does it take anything away."""
    bucket = TokenBucket(60)
    assert bucket.take(60, 100.0) == 0.0
    assert bucket.take(1, 50.0) == 1.0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), max_size=80), st.integers(20, 100))
def test_no_minute_has_more_than_two_capacities(
    steps: list[tuple[float, int]], per_minute: int
) -> None:
    """A full bucket, and what flows in during the minute."""
    bucket, now_s = TokenBucket(per_minute), 0.0
    taken: list[tuple[float, int]] = []
    for wait_s, amount in steps:
        now_s += wait_s
        if bucket.take(amount, now_s) == 0.0:
            taken.append((now_s, amount))
    for begin_s, _ in taken:
        minute = [amount for at_s, amount in taken if begin_s <= at_s < begin_s + WINDOW_S]
        assert sum(minute) <= 2 * per_minute + 1e-6
