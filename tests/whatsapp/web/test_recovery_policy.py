"""The recovery levels as a specification, and when a page has grown too large. No browser."""

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.recovery_policy import (
    RecoveryLevel,
    RecoveryPolicy,
    RecoverySettings,
    RecoveryStep,
    StuckDetector,
    has_outgrown,
)
from streams.whatsapp.web.session import PhaseInfo

SETTINGS = RecoverySettings(
    max_failures=6, backoff_base_s=1.0, backoff_max_s=5.0, healthy_reset_s=60.0
)


def make_policy(random_fraction: float = 1.0) -> RecoveryPolicy:
    """A policy whose random number is fixed."""
    return RecoveryPolicy(SETTINGS, lambda: random_fraction)


def test_it_escalates_waits_longer_and_gives_up() -> None:
    """It reloads at once, then opens a new page, then new browsers with growing waits, then gives up."""
    policy = make_policy()
    assert [policy.record_failure(0.0) for _ in range(6)] == [
        RecoveryStep(RecoveryLevel.RELOAD, 0.0),
        RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 2.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 4.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 5.0),
        None,
    ]


def test_a_dead_browser_is_not_reloaded() -> None:
    """The level is at least the one that the failure needs."""
    assert make_policy().record_failure(0.0, RecoveryLevel.NEW_BROWSER) == RecoveryStep(
        RecoveryLevel.NEW_BROWSER, 0.0
    )


def test_the_whole_delay_is_random() -> None:
    """Full jitter, from 0 to the maximum, keeps many accounts from coming back at once."""
    policy = make_policy(random_fraction=0.25)
    steps = [policy.record_failure(0.0) for _ in range(3)]
    assert [step.delay_s for step in steps if step] == [0.0, 0.25, 0.5]


def test_a_healthy_minute_ends_the_series() -> None:
    """After `healthy_reset_s` the next failure is the first of a series again."""
    policy = make_policy()
    policy.record_failure(0.0)
    policy.record_healthy(10.0)
    policy.record_healthy(50.0)
    assert policy.record_failure(70.0) == RecoveryStep(RecoveryLevel.RELOAD, 0.0)


def test_a_page_that_dies_young_does_not_end_the_series() -> None:
    """A page that was ready for a moment only was not healthy."""
    policy = make_policy()
    policy.record_failure(0.0)
    policy.record_healthy(10.0)
    assert policy.record_failure(69.0) == RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0)


def test_health_before_the_last_failure_does_not_count() -> None:
    """Each failure starts the healthy time again."""
    policy = make_policy()
    policy.record_healthy(0.0)
    policy.record_failure(30.0)
    assert policy.record_failure(80.0) == RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0)


def test_an_unreachable_whatsapp_is_tried_without_end() -> None:
    """Attempts while the network is down do not count as failures."""
    policy = make_policy()
    assert [policy.unreachable_delay_s(n) for n in (1, 2, 50)] == [2.0, 4.0, 5.0]
    assert policy.record_failure(0.0) == RecoveryStep(RecoveryLevel.RELOAD, 0.0)


def test_a_page_that_answers_is_never_given_up() -> None:
    """A page that is only stuck waits for the network or for WhatsApp, and that may last for days."""
    policy = make_policy()
    steps = [policy.record_failure(0.0, is_death=False) for _ in range(50)]
    assert steps[-1] == RecoveryStep(RecoveryLevel.NEW_BROWSER, 5.0)


def test_a_page_is_stuck_when_nothing_changes() -> None:
    """A new phase, reason or percentage is progress; what may last is never stuck."""
    detector = StuckDetector(RecoverySettings(stuck_timeout_s=10.0, reconnect_timeout_s=100.0))
    syncing = PhaseInfo(Phase.SYNCING, progress=1)
    assert [detector.is_stuck(syncing, now_s) for now_s in (0.0, 9.0, 10.0)] == [False, False, True]
    assert not detector.is_stuck(PhaseInfo(Phase.SYNCING, progress=2), 11.0)
    waiting = PhaseInfo(Phase.RECONNECTING, "disconnected", is_backing_off=True)
    assert [detector.is_stuck(waiting, now_s) for now_s in (12.0, 50.0, 112.0)] == [
        False,
        False,
        True,
    ]
    ready = PhaseInfo(Phase.READY, is_lasting=True)
    assert [detector.is_stuck(ready, now_s) for now_s in (0.0, 1e9)] == [False, False]


def test_a_page_is_reloaded_when_that_saves_much() -> None:
    """It exceeds the maximum and has grown; a page that is large from the start is left alone."""
    assert has_outgrown(520.0, 200.0, 512)
    assert not has_outgrown(500.0, 200.0, 512)
    assert not has_outgrown(600.0, 550.0, 512)
    assert not has_outgrown(5000.0, 200.0, 0)
