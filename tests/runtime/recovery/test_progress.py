"""How far a recovery has come, as it is shown to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.recovery.progress import Progress


@pytest.mark.parametrize(
    ("done", "elapsed_s", "text"),
    [
        (0, 60, "recovering the tables: 0 of 2,000,000 records (0 %)"),
        (500, 1, "recovering the tables: 500 of 2,000,000 records (0 %)"),
        (
            500_000,
            10,
            "recovering the tables: 500,000 of 2,000,000 records (25 %), about 30 s left",
        ),
    ],
)
def test_a_person_reads_how_much_is_left(done: int, elapsed_s: float, text: str):
    """Records, per cent, and an estimate as soon as it is more than a guess."""
    progress = Progress(2_000_000, 1000.0)
    progress.advance(done)
    assert progress.describe(1000.0 + elapsed_s) == text


@given(
    steps=st.lists(st.integers(1, 1000), min_size=1, max_size=20),
    elapsed_s=st.floats(2.0, 10_000.0),
)
def test_the_estimate_is_that_of_a_constant_speed(steps: list[int], elapsed_s: float):
    """At the speed so far, what is left takes as much longer as there is more of it."""
    progress = Progress(sum(steps), 0.0)
    for step in steps[:-1]:
        progress.advance(step)
    if len(steps) > 1:
        left_s = progress.estimate_left_s(elapsed_s)
        assert left_s == pytest.approx(elapsed_s * steps[-1] / sum(steps[:-1]))
    progress.advance(steps[-1])
    assert progress.is_done
    assert progress.estimate_left_s(elapsed_s) == 0
