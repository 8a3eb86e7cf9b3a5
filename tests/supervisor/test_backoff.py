"""How long is waited before a part is started again."""

from hypothesis import given
from hypothesis import strategies as st

from streams.supervisor.backoff import Backoff, BackoffPolicy

PATIENCE = BackoffPolicy(base_delay_s=1.0, max_delay_s=8.0, reset_after_s=60.0)


def delays(chance: float, ran_s: list[float]) -> list[float]:
    backoff = Backoff(PATIENCE, lambda: chance)
    return [backoff.record_exit(each) for each in ran_s]


def test_it_doubles_up_to_the_cap() -> None:
    """A part that keeps dying is started ever more rarely."""
    assert delays(1.0, [0.0] * 6) == [1, 2, 4, 8, 8, 8]


def test_a_calm_time_begins_a_new_series() -> None:
    """One that ran for long is started again soon."""
    assert delays(1.0, [0.0, 0.0, 60.0, 0.0]) == [1, 2, 1, 2]


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 200))
def test_the_jitter_takes_at_most_a_half(chance: float, endings: int) -> None:
    """Parts that died together do not come back together, nor at once."""
    longest, found = delays(1.0, [0.0] * endings), delays(chance, [0.0] * endings)
    assert all(most / 2 <= each <= most for most, each in zip(longest, found, strict=True))
