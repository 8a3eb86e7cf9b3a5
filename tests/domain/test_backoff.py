"""The one formula for delays before a retry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.backoff import Backoff, BackoffSeries, deferral_delay_s

FRACTIONS = st.floats(0, 1, exclude_max=True)
RETRIES = st.integers(0, 200)


def test_delays_double_up_to_the_maximum() -> None:
    """A retry number of any size gives the maximum."""
    backoff = Backoff(base_delay_s=1.0, max_delay_s=8.0)
    assert [backoff.delay_s(retry=n) for n in (0, 1, 2, 3, 4, 5000)] == [1, 2, 4, 8, 8, 8]


@given(RETRIES, FRACTIONS, st.sampled_from([0.0, 0.5, 1.0]))
def test_the_jitter_is_the_share_that_is_left_to_chance(
    retry: int, fraction: float, jitter: float
) -> None:
    """The delay lies between the fixed share of the bound and the bound."""
    bound_s = Backoff(base_delay_s=0.5, max_delay_s=30.0).delay_s(retry=retry)
    backoff = Backoff(base_delay_s=0.5, max_delay_s=30.0, jitter=jitter)
    delay_s = backoff.delay_s(retry=retry, random_fraction=fraction)
    assert bound_s * (1 - jitter) <= delay_s <= bound_s
    if jitter == 1.0:
        assert delay_s == bound_s * fraction


@pytest.mark.parametrize(
    ("uptimes_s", "delays_s"),
    [
        ([0.0] * 5, [1, 2, 4, 8, 8]),
        ([0.0, 0.0, 60.0, 0.0], [1, 2, 1, 2]),
        ([59.9, 59.9], [1, 2]),
    ],
)
def test_a_long_run_begins_a_new_series(uptimes_s: list[float], delays_s: list[float]) -> None:
    """A program that fails again soon is started after ever longer delays."""
    series = BackoffSeries(
        Backoff(base_delay_s=1.0, max_delay_s=8.0, jitter=0.5),
        reset_after_s=60.0,
        random_fraction=lambda: 1.0,
    )
    assert [series.record_failure(uptime_s=seconds) for seconds in uptimes_s] == delays_s


def test_deferrals_wait_up_to_half_a_minute() -> None:
    """The first delay is 0.5 s, and each further one is twice the last."""
    assert [deferral_delay_s(n) for n in (0, 1, 2, 5, 6, 7)] == [0.5, 1, 2, 16, 30, 30]
