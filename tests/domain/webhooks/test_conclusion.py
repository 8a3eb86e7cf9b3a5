"""What follows from an endpoint's answer, over days that pass by a parameter."""

import pytest

from streams.domain.webhooks.conclusion import (
    GIVE_UP_AFTER_S,
    MIN_FAILURES,
    STRUGGLING_AFTER,
    Answer,
    Conclusion,
    EndpointHealth,
    Failures,
    conclude,
)

FAILURE = Answer(status=500)
SUCCESS = Answer(status=204)
NO_FAILURES = Failures()
HEALTHY = EndpointHealth()


def apply(
    answer: Answer,
    failures: Failures = NO_FAILURES,
    health: EndpointHealth = HEALTHY,
    now_s: float = 1000.0,
    chance: float = 0.5,
) -> Conclusion:
    """The conclusion at this time."""
    return conclude(answer, failures, health, now_s=now_s, random_fraction=chance)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_ends_all_failures(status: int) -> None:
    """The event is delivered, and the endpoint works; a pause stays, because only a person ends it."""
    failing = EndpointHealth(in_a_row=Failures(count=30, first_s=1.0), hold_until_s=2000.0)
    assert apply(Answer(status=status), health=failing) == Conclusion(
        fate="delivered", health=EndpointHealth()
    )
    paused = EndpointHealth(paused="requested")
    assert apply(Answer(status=status), health=paused).health == paused


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status=n) for n in (100, 199, 300, 302, 400, 401, 404, 429, 500, 503)),
        Answer(error="x"),
    ],
    ids=str,
)
def test_everything_else_waits(answer: Answer) -> None:
    """A redirect, a refusal, an error and no answer are all failures that are tried again."""
    conclusion = apply(answer)
    assert (conclusion.fate, conclusion.health.paused) == ("waits", None)
    assert conclusion.failures == Failures(count=1, first_s=1000.0)


def test_gone_pauses_at_once() -> None:
    """The event waits until a person has resumed the endpoint."""
    conclusion = apply(Answer(status=410))
    assert (conclusion.fate, conclusion.health.paused) == ("waits", "gone")


def test_an_endpoint_that_takes_nothing_for_a_day_is_paused_and_loses_nothing() -> None:
    """About forty tries in a day, each later than the last one; then the event still waits."""
    now_s, failures, health = 0.0, Failures(), EndpointHealth()
    tries = 0
    while health.paused is None:
        conclusion = apply(FAILURE, failures, health, now_s)
        assert conclusion.fate == "waits"
        assert conclusion.next_at_s > now_s
        failures, health, now_s = conclusion.failures, conclusion.health, conclusion.next_at_s
        tries += 1
        assert tries < 100
    assert health.paused == "failing"
    assert 30 <= tries <= 60
    assert failures.count == tries


def test_an_event_that_alone_fails_for_a_day_is_given_up() -> None:
    """The endpoint takes other events meanwhile, so it is not paused."""
    now_s, failures, health, fate = 0.0, Failures(), EndpointHealth(), "waits"
    while fate == "waits":
        health = apply(SUCCESS, health=health, now_s=now_s).health
        conclusion = apply(FAILURE, failures, health, now_s)
        fate, failures, health = conclusion.fate, conclusion.failures, conclusion.health
        now_s = conclusion.next_at_s or now_s
        assert now_s < 2 * GIVE_UP_AFTER_S
    assert fate == "given_up"
    assert health.paused is None
    assert now_s - failures.first_s >= GIVE_UP_AFTER_S


@pytest.mark.parametrize("step_s", [-1e9, 1e9])
def test_a_clock_that_is_set_decides_nothing_alone(step_s: float) -> None:
    """After one failure, no step of the clock pauses the endpoint or gives the event up."""
    first = apply(FAILURE)
    second = apply(FAILURE, first.failures, first.health, now_s=1000.0 + step_s)
    assert (second.fate, second.health.paused, second.failures.count) == ("waits", None, 2)
    assert second.failures.count < MIN_FAILURES


def test_a_struggling_endpoint_is_held_and_the_hold_has_a_bound() -> None:
    """After many failures in a row, whatever the events, it gets one at a time, at most a minute apart."""
    health = EndpointHealth()
    for _ in range(STRUGGLING_AFTER - 1):
        health = apply(FAILURE, health=health).health
    assert (health.is_struggling, health.hold_until_s) == (False, 0.0)
    holds = []
    for _ in range(50):
        health = apply(FAILURE, health=health, chance=0.99).health
        assert health.is_struggling
        holds.append(health.hold_until_s - 1000.0)
    assert holds == sorted(holds)
    assert 0.0 < holds[0] <= 1.0
    assert holds[-1] <= 60.0


def test_the_wish_of_an_endpoint_counts_within_bounds() -> None:
    """`Retry-After` makes the wait longer, to an hour at the most, and never shorter."""
    assert apply(Answer(status=429, retry_after_s=600.0)).next_at_s == 1600.0
    assert apply(Answer(status=429, retry_after_s=1e9)).next_at_s == 4600.0
    later = Failures(count=20, first_s=900.0)
    assert apply(Answer(status=429, retry_after_s=1.0), later).next_at_s > 1001.0
